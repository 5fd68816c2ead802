"""Schemas that several endpoints share."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

from whatsnext_core.model import Cause, Condition, JobStatus, ProjectStatus
from whatsnext_server.schemas.base import Schema

E = TypeVar("E", JobStatus, ProjectStatus, Condition, Cause)


def _in_any_case(kind: type[E]) -> BeforeValidator:
    def parse(value: Any) -> Any:
        return kind.parse(value) if isinstance(value, str) else value

    return BeforeValidator(parse)


AnyCaseJobStatus = Annotated[JobStatus, _in_any_case(JobStatus)]
"""A job status, read in any case."""
AnyCaseProjectStatus = Annotated[ProjectStatus, _in_any_case(ProjectStatus)]
"""A project status, read in any case."""
AnyCaseCondition = Annotated[Condition, _in_any_case(Condition)]
"""A dependency condition, read in any case."""
AnyCaseCause = Annotated[Cause, _in_any_case(Cause)]
"""A cause, read in any case."""

ReadOnly = Annotated[Any, Field(description="Read-only: taken from the document that GET gave, and ignored.")]
"""A field that an update may carry and that changes nothing."""


class Problem(Schema):
    """Why a request was refused or failed."""

    detail: str
    """A sentence that names the value and says what to do."""


class LogProblem(Problem):
    """Why bytes of a log or an artifact were refused."""

    size: int | None = None
    """The offset at which to go on, if the one given lies beyond the end of what is there."""


class Message(Schema):
    """That the server is there."""

    message: str
    """The same in words."""


class Acknowledgement(Schema):
    """That it is done."""

    status: str
    """What is done."""


class Deleted(Schema):
    """How much was deleted."""

    deleted: int
    """Number of jobs."""


__all__ = [
    "Acknowledgement",
    "AnyCaseCause",
    "AnyCaseCondition",
    "AnyCaseJobStatus",
    "AnyCaseProjectStatus",
    "Deleted",
    "LogProblem",
    "Message",
    "Problem",
    "ReadOnly",
]
