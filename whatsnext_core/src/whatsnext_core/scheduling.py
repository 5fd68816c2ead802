"""Which of the ready jobs a client gets.

The queue is a set of lines, one for each project and requirement class, ordered by priority (higher first), then age
(lower id first). A claim merges the heads of the lines and takes what fits the client's free resources, best first. A
job that fits the client's total but not what is free of it is passed over by smaller ones only for so long: then the
client drains for it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Sequence
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
    is_read: bool = True
    """Whether they are. Else there is one, seen some time ago or made up, which the first of them neither comes before
    nor has waited longer than: the line is read before anything is done about it."""


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
    read: Callable[[Line], Line] | None = None,
) -> Plan:
    """Return the jobs that an offer gets, best first, and the one to drain for.

    A job that does not fit what is free, but fits the total, has been ready for ``reserve_after`` and is not reserved
    by another client gets a reservation: the jobs behind it get only what it leaves. At most one is reserved at a time.
    Cost: O(lines + looked at * log lines), whatever the length of the lines; all are looked at if the limit is not
    reached.

    Args:
        lines: The lines, in any order.
        offer: What the client offers.
        now: The present, in UTC.
        reserve_after: How long a job that does not fit waits before the client drains for it.
        reserved_elsewhere: Jobs that other clients drain for.
        read: Reads a line that was not; None if all are. Only those are read of which something is taken, or reserved,
            or might be.
    """
    ignored = {"ignore_cpu": offer.ignore_cpu, "ignore_accelerators": offer.ignore_accelerators}
    free, total = Room(offer.free, **ignored), Room(offer.total, **ignored)
    reserve: int | None = None
    picks: list[Pick] = []
    heap = [_head(line, number, 0) for number, line in enumerate(lines) if line.jobs]
    heapq.heapify(heap)
    while heap and len(picks) < offer.limit:
        _, job_id, number, place, line = heapq.heappop(heap)
        allocation = free.find(line.requirement)
        if allocation is None and (
            reserve is not None
            or job_id in reserved_elsewhere
            or now - line.jobs[place].since < reserve_after
            or total.find(line.requirement) is None
        ):
            continue
        if read is not None and not line.is_read:
            line = read(line)
            if line.jobs:
                heapq.heappush(heap, _head(line, number, 0))
        elif allocation is not None:
            picks.append(Pick(job_id=job_id, allocation=allocation))
            free.take(allocation)
            if place + 1 < len(line.jobs):
                heapq.heappush(heap, _head(line, number, place + 1))
        else:
            reserve = job_id
            free.set_aside(line.requirement)
    return Plan(picks=tuple(picks), reserve=reserve)


_Head: TypeAlias = tuple[int, int, int, int, Line]
"""The negative priority and the id of a job, which line it stands in, its place there, and the line: the smallest goes
first, and where a line that was not read seems to begin with a job of another one, either may."""


def _head(line: Line, number: int, place: int) -> _Head:
    job = line.jobs[place]
    return -job.priority, job.job_id, number, place, line
