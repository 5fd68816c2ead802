"""A job: one task with parameters, from its submission to its end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
from attrs import field, frozen

from whatsnext_core.model import limits
from whatsnext_core.model.status import Cause, Condition, JobStatus


def _check_own_id(job: JobSpec, _: object, value: int | None) -> None:
    if value is not None:
        limits.check_id(value, f"id of job {limits.shorten(job.name)}")


def _check_priority(what: str, value: int) -> None:
    limits.check_number(value, f"priority of {what}", low=-limits.MAX_PRIORITY, high=limits.MAX_PRIORITY)


def _check_depends(what: str, value: Mapping[int, Condition]) -> None:
    for parent in value:
        limits.check_id(parent, f"dependency of {what}")


@frozen(kw_only=True)
class JobSpec:
    """What a person says of a new job."""

    name: str = field()
    """Name; need not be unique."""
    task_id: int = field()
    """The task, of the same project."""
    parameters: Mapping[str, Any] = field(factory=dict)
    """Values for the command, a JSON object of at most 1 MiB."""
    priority: int = field(default=0)
    """Higher runs first; equal ones run oldest first."""
    depends: Mapping[int, Condition] = field(factory=dict)
    """Ids of the jobs that come before this one, each with what it must do."""
    id: int | None = field(default=None, validator=_check_own_id)
    """An id from ``reserve_job_ids``, so that jobs of one batch can refer to each other; None takes the next one."""
    timeout: float | None = field(default=None)
    """Seconds an attempt may run, instead of the task's limit; None keeps that one."""

    @name.validator
    def _check_name(self, _: object, value: str) -> None:
        limits.check_name(value, "name of the job")

    @priority.validator
    def _check_priority(self, _: object, value: int) -> None:
        _check_priority(f"job {limits.shorten(self.name)}", value)

    @task_id.validator
    def _check_task(self, _: object, value: int) -> None:
        limits.check_id(value, f"task of job {limits.shorten(self.name)}")

    @parameters.validator
    def _check_parameters(self, _: object, value: Mapping[str, Any]) -> None:
        limits.dump_parameters(value, f"parameters of job {limits.shorten(self.name)}")

    @depends.validator
    def _check_depends(self, _: object, value: Mapping[int, Condition]) -> None:
        _check_depends(f"job {limits.shorten(self.name)}", value)

    @timeout.validator
    def _check_timeout(self, _: object, value: float | None) -> None:
        if value is not None:
            what = f"timeout of job {limits.shorten(self.name)}"
            limits.check_number(value, what, low=0.001, high=limits.MAX_SECONDS, unit="seconds")


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
            limits.dump_parameters(value, "parameters of the job")

    @priority.validator
    def _check_priority(self, _: object, value: int | None) -> None:
        if value is not None:
            _check_priority("the job", value)

    @depends.validator
    def _check_depends(self, _: object, value: Mapping[int, Condition] | None) -> None:
        if value is not None:
            _check_depends("the job", value)
