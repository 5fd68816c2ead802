"""What a reader of the storage may ask for."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from attrs import field, frozen

from whatsnext_core.model import limits
from whatsnext_core.model.event import Event, EventKind
from whatsnext_core.model.requirement import Requirement
from whatsnext_core.model.status import JobStatus


class JobOrder(StrEnum):
    """How a list of jobs is sorted. Every order is total, so that pages never repeat or skip a job that stays."""

    OLDEST = "oldest"
    """By id, ascending."""
    NEWEST = "newest"
    """By id, descending."""
    QUEUE = "queue"
    """By priority descending, then id: the order in which a client that fits them all would get them."""


@frozen(kw_only=True)
class Page:
    """Which part of a list is wanted."""

    limit: int = field(default=100)
    """The most items, from 0 to 10,000."""
    skip: int = field(default=0)
    """How many to leave out at the beginning."""

    @limit.validator
    def _check_limit(self, _: object, value: int) -> None:
        limits.check_number(value, "limit", low=0, high=10_000)

    @skip.validator
    def _check_skip(self, _: object, value: int) -> None:
        limits.check_number(value, "skip", low=0, high=limits.MAX_ID)


@frozen(kw_only=True)
class LogPart:
    """A piece of what an attempt wrote to one stream."""

    data: bytes
    """Bytes without a gap; empty at the end."""
    offset: int
    """Where in the stream they begin: where they were asked for, or behind a part that was dropped."""
    size: int
    """Bytes received so far, those dropped included."""


@frozen(kw_only=True)
class Demand:
    """What some of the jobs that could start now need, all of them the same.

    Sorted by project, requirement (by its key) and longest time, no limit last.
    """

    project_id: int
    """Their project."""
    requirement: Requirement
    """What each of them needs."""
    longest: float | None = None
    """Seconds that each may take, its grace included; None if nothing limits it."""
    jobs: int
    """How many there are."""


def _as_statuses(statuses: Iterable[JobStatus]) -> frozenset[JobStatus]:
    return frozenset(statuses)


@frozen(kw_only=True)
class JobQuery:
    """Which jobs are wanted, and in which order."""

    project_id: int | None = None
    """Only those of this project."""
    statuses: frozenset[JobStatus] = field(default=frozenset(), converter=_as_statuses)
    """Only those with one of these; empty for all."""
    task_id: int | None = None
    """Only those of this task."""
    task_name: str | None = None
    """Only those of tasks with this name."""
    name: str | None = None
    """Only those with exactly this name."""
    after_id: int | None = None
    """Only those with a higher id."""
    before_id: int | None = None
    """Only those with a lower id."""
    behind: tuple[int, int] | None = None
    """Only those that come after a job of this priority and this id in the order of the queue."""
    order: JobOrder = JobOrder.OLDEST
    """How they are sorted."""
    page: Page = field(factory=Page)
    """Which part of them."""


def _as_ids(ids: Iterable[int]) -> frozenset[int]:
    return frozenset(ids)


def _as_kinds(kinds: Iterable[EventKind]) -> frozenset[EventKind]:
    return frozenset(kinds)


@frozen(kw_only=True)
class EventFilter:
    """Which events are wanted."""

    project_id: int | None = None
    """Only those of this project."""
    job_ids: frozenset[int] = field(default=frozenset(), converter=_as_ids)
    """Only those of these jobs; empty for all."""
    kinds: frozenset[EventKind] = field(default=frozenset(), converter=_as_kinds)
    """Only those of these kinds; empty for all."""

    def matches(self, event: Event) -> bool:
        """Return whether an event is wanted."""
        return (
            (self.project_id is None or event.project_id == self.project_id)
            and (not self.job_ids or event.job_id in self.job_ids)
            and (not self.kinds or event.kind in self.kinds)
        )


EVERY_EVENT: Final = EventFilter()
"""All of them."""
