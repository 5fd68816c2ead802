"""An attempt: one execution of a job by one client, under a lease and a fence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from whatsnext_core.model import limits
from whatsnext_core.model.client import Allocation
from whatsnext_core.model.job import Job
from whatsnext_core.model.status import AttemptStatus, Cause, JobStatus
from whatsnext_core.model.task import Task


def _cut(text: str) -> str:
    return text[: limits.MAX_TEXT].replace("\0", "")


@frozen(kw_only=True)
class Attempt:
    """One execution of a job. ``job_id`` and ``fence`` identify it."""

    job_id: int
    """The job."""
    fence: int
    """Grows by one with each attempt of the job; a write that carries an old one is refused."""
    status: AttemptStatus
    """Where it stands."""
    client_id: str | None
    """The client that claimed it; None for a fetch without a client."""
    session_id: str | None
    """The process of that client that claimed it; None for a fetch through the documented endpoint."""
    allocation: Allocation
    """The CPUs and devices that it was given."""
    claimed_at: datetime
    """When it was claimed, in UTC."""
    started_at: datetime | None = None
    """When it started, in UTC."""
    finished_at: datetime | None = None
    """When it ended, in UTC."""
    expires_at: datetime | None = None
    """When its lease lapses, in UTC; None for one that ended or has no lease."""
    exit_code: int | None = None
    """Exit code; negative for a signal."""
    cause: Cause | None = None
    """Why it did not succeed."""
    message: str = ""
    """The same in words."""
    peak_memory: int | None = None
    """Largest resident memory in bytes."""
    cpu_seconds: float | None = None
    """CPU time in seconds, user and system."""
    handle: Mapping[str, Any] | None = None
    """What finds it again on its engine: pid and start time, Slurm id, container id."""
    request: int | None = None
    """The number of the sync request that claimed it, within its session."""


@frozen(kw_only=True)
class AttemptRef:
    """Names an attempt in a message."""

    job_id: int
    """The job."""
    fence: int
    """The attempt's fence."""


@frozen(kw_only=True)
class AttemptStart:
    """A client reports that an attempt runs, and with it that it still holds it."""

    job_id: int
    """The job."""
    fence: int
    """The attempt's fence."""
    handle: Mapping[str, Any] | None = None
    """What finds it again on its engine."""


@frozen(kw_only=True)
class AttemptEnd:
    """A client reports how an attempt ended."""

    job_id: int
    """The job."""
    fence: int
    """The attempt's fence."""
    succeeded: bool
    """Whether the command succeeded on its engine."""
    cause: Cause | None = None
    """Why not; needed if it did not succeed."""
    exit_code: int | None = None
    """Exit code; negative for a signal."""
    message: str = field(default="", converter=_cut)
    """The same in words; cut to 65,536 characters."""
    peak_memory: int | None = None
    """Largest resident memory in bytes."""
    cpu_seconds: float | None = None
    """CPU time in seconds."""
    duration: float | None = None
    """Seconds from start to end, by the client's own monotonic clock."""
    result: Any = None
    """The small JSON value that the job returned."""


@frozen(kw_only=True)
class EndOutcome:
    """What the server made of an AttemptEnd."""

    job_id: int
    """The job."""
    fence: int
    """The attempt's fence."""
    accepted: bool
    """Whether it counted; a repeated report of a counted end is accepted again and changes nothing."""
    status: JobStatus | None = None
    """The job's status now; None if the job is gone."""
    reason: str = ""
    """Why it was not accepted."""


@frozen(kw_only=True)
class Assignment:
    """A claimed job, with all that a client needs to run it."""

    job: Job
    """The job."""
    task: Task
    """Its task."""
    fence: int
    """The new attempt's fence."""
    allocation: Allocation
    """The CPUs and devices that it was given."""
