"""When a ready job may start, from how long jobs like those before it ran in the past."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from math import inf
from typing import Final

from attrs import frozen

from whatsnext_core.explaining.fleet import Seat, how_many
from whatsnext_core.explaining.reasons import Estimate, Sample
from whatsnext_core.model.client import Capacity
from whatsnext_core.model.requirement import Requirement
from whatsnext_core.resources import Room
from whatsnext_core.storage.looks import Holding, PastRun, Place

ENOUGH: Final = 3
"""Past runs of a task that make a range."""
LOOKED_AT: Final = 50
"""Past runs of a task that are looked at, at most."""
TENTH: Final = 10
"""Of so many past runs one at either end is left out of the range."""
FARTHEST: Final = 10 * 366 * 86_400.0
"""Seconds from now beyond which nothing is told."""


@frozen(kw_only=True)
class Wait:
    """A range of seconds from now."""

    low: float
    """At least so many."""
    high: float
    """At most so many; infinite if nobody can tell."""


def samples(runs: Iterable[PastRun], names: Mapping[int, str]) -> dict[int, Sample]:
    """Return the range of the past runs of each task that has enough of them."""
    of_task: defaultdict[int, list[float]] = defaultdict(list)
    for run in runs:
        of_task[run.task_id].append(run.seconds)
    found = {}
    for task_id, lengths in of_task.items():
        newest = sorted(islice(lengths, LOOKED_AT))
        if len(newest) >= ENOUGH:
            cut = len(newest) // TENTH
            found[task_id] = Sample(
                task_id=task_id,
                task=names.get(task_id, f"task {task_id}"),
                runs=len(newest),
                shortest=newest[cut],
                longest=newest[-1 - cut],
            )
    return found


def left(holding: Holding, sample: Sample | None, now: datetime) -> Wait:
    """Return how long a live attempt may still hold what it holds."""
    if sample is None:
        return Wait(low=0.0, high=inf)
    elapsed = (now - (holding.started_at or now)).total_seconds()
    low, high = sample.shortest - elapsed, sample.longest - elapsed
    return Wait(low=max(0.0, low), high=high if high > 0 else inf)


@frozen(kw_only=True)
class Release:
    """What must end for a job to fit a client, if it fits nothing that is free now."""

    seat: Seat
    """The client."""
    holdings: tuple[Holding, ...]
    """The attempts that must end, the likely first ones first; none if the job fits what is free."""
    wait: Wait
    """How long that may take."""


def release(
    seat: Seat, requirement: Requirement, holdings: Sequence[Holding], known: Mapping[int, Sample], now: datetime
) -> Release:
    """Return what must end on a client that has what the job needs, given all that is held there."""
    waits = {holding.job_id: left(holding, known.get(holding.task_id), now) for holding in holdings}
    room = Room(seat.total)
    for holding in holdings:
        room.take(holding.allocation)
    if room.find(requirement) is not None:
        return Release(seat=seat, holdings=(), wait=Wait(low=0.0, high=0.0))
    by_high = sorted(holdings, key=lambda each: (waits[each.job_id].high, waits[each.job_id].low, each.job_id))
    by_low = sorted(holdings, key=lambda each: waits[each.job_id].low)
    needed = _needed(by_high, requirement, seat.total)
    soonest = _needed(by_low, requirement, seat.total)
    low = max(waits[each.job_id].low for each in soonest)
    high = max(waits[each.job_id].high for each in needed)
    return Release(seat=seat, holdings=tuple(needed), wait=Wait(low=min(low, high), high=high))


def _needed(order: Sequence[Holding], requirement: Requirement, total: Capacity) -> list[Holding]:
    """Return those of the holdings, given back in this order, without whose end the job does not fit."""
    number = next(
        number for number in range(1, len(order) + 1) if _fits_without(order[:number], order, requirement, total)
    )
    gone = list(order[:number])
    for holding in list(gone[:-1]):
        fewer = [each for each in gone if each is not holding]
        if _fits_without(fewer, order, requirement, total):
            gone = fewer
    return gone


def _fits_without(
    gone: Sequence[Holding], holdings: Sequence[Holding], requirement: Requirement, total: Capacity
) -> bool:
    ended = {each.job_id for each in gone}
    room = Room(total)
    for holding in holdings:
        if holding.job_id not in ended:
            room.take(holding.allocation)
    return room.find(requirement) is not None


@frozen(kw_only=True)
class Forecast:
    """What there is to say of a start: an estimate, or the tasks whose past runs are missing."""

    estimate: Estimate | None = None
    """When it may start."""
    missing: tuple[int, ...] = ()
    """The tasks of which too few runs are known."""


def _width(requirement: Requirement, seats: Sequence[Seat]) -> int:
    """Return how many jobs of a kind have room at the same time; 0 if there is none, or no bound."""
    slots = [how_many(requirement, seat.total) for seat in seats]
    return 0 if None in slots else sum(each for each in slots if each is not None)


def forecast(
    now: datetime, place: Place, seats: Sequence[Seat], releases: Sequence[Release], known: Mapping[int, Sample]
) -> Forecast:
    """Return when a ready job may start on clients that have what it needs.

    It starts once there is room on one of them, and those before it that want the same room have had theirs.
    """
    if not releases:
        return Forecast()
    used: set[int] = set()
    low, high = min(each.wait.low for each in releases), min(each.wait.high for each in releases)
    holding_tasks = {holding.task_id for each in releases for holding in each.holdings}
    missing = holding_tasks - known.keys() if high == inf else set()
    used |= holding_tasks & known.keys()
    widths = {need: _width(need, seats) for need in {group.requirement for group in place.ahead}}
    for group in place.ahead:
        width = widths[group.requirement]
        if not width:
            continue
        if group.task_id not in known:
            missing.add(group.task_id)
            continue
        used.add(group.task_id)
        low += group.number * known[group.task_id].shortest / width
        high += group.number * known[group.task_id].longest / width
    if missing:
        return Forecast(missing=tuple(sorted(missing)))
    if low > FARTHEST:
        return Forecast()
    latest = None if place.more or high > FARTHEST else now + timedelta(seconds=high)
    return Forecast(
        estimate=Estimate(
            earliest=now + timedelta(seconds=low),
            latest=latest,
            samples=tuple(known[task_id] for task_id in sorted(used)),
        )
    )
