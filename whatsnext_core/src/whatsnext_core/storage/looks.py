"""What a reader tells of the reasons why a job stands where it stands. Each look is bounded, however long the queue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from attrs import field, frozen

from whatsnext_core.model.client import Allocation
from whatsnext_core.model.requirement import Requirement
from whatsnext_core.model.status import AttemptStatus, Cause, Condition, JobStatus


@frozen(kw_only=True)
class Parent:
    """A job before another one, whose edge to it is not met as far as that one was told."""

    id: int
    """Its id."""
    name: str
    """Its name when the edge was made."""
    condition: Condition
    """What it must do."""
    status: JobStatus | None = None
    """Where it stands; None if it was deleted."""
    task_id: int | None = None
    """Its task."""
    client_id: str | None = None
    """The client of its newest attempt."""
    started_at: datetime | None = None
    """When that started, in UTC."""
    not_before: datetime | None = None
    """The end of its back-off, in UTC."""
    cause: Cause | None = None
    """Why its last attempt did not succeed, if it did not."""
    exit_code: int | None = None
    """Exit code of that attempt."""
    message: str = ""
    """The cause in words."""


@frozen(kw_only=True)
class Ahead:
    """Ready jobs of one task that stand before another one."""

    project_id: int
    """Their project."""
    task_id: int
    """Their task."""
    requirement: Requirement
    """What each of them needs, grown by the task's policy."""
    number: int
    """How many they are."""


@frozen(kw_only=True)
class Place:
    """Where a ready job stands among all ready ones of active projects, in the order in which claims take them."""

    since: datetime
    """Since when it could have started, in UTC."""
    ahead: tuple[Ahead, ...] = field(default=())
    """Those before it, by project, task and requirement; as many as were counted."""
    more: bool = False
    """Whether more stand before it than were counted."""

    @property
    def number(self) -> int:
        """How many were counted before it."""
        return sum(each.number for each in self.ahead)


@frozen(kw_only=True)
class Holding:
    """A live attempt, and what it holds of its client."""

    client_id: str
    """The client."""
    job_id: int
    """The job."""
    name: str
    """The job's name."""
    project_id: int
    """The job's project."""
    task_id: int
    """The job's task."""
    status: AttemptStatus
    """Whether it runs."""
    allocation: Allocation
    """The part of the client that it was given."""
    claimed_at: datetime
    """When it was claimed, in UTC."""
    started_at: datetime | None = None
    """When it started, in UTC."""


@frozen(kw_only=True)
class PastRun:
    """How long a job ran that has completed."""

    job_id: int
    """The job."""
    task_id: int
    """Its task."""
    seconds: float
    """From the start of its last attempt to its end."""


class ReasonReader(Protocol):
    """What a reader says of the reasons why a job stands where it stands."""

    def unmet(self, job_id: int, limit: int) -> Sequence[Parent]:
        """Return up to ``limit`` jobs before this one whose edges to it are not met, as far as it was told.

        Those that can never be met come first, then by id. NotFoundError if no job.
        """
        ...

    def place(self, job_id: int, limit: int) -> Place | None:
        """Return where a ready job stands, counting up to ``limit`` of those before it; which ones is left open.

        None for a job that is not ready or whose project is archived. NotFoundError if no job.
        """
        ...

    def past_runs(self, project_id: int, task_ids: Collection[int], limit: int) -> Sequence[PastRun]:
        """Return how long jobs of these tasks ran, among the ``limit`` newest COMPLETED jobs of the project.

        By id descending, without those whose start is not known; none for an unknown project.
        """
        ...

    def holdings(self, client_ids: Collection[str], limit: int) -> Sequence[Holding]:
        """Return up to ``limit`` attempts that these clients hold now, by job id."""
        ...

    def reservations(self) -> Mapping[str, tuple[int, datetime]]:
        """Return for each client that has a reservation the job that it is for, and when it was made or renewed."""
        ...
