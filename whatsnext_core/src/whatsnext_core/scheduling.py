"""Which of the ready jobs a client gets.

The queue is a set of lines, one for each project and requirement class, ordered by priority (higher first), then age
(lower id first). A claim merges the heads of the lines and takes what fits the client's free resources, best first. A
job that fits the client's total but not what is free of it is passed over by smaller ones only for so long: then the
client drains for it.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from attrs import evolve, field, frozen

from whatsnext_core.model.client import Allocation, Capacity
from whatsnext_core.model.requirement import Requirement
from whatsnext_core.model.task import TaskSpec
from whatsnext_core.resources import Room

CLAIM_ROUNDS = 8
"""How often one claim looks for jobs, at most, while some that it took turn out to be none that can run."""
RESERVATION_HOLDS = timedelta(minutes=2)
"""How long a client's reservation counts for others after the claim that made or renewed it."""
AHEAD = 1_000
"""Jobs at the head of each line among which a client that will be taken away looks for those that end in time."""


@frozen(kw_only=True)
class ReadyJob:
    """A job that could start now."""

    job_id: int
    """The job."""
    priority: int
    """Higher goes first."""
    since: datetime
    """Since when it could have started, in UTC."""


@frozen(kw_only=True)
class Line:
    """The head of one line of ready jobs, all with one requirement."""

    requirement: Requirement
    """What each of them needs."""
    jobs: Sequence[ReadyJob]
    """The first of them, by priority descending and then id; as many as may be claimed at once, or all there are."""


@frozen(kw_only=True)
class Offer:
    """What a client offers for new jobs."""

    free: Capacity
    """What is free now."""
    total: Capacity
    """What it has when nothing runs; a job that does not fit this is never held for it."""
    limit: int
    """The most jobs to take."""
    ignore_cpu: bool = False
    """Whether jobs are taken whatever CPUs they need."""
    ignore_accelerators: bool = False
    """Whether jobs are taken whatever accelerators they need."""
    time_left: float | None = None
    """Seconds until the client is taken away; a job that may take longer is passed over. None if it stays."""

    def without(self, allocations: Collection[Allocation]) -> Offer:
        """Return what is left of it when these jobs are taken."""
        room = Room(self.free)
        for allocation in allocations:
            room.take(allocation)
        return evolve(self, free=room.capacity(), limit=self.limit - len(allocations))


@frozen(kw_only=True)
class Pick:
    """A job that the client gets."""

    job_id: int
    """The job."""
    allocation: Allocation
    """What it gets of the client."""


@frozen(kw_only=True)
class Plan:
    """What a claim does."""

    picks: tuple[Pick, ...] = field(default=())
    """The jobs that the client gets, best first."""
    reserve: int | None = None
    """The job that the client drains for from now on, if there is one."""


def longest(timeout: float | None, task: TaskSpec) -> float | None:
    """Return the seconds that a job of the task may take, its grace included; None if nothing limits it.

    Args:
        timeout: The job's own limit; None for that of its task.
        task: The task.
    """
    limit = task.timeout if timeout is None else timeout
    return None if limit is None else limit + task.grace


def ends_in_time(seconds: float | None, time_left: float | None) -> bool:
    """Return whether a job that may take so long can be given to a client that is there for so long.

    A job without a limit can: it may be short, and one that is not returns to the queue when the client goes.
    """
    return seconds is None or time_left is None or seconds <= time_left


def plan_claim(
    lines: Iterable[Line],
    offer: Offer,
    *,
    now: datetime,
    reserve_after: timedelta,
    reserved_elsewhere: Collection[int] = (),
) -> Plan:
    """Return the jobs that an offer gets, best first, and the one to drain for.

    A job that does not fit what is free, but fits the total, has been ready for ``reserve_after`` and is not reserved
    by another client gets a reservation: the jobs behind it get only what it leaves. At most one is reserved at a time.
    Cost: O((lines + limit) log lines), whatever the length of the lines.
    """
    ignored = {"ignore_cpu": offer.ignore_cpu, "ignore_accelerators": offer.ignore_accelerators}
    free, total = Room(offer.free, **ignored), Room(offer.total, **ignored)
    reserve: int | None = None
    picks: list[Pick] = []
    heap = [_head(line, 0) for line in lines if line.jobs and total.find(line.requirement) is not None]
    heapq.heapify(heap)
    while heap and len(picks) < offer.limit:
        _, job_id, place, line = heapq.heappop(heap)
        allocation = free.find(line.requirement)
        if allocation is not None:
            picks.append(Pick(job_id=job_id, allocation=allocation))
            free.take(allocation)
            if place + 1 < len(line.jobs):
                heapq.heappush(heap, _head(line, place + 1))
        elif reserve is None and job_id not in reserved_elsewhere and now - line.jobs[place].since >= reserve_after:
            reserve = job_id
            free.set_aside(line.requirement)
    return Plan(picks=tuple(picks), reserve=reserve)


_Head: TypeAlias = tuple[int, int, int, Line]
"""The negative priority and the id of a job, its place in its line, and the line: the smallest goes first."""


def _head(line: Line, place: int) -> _Head:
    job = line.jobs[place]
    return -job.priority, job.job_id, place, line
