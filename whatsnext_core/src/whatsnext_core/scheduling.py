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

from attrs import evolve, field, frozen

from whatsnext_core.model.client import Allocation, Capacity
from whatsnext_core.model.requirement import Requirement
from whatsnext_core.resources import allocate, fits, set_aside, take

RESERVATION_HOLDS = timedelta(minutes=2)
"""How long a client's reservation counts for others after the claim that made or renewed it."""


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

    def view(self, requirement: Requirement) -> Requirement:
        """Return the requirement without what this offer ignores."""
        if self.ignore_cpu:
            requirement = evolve(requirement, cpu=0)
        if self.ignore_accelerators:
            requirement = evolve(requirement, accelerators=0)
        return requirement


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
    free, reserve = offer.free, None
    picks: list[Pick] = []
    heap: list[tuple[int, int, int, Line, Requirement]] = []
    for line in lines:
        requirement = offer.view(line.requirement)
        if line.jobs and fits(requirement, offer.total):
            _push(heap, line, requirement, 0)
    while heap and len(picks) < offer.limit:
        _, job_id, place, line, requirement = heapq.heappop(heap)
        allocation = allocate(requirement, free)
        if allocation is not None:
            picks.append(Pick(job_id=job_id, allocation=allocation))
            free = take(free, allocation)
            _push(heap, line, requirement, place + 1)
        elif reserve is None and job_id not in reserved_elsewhere and now - line.jobs[place].since >= reserve_after:
            reserve = job_id
            free = set_aside(requirement, free)
    return Plan(picks=tuple(picks), reserve=reserve)


def _push(
    heap: list[tuple[int, int, int, Line, Requirement]], line: Line, requirement: Requirement, place: int
) -> None:
    if place < len(line.jobs):
        job = line.jobs[place]
        heapq.heappush(heap, (-job.priority, job.job_id, place, line, requirement))
