"""Which pilots to start and which to withdraw. Pure: a snapshot and the time give a plan."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from math import ceil
from typing import Final

from attrs import evolve, field, frozen

from whatsnext_autoscale_slurm.pilots import MEBIBYTE, Pilot, PilotState, Shape, minutes
from whatsnext_autoscale_slurm.settings import AutoscaleSettings
from whatsnext_core.model import Requirement
from whatsnext_core.resources import Room
from whatsnext_core.scheduling import ends_in_time

START: Final = 60.0
"""Seconds of a pilot's time that may pass before its worker is there."""
ARRIVES: Final = 120.0
"""Seconds after its start within which a pilot's worker is expected; until then the pilot counts for what waits."""


@frozen(kw_only=True)
class Want:
    """Jobs that could start now, all alike."""

    requirement: Requirement
    """What each needs."""
    longest: float | None
    """Seconds that each may take; None if nothing limits it."""
    jobs: int
    """How many there are."""


@frozen(kw_only=True)
class Refusal:
    """That Slurm refused a pilot."""

    shape: Shape
    """What it would have had."""
    at: float
    """When, in seconds since 1970."""
    words: str
    """Slurm's words."""


@frozen(kw_only=True)
class Snapshot:
    """What is known at one moment."""

    wants: tuple[Want, ...] = field(default=())
    """The jobs that wait."""
    pilots: tuple[Pilot, ...] = field(default=())
    """The pilots that there are, and those that ended not long ago."""
    refusals: tuple[Refusal, ...] = field(default=())
    """The refusals, of some time."""


@frozen(kw_only=True)
class Plan:
    """What to do."""

    submit: tuple[Shape, ...] = field(default=())
    """The pilots to submit."""
    withdraw: tuple[str, ...] = field(default=())
    """The jobs of Slurm of pilots that wait and that nothing needs any more."""
    notes: tuple[str, ...] = field(default=())
    """Why no more is done, in sentences."""


def decide(snapshot: Snapshot, settings: AutoscaleSettings, now: float) -> Plan:
    """Return which pilots to submit and which to withdraw.

    Pilots that wait or have just started count for the jobs that wait; those that work do not: what still waits is more
    than they can run. So many more are submitted as the rest needs, within the limits, none like one for which the
    partition is full, and none like those that failed lately.
    """
    labels = offered_labels(settings)
    unmet = {want: ceil(want.jobs / settings.backlog) for want in together(snapshot.wants)}
    live = [pilot for pilot in snapshot.pilots if pilot.state.is_live]
    pending = [pilot for pilot in live if pilot.state is PilotState.PENDING]
    starting = [pilot for pilot in live if _is_starting(pilot, now)]
    for pilot in starting:
        _fill(pilot.shape, unmet, settings, labels)
    oldest = sorted(pending, key=lambda each: each.submitted_at)
    withdraw = [pilot.job for pilot in oldest if not _fill(pilot.shape, unmet, settings, labels)]
    room = min(settings.max_pilots - len(live) + len(withdraw), settings.max_pending - len(pending) + len(withdraw))
    submit: list[Shape] = []
    notes: dict[str, None] = {}
    for want in list(unmet):
        shape, why = shape_for(want, settings, labels)
        if shape is None:
            notes[f"No pilot is started for {describe(want)}: {why}."] = None
            continue
        if unmet[want] > 0 and (why := hold_back(shape, snapshot, settings, now)):
            notes[why] = None
            continue
        while unmet[want] > 0 and len(submit) < room and _fill(shape, unmet, settings, labels, first=want):
            submit.append(shape)
    return Plan(submit=tuple(submit), withdraw=tuple(withdraw), notes=tuple(notes))


def together(wants: Iterable[Want]) -> list[Want]:
    """Return the same jobs with those of all projects that are alike as one."""
    found: dict[tuple[Requirement, float | None], int] = {}
    for want in wants:
        kind = (want.requirement, want.longest)
        found[kind] = found.get(kind, 0) + want.jobs
    return [Want(requirement=needs, longest=longest, jobs=jobs) for (needs, longest), jobs in found.items() if jobs > 0]


def shape_for(want: Want, settings: AutoscaleSettings, labels: frozenset[str]) -> tuple[Shape | None, str]:
    """Return the pilot for such jobs; None, and why, if there is none for them."""
    needs = want.requirement
    seconds = settings.time
    if want.longest is not None:
        seconds = max(seconds, want.longest + settings.margin + START)
    shape = Shape(
        cpus=max(settings.cpus, needs.cpu),
        memory=ceil(max(settings.memory, needs.memory) / MEBIBYTE),
        gpus=max(settings.gpus, ceil(needs.accelerators)),
        minutes=minutes(seconds),
    )
    if missing := sorted(needs.labels - labels):
        return None, f"they ask for {', '.join(missing)}, which no pilot carries; give such labels in its settings"
    if seconds > settings.max_time:
        return None, f"they may take longer than a pilot may run, {settings.max_time:g} seconds (max_time)"
    if needs.accelerator_kind.casefold() not in settings.gpu_kind.casefold():
        return None, f"they need GPUs of the kind {needs.accelerator_kind!r}; if pilots have such, set gpu_kind"
    return shape, ""


def hold_back(shape: Shape, snapshot: Snapshot, settings: AutoscaleSettings, now: float) -> str:
    """Return why no pilot of this shape is submitted now; empty if one may be."""
    waiting = [
        pilot
        for pilot in snapshot.pilots
        if pilot.shape == shape and pilot.state is PilotState.PENDING and now - pilot.submitted_at > settings.patience
    ]
    if waiting:
        because = f" ({waiting[0].reason})" if waiting[0].reason else ""
        return f"The partition is full for pilots with {shape}: one waits since long{because}."
    failures = recent_failures(shape, snapshot)
    if failures:
        last = max(at for at, _ in failures)
        pause = min(settings.max_retry, settings.retry * 2.0 ** min(len(failures) - 1, 30))
        if now < last + pause:
            words = next(words for at, words in failures if at == last)
            times = "once" if len(failures) == 1 else f"{len(failures)} times in a row"
            return f"Pilots with {shape} failed {times}; the next is tried {pause:g} seconds after the last. {words}"
    return ""


def recent_failures(shape: Shape, snapshot: Snapshot) -> list[tuple[float, str]]:
    """Return when and how pilots of this shape failed since the last one that was good."""
    alike = [pilot for pilot in snapshot.pilots if pilot.shape == shape]
    good = max(
        (
            pilot.ended_at or pilot.started_at or pilot.submitted_at
            for pilot in alike
            if pilot.state is PilotState.ENDED or (pilot.state is PilotState.RUNNING and pilot.works)
        ),
        default=float("-inf"),
    )
    failed = [(pilot.ended_at or 0.0, pilot.reason) for pilot in alike if pilot.state is PilotState.FAILED]
    failed += [(refusal.at, refusal.words) for refusal in snapshot.refusals if refusal.shape == shape]
    return sorted((at, words) for at, words in failed if at > good)


def offered_labels(settings: AutoscaleSettings) -> frozenset[str]:
    """Return the labels that pilots carry, as far as that is known before they run."""
    known = {f"os={platform.system().lower()}", f"arch={platform.machine().lower()}"}
    if settings.partition:
        known.add(f"slurm-partition={settings.partition}")
    return frozenset(settings.labels) | known


def describe(want: Want) -> str:
    """Return such jobs as words."""
    return f"{want.jobs:,} job{'s' * (want.jobs != 1)} with {want.requirement.describe()} each"


def _is_starting(pilot: Pilot, now: float) -> bool:
    """Whether its worker is not there yet, but will be."""
    return (
        pilot.state is PilotState.RUNNING
        and not pilot.works
        and (pilot.started_at is None or now - pilot.started_at < ARRIVES)
    )


def _fill(
    shape: Shape,
    unmet: dict[Want, int],
    settings: AutoscaleSettings,
    labels: frozenset[str],
    first: Want | None = None,
) -> int:
    """Take what a pilot can run at once from what waits, some of it first, and return how many jobs that is."""
    room = Room(shape.capacity(settings.gpu_kind, labels))
    time_left = shape.minutes * 60.0 - settings.margin - START
    taken = 0
    for want in sorted(unmet, key=lambda each: each is not first):
        number = unmet[want]
        if not ends_in_time(want.longest, time_left):
            continue
        needs = evolve(want.requirement, cpu=max(1, want.requirement.cpu), accelerator_memory=0)
        while number > 0 and (allocation := room.find(needs)) is not None:
            room.take(allocation)
            number -= 1
            taken += 1
        unmet[want] = number
    return taken
