"""A chaos run from its beginning to its verdict."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final

from attrs import define, field, frozen

from whatsnext_core.model import JobStatus
from whatsnext_core.testing.chaos.arena import Arena
from whatsnext_core.testing.chaos.evidence import Evidence, group, read_logs
from whatsnext_core.testing.chaos.installation import Installation
from whatsnext_core.testing.chaos.judging import Breach, judge
from whatsnext_core.testing.chaos.rest import Rest
from whatsnext_core.testing.chaos.strikes import plan_strikes
from whatsnext_core.testing.chaos.submitting import Submitter
from whatsnext_core.testing.chaos.workload import Line, plan_workload, read_record

SHOWN: Final = 20
"""Breaches that a report shows with their histories."""
UNEASY: Final = (JobStatus.PENDING, JobStatus.QUEUED, JobStatus.RUNNING)
BEHIND: Final = 0.7
"""How much of its share of the jobs must have ended before a blow falls, so that blows fall all through the run."""
SLOWEST: Final = 10
"""Pauses for which a blow waits for that, at most."""
LOOK_EVERY: Final = 0.25


@frozen(kw_only=True)
class Report:
    """How a run went."""

    seed: int
    """What it was planned from."""
    timeline: Sequence[str]
    """What happened, in order."""
    evidence: Evidence
    """What it left."""
    breaches: Sequence[Breach]
    """The promises that were broken."""
    left: Sequence[str]
    """Programs that ended though nobody struck them; they were started again."""
    kills: int
    """Processes that were killed."""
    seconds: float
    """How long it took."""

    def summary(self) -> str:
        """Return how it went, in some lines."""
        evidence = self.evidence
        statuses = [job["status"] for job in evidence.jobs.values()]
        ends = ", ".join(f"{statuses.count(status)} {status}" for status in sorted(set(statuses)))
        attempts = [attempt for found in evidence.attempts.values() for attempt in found]
        lost = sum(attempt["status"] == "LOST" for attempt in attempts)
        return (
            f"seed {self.seed}: {len(evidence.jobs)} jobs ({ends}) by {len(attempts)} attempts, {lost} of them lost; "
            f"{self.kills} kills; {len(evidence.acknowledged)} acknowledged ends, "
            f"{len(evidence.uncertain)} submissions without answer; {len(self.left)} programs ended by themselves; "
            f"{self.seconds:.0f} s; {len(self.breaches)} promises broken"
        )

    def text(self) -> str:
        """Return all that is needed to look into a failure."""
        lines = [self.summary(), "", *self.timeline, *(f"ended by itself: {words}" for words in self.left), ""]
        for breach in self.breaches[:SHOWN]:
            lines.append(f"BROKEN: {breach}")
            lines += self.evidence.history(breach.job_id) if breach.job_id is not None else ()
        if len(self.breaches) > SHOWN:
            lines.append(f"... and {len(self.breaches) - SHOWN} more")
        return "\n".join(lines)

    def check(self) -> None:
        """Raise AssertionError, with all that is needed to look into it, if a promise was broken."""
        if self.breaches:
            raise AssertionError(self.text())


@define
class _Timeline:
    began: float = field(factory=time.monotonic)
    lines: list[str] = field(factory=list)
    echo: Callable[[str], None] | None = None

    def say(self, words: str) -> None:
        self.lines.append(f"{time.monotonic() - self.began:8.2f} {words}")
        if self.echo is not None:
            self.echo(self.lines[-1])


def run_chaos(
    installation: Installation,
    folder: Path,
    *,
    jobs: int,
    kills: int,
    seed: int,
    pause: float = 1.0,
    within: float = 120.0,
    short: bool = False,
    echo: Callable[[str], None] | None = None,
) -> Report:
    """Run jobs while processes are killed, and return what came of it.

    Args:
        installation: What to start.
        folder: An empty folder that other users may enter, for everything that is written.
        jobs: How many jobs.
        kills: How many processes are killed, at least; half as many times something else goes wrong.
        seed: What all chances come from. The same one gives the same jobs and the same blows, though not the same
            moments: those are the processes' own.
        pause: Seconds between two blows, on average.
        within: Seconds after the last blow in which everything must have come to an end.
        short: Whether only few blows last longer than a lease, so that the run is soon over.
        echo: Called with what happens, while it happens.
    """
    dice = Random(seed)  # noqa: S311  # a seed for a run that can be repeated, no secret
    batches = plan_workload(dice, jobs)
    strikes = plan_strikes(
        dice,
        kills,
        lease=installation.lease,
        pause=pause,
        has_database=installation.database is not None,
        short=short,
    )
    timeline = _Timeline(echo=echo)
    arena = Arena(installation, folder, timeline.say)
    submitter: Submitter | None = None
    try:
        arena.start()
        submitter = Submitter(Rest(arena.links[-1].port), arena.project_id, batches, dice)
        submitter.start()
        timeline.say("begins")
        mends: list[tuple[float, int, str, Callable[[], None]]] = []
        for number, strike in enumerate(strikes):
            submitter.allow(round(jobs * (number + 1) / len(strikes)))
            _pass_time(arena, mends, time.monotonic() + strike.pause, timeline)
            ended = round(BEHIND * jobs * number / len(strikes))
            patience = strike.pause * (1 if short else SLOWEST)
            _pass_time(arena, mends, time.monotonic() + patience, timeline, ended=ended)
            timeline.say(str(strike))
            heapq.heappush(mends, (time.monotonic() + strike.lasts, number, str(strike.blow), arena.strike(strike)))
        submitter.allow(jobs)
        while mends:
            _pass_time(arena, mends, mends[0][0], timeline)
        arena.mend_all()
        timeline.say("everything is mended")
        _come_to_rest(arena, submitter, within, timeline)
        evidence = _gather(arena, submitter, folder, installation.lease)
    finally:
        if submitter is not None:
            submitter.close()
        arena.close()
    breaches = judge(evidence)
    if submitter.refusal:
        breaches.insert(0, Breach("what is right is not refused", submitter.refusal))
    return Report(
        seed=seed,
        timeline=timeline.lines,
        evidence=evidence,
        breaches=breaches,
        left=arena.left,
        kills=sum(strike.blow.kills for strike in strikes),
        seconds=time.monotonic() - timeline.began,
    )


def _pass_time(
    arena: Arena,
    mends: list[tuple[float, int, str, Callable[[], None]]],
    until: float,
    timeline: _Timeline,
    *,
    ended: int | None = None,
) -> None:
    """Let time pass, and mend what is due; once so many jobs have ``ended``, that is enough."""
    look = 0.0
    while True:
        while mends and mends[0][0] <= time.monotonic():
            _, _, what, mend = heapq.heappop(mends)
            mend()
            timeline.say(f"mended: {what}")
        arena.supervise()
        left = until - time.monotonic()
        if left <= 0:
            return
        if ended is not None and time.monotonic() > look:
            look = time.monotonic() + LOOK_EVERY
            if arena.ended() >= ended:
                return
        time.sleep(min(left, 0.05))


def _come_to_rest(arena: Arena, submitter: Submitter, within: float, timeline: _Timeline) -> None:
    """Wait until all is submitted, no job waits or runs any more, and the first server is there; or for so long."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        arena.supervise()
        counts = arena.counts()
        at_rest = counts is not None and not any(counts[status] for status in UNEASY)
        if submitter.done and at_rest and arena.answers(0):  # it is asked for the evidence, and may start still
            timeline.say("everything has come to rest")
            return
        time.sleep(0.2)
    timeline.say(f"not everything came to rest: {arena.counts()}, submitted all: {submitter.done}")


def _gather(arena: Arena, submitter: Submitter, folder: Path, lease: float) -> Evidence:
    """Return what there is. The workers leave first, so that nothing changes while it is read."""
    remains = arena.stop_workers()
    rest = arena.rest()
    jobs = {job["id"]: job for job in rest.jobs(arena.project_id)}
    logs = read_logs(rest, (job["id"] for job in jobs.values() if job["status"] == JobStatus.COMPLETED))
    record: list[Line] = read_record(folder)
    return Evidence(
        submitted=submitter.submitted,
        uncertain=submitter.uncertain,
        cancelled=frozenset(submitter.cancelled),
        acknowledged=frozenset(arena.acknowledged),
        record=record,
        jobs=jobs,
        attempts={job_id: rest.call("GET", f"/jobs/{job_id}/attempts") for job_id in jobs},
        events=group(rest.events(arena.project_id)),
        logs=logs,
        lease=lease,
        remains=remains,
    )
