"""What is submitted during a chaos run: jobs with dependencies, some that fail, some that are cancelled meanwhile."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any, Final

from attrs import field, frozen

from whatsnext_core.model import Condition

FLAKES: Final = 1
"""Attempts of a flaky job that fail."""
RETRIES: Final = 2
"""Failed attempts of a failing job that are tried again."""
MOST_LOSSES: Final = 1_000
"""Losses that a job survives: a run kills more workers than a policy would put up with."""


class Behaviour(StrEnum):
    """What a job does."""

    OK = "ok"
    """It succeeds."""
    FLAKY = "flaky"
    """Its first attempts fail, the next one succeeds."""
    FAILING = "failing"
    """All its attempts fail."""

    @property
    def retries(self) -> int:
        """Return how many failed attempts its task puts up with."""
        return {Behaviour.OK: 0, Behaviour.FLAKY: FLAKES + 2, Behaviour.FAILING: RETRIES}[self]


@frozen(kw_only=True)
class PlannedJob:
    """A job that will be submitted."""

    name: str
    """Its name, which no other job of the run has."""
    behaviour: Behaviour
    """What it does."""
    seconds: float
    """How long each attempt takes, at least."""
    parents: Mapping[str, Condition] = field(factory=dict)
    """Names of the jobs that it waits for, each with what that one must do."""
    cancelled: bool = False
    """Whether a person cancels it, sooner or later."""


SIZES: Final = (1, 3, 10, 25, 60)
"""Jobs in a batch."""
LARGE: Final = 1_200
"""Jobs in the one large batch of a long run; so many are written in slices."""
BEHAVIOURS: Final = ((Behaviour.OK, 82), (Behaviour.FLAKY, 13), (Behaviour.FAILING, 5))
CONDITIONS: Final = ((Condition.SUCCESS, 8), (Condition.FINISHED, 2), (Condition.FAILURE, 1))
SECONDS: Final = (0.0, 0.0, 0.0, 0.05, 0.1, 0.4)
WITH_PARENTS: Final = 0.35
CANCELLED: Final = 0.04
NEAR: Final = 40
"""Parents are among so many jobs before."""


def plan_workload(dice: Random, jobs: int) -> list[Sequence[PlannedJob]]:
    """Return the batches of a run, in the order in which they are submitted; the same for the same dice."""
    planned = list(_plan_jobs(dice, jobs))
    batches: list[Sequence[PlannedJob]] = []
    start = 0
    large = dice.randrange(jobs - 2 * LARGE) if jobs > 3 * LARGE else None
    while start < jobs:
        size = dice.choice(SIZES)
        if large is not None and start >= large:
            size, large = LARGE, None
        batches.append(planned[start : start + size])
        start += size
    return batches


def _plan_jobs(dice: Random, jobs: int) -> Iterator[PlannedJob]:
    names: list[str] = []
    for number in range(jobs):
        parents: dict[str, Condition] = {}
        if names and dice.random() < WITH_PARENTS:
            for parent in dice.sample(names[-NEAR:], min(len(names), dice.choice((1, 1, 2)))):
                parents[parent] = _weighted(dice, CONDITIONS)
        names.append(f"job-{number}")
        yield PlannedJob(
            name=names[-1],
            behaviour=_weighted(dice, BEHAVIOURS),
            seconds=dice.choice(SECONDS),
            parents=parents,
            cancelled=dice.random() < CANCELLED,
        )


def _weighted(dice: Random, choices: Sequence[tuple[Any, int]]) -> Any:
    return dice.choices([each for each, _ in choices], [weight for _, weight in choices])[0]


SCRIPT: Final = """\
folder=$1 behaviour=$2 seconds=$3
echo "begin $WHATSNEXT_JOB_ID $WHATSNEXT_ATTEMPT" >> "$folder/record"
echo "began $WHATSNEXT_JOB_ID-$WHATSNEXT_ATTEMPT"
test "$seconds" = 0 || sleep "$seconds"
failed=no
case $behaviour in
  failing) failed=yes ;;
  flaky) test -e "$folder/flaked-$WHATSNEXT_JOB_ID" || failed=yes ;;
esac
if test $failed = yes; then
  : > "$folder/flaked-$WHATSNEXT_JOB_ID"
  echo "fail $WHATSNEXT_JOB_ID $WHATSNEXT_ATTEMPT" >> "$folder/record"
  exit 7
fi
echo "\\"$WHATSNEXT_JOB_ID-$WHATSNEXT_ATTEMPT\\"" > "$WHATSNEXT_RESULT"
echo "ended $WHATSNEXT_JOB_ID-$WHATSNEXT_ATTEMPT"
echo "done $WHATSNEXT_JOB_ID $WHATSNEXT_ATTEMPT" >> "$folder/record"
"""
"""What every job does, as a shell's program: each line is appended in one piece, so the record is in order."""
FAILED_EXIT: Final = 7


def write_script(folder: Path) -> str:
    """Write the program of the jobs into a folder, where their record will be, too; return its command template."""
    script = folder / "job.sh"
    script.write_text(SCRIPT, encoding="utf-8")
    (folder / "record").touch()
    return f"sh {shlex.quote(str(script))} {shlex.quote(str(folder))} {{behaviour}} {{seconds}}"


@frozen
class Line:
    """A line of the record."""

    moment: str
    """``begin``, ``done`` or ``fail``."""
    job_id: int
    """The job."""
    fence: int
    """The attempt."""


def read_record(folder: Path) -> list[Line]:
    """Return what the jobs recorded, in the order in which it happened."""
    lines = (folder / "record").read_text(encoding="utf-8").splitlines()
    return [Line(moment, int(job), int(fence)) for moment, job, fence in map(str.split, lines)]
