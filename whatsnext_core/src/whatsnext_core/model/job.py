"""A job: one task with parameters, from its submission to its end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
from attrs import field, frozen

from whatsnext_core.model import limits
from whatsnext_core.model.status import Cause, Condition, JobStatus


def _check_priority(what: str, value: int) -> None:
    limits.check_number(value, f"priority of {what}", low=-limits.MAX_PRIORITY, high=limits.MAX_PRIORITY)


def _check_depends(what: str, value: Mapping[int, Condition]) -> None:
    for parent in value:
        limits.check_id(parent, f"dependency of {what}")


def is_plain(name: str, parameters: Mapping[str, Any], priority: int) -> bool:
    """Return whether it is seen at a glance that a job may be called and given this; False leaves it open."""
    return (
        -limits.MAX_PRIORITY <= priority <= limits.MAX_PRIORITY
        and limits.is_plain_name(name)
        and limits.are_simple(parameters)
    )


@frozen(kw_only=True)
class JobSpec:
    """What a person says of a new job."""

    name: str
    """Name; need not be unique."""
    task_id: int
    """The task, of the same project."""
    parameters: Mapping[str, Any] = field(factory=dict)
    """Values for the command, a JSON object of at most 1 MiB."""
    priority: int = 0
    """Higher runs first; equal ones run oldest first."""
    depends: Mapping[int, Condition] = field(factory=dict)
    """Ids of the jobs that come before this one, each with what it must do."""
    id: int | None = None
    """An id from ``reserve_job_ids``, so that jobs of one batch can refer to each other; None takes the next one."""
    timeout: float | None = None
    """Seconds an attempt may run, instead of the task's limit; None keeps that one."""

    def __attrs_post_init__(self) -> None:
        """Check all values in one go: with a validator for each, most of the time went into what messages call it."""
        if self._is_plain():
            return
        limits.check_name(self.name, "name of the job")
        what = f"job {limits.shorten(self.name)}"
        limits.check_id(self.task_id, f"task of {what}")
        limits.check_parameters(self.parameters, f"parameters of {what}")
        _check_priority(what, self.priority)
        if self.depends:
            _check_depends(what, self.depends)
        if self.id is not None:
            limits.check_id(self.id, f"id of {what}")
        if self.timeout is not None:
            limits.check_number(self.timeout, f"timeout of {what}", low=0.001, high=limits.MAX_SECONDS, unit="seconds")

    def _is_plain(self) -> bool:
        """Return whether it is seen at a glance that all values keep their limits; False leaves it open."""
        return (
            not self.depends
            and self.id is None
            and self.timeout is None
            and 1 <= self.task_id <= limits.MAX_ID
            and is_plain(self.name, self.parameters, self.priority)
        )


@frozen(kw_only=True)
class Job:
    """A stored job, as anybody may see it."""

    id: int
    """Number of the job, given by the storage; a later job has a higher one."""
    name: str
    """Name as submitted."""
    project_id: int
    """The project that holds it."""
    task_id: int
    """Its task."""
    task_name: str
    """The name of its task."""
    parameters: Mapping[str, Any]
    """Values for the command."""
    status: JobStatus
    """Where it stands."""
    priority: int
    """Higher runs first."""
    depends: Mapping[int, str]
    """Ids of the jobs before it, each with its name."""
    conditions: Mapping[int, Condition] = field(factory=dict)
    """For each id in ``depends``, what that job must do."""
    created_at: datetime
    """When it was submitted, in UTC."""
    updated_at: datetime
    """When anything of it last changed, in UTC."""
    attempt: int = 0
    """Number of its newest attempt (its fence); 0 before the first claim."""
    failures: int = 0
    """Failed attempts since the submission or the last retry by a person."""
    losses: int = 0
    """Lost attempts since the submission or the last retry by a person."""
    ooms: int = 0
    """Attempts among the failures that ran out of memory; each raises the memory that the next one gets."""
    cause: Cause | None = None
    """Why the last attempt did not succeed, if it did not."""
    message: str = ""
    """The same in words."""
    exit_code: int | None = None
    """Exit code of the last attempt that ended; negative for a signal."""
    not_before: datetime | None = None
    """The end of its back-off, in UTC, while it waits for a retry."""
    timeout: float | None = None
    """Seconds an attempt may run, if the job has a limit of its own."""
    cancel_requested: bool = False
    """Whether a person cancelled it and its client has not yet confirmed that it ended."""
    client_id: str | None = None
    """The client of its newest attempt."""
    started_at: datetime | None = None
    """When its newest attempt started, in UTC."""
    finished_at: datetime | None = None
    """When it ended, in UTC."""
    result: Any = None
    """The small JSON value that it returned, if any."""


@frozen(kw_only=True)
class JobChanges:
    """The fields of a job that shall change; None leaves one as it is."""

    name: str | None = field(default=None)
    """New name."""
    project_id: int | None = field(default=None)
    """Another project to move it to; it must have no dependencies, and ``task_id`` must name a task there."""
    task_id: int | None = field(default=None)
    """Another task, of the job's project."""
    parameters: Mapping[str, Any] | None = field(default=None)
    """New parameters."""
    priority: int | None = field(default=None)
    """New priority."""
    depends: Mapping[int, Condition] | None = field(default=None)
    """All dependencies anew."""
    status: JobStatus | None = None
    """New status; a legal transition only."""

    @name.validator
    def _check_name(self, _: object, value: str | None) -> None:
        if value is not None:
            limits.check_name(value, "name of the job")

    @project_id.validator
    @task_id.validator
    def _check_id(self, attribute: attrs.Attribute[int], value: int | None) -> None:
        if value is not None:
            limits.check_id(value, f"{attribute.name.removesuffix('_id')} of the job")

    @parameters.validator
    def _check_parameters(self, _: object, value: Mapping[str, Any] | None) -> None:
        if value is not None:
            limits.check_parameters(value, "parameters of the job")

    @priority.validator
    def _check_priority(self, _: object, value: int | None) -> None:
        if value is not None:
            _check_priority("the job", value)

    @depends.validator
    def _check_depends(self, _: object, value: Mapping[int, Condition] | None) -> None:
        if value is not None:
            _check_depends("the job", value)
