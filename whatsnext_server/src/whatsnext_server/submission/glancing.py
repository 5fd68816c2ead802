"""Batches of jobs as nearly all are, read and checked at a glance: a microsecond a job, where the schema takes eight.

What is found here would pass the schema too and mean the same. Anything else, be it wrong or only unusual, is left to
the schema, which says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from msgspec import DecodeError, Meta, Raw, Struct
from msgspec.json import Decoder

from whatsnext_core.model import Condition, limits

_Id = Annotated[int, Meta(ge=1, le=limits.MAX_ID)]
_Name = Annotated[str, Meta(min_length=1, max_length=limits.MAX_NAME)]
_Priority = Annotated[int, Meta(ge=-limits.MAX_PRIORITY, le=limits.MAX_PRIORITY)]
_Timeout = Annotated[float, Meta(ge=0.001, le=limits.MAX_SECONDS)]


class PlainDependency(Struct, forbid_unknown_fields=True, gc=False):
    """A dependency with a condition."""

    job: _Id | str
    """A ref of the batch, or the id of a job that exists."""
    condition: Condition = Condition.SUCCESS
    """What that job must do."""


class PlainJob(Struct, forbid_unknown_fields=True, gc=False):
    """A job of a batch, with the fields of ``BatchJob`` that most have."""

    name: _Name
    """Its name."""
    task_id: _Id | None = None
    """Its task."""
    task: str | None = None
    """Name of its task."""
    parameters: dict[str, Any] = {}
    """Its parameters."""
    priority: _Priority = 0
    """Its priority."""
    ref: _Name | None = None
    """What others of the batch call it."""
    depends_on: list[_Id | str | PlainDependency] = []
    """The jobs before it."""
    timeout: _Timeout | None = None
    """Its own limit in seconds."""
    depends: ClassVar[Mapping[int, str | None]] = {}
    conditions: ClassVar[Mapping[int, Condition]] = {}
    """Left to the schema."""


_OPENING: Final = re.compile(rb'[ \t\n\r]*\{[ \t\n\r]*"jobs"[ \t\n\r]*:')
_MEMBERS: Final = Decoder(list[Raw])
_JOB: Final = Decoder(PlainJob)


def plain_jobs(body: bytes) -> list[PlainJob] | None:
    """Return the jobs of a batch; None if the body, or one of them, must be looked at more closely."""
    opening, end = _OPENING.match(body), body.rfind(b"}")
    if opening is None or body[end + 1 :].strip(b" \t\n\r"):
        return None
    try:
        members = _MEMBERS.decode(memoryview(body)[opening.end() : end])
        return [_JOB.decode(member) for member in members]  # one by one, so that other threads have their turn
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None


__all__ = ["PlainDependency", "PlainJob", "plain_jobs"]
