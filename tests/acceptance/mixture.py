"""Jobs that end in all the ways there are, and what must have become of each."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Final

from attrs import frozen

from tests.support import wait_until
from whatsnext.api.client import Job, Project

__all__ = ["Fate", "Mixture"]

KINDS: Final = ("well", "well", "well", "after", "well", "fails", "well", "slow", "cancelled", "blocked")
"""What every ten jobs are."""
TIMEOUT: Final = 2
"""Seconds after which those are ended that are slow."""
SCRIPT: Final = """\
echo "$WHATSNEXT_ATTEMPT" >> {ran}/$1
echo "out of $1"
echo "err of $1" >&2
[ "$2" = 0 ] || exec sleep "$2"
exit "$3"
"""


@frozen(kw_only=True)
class Fate:
    """What must become of a job."""

    status: str
    """Its status."""
    cause: str | None = None
    """The cause of its attempt's end."""
    exit_code: int | None = 0
    """The exit code of its attempt; None if that is not told."""
    runs: tuple[int, ...] = (1,)
    """How often it may have run."""


class Mixture:
    """Jobs of a project: most end well, some fail, take too long, are cancelled, wait for others or can never run.

    Each writes down that it runs, and writes to both of its streams.
    """

    def __init__(
        self, project: Project, folder: Path, count: int, kinds: Sequence[str] = KINDS, limit: float = TIMEOUT
    ) -> None:
        self.project = project
        self.limit = limit
        self.ran = folder / "ran"
        self.ran.mkdir()
        script = folder / "job.sh"
        script.write_text(SCRIPT.format(ran=shlex.quote(str(self.ran))))
        template = f"sh {shlex.quote(str(script))} {{number}} {{seconds}} {{code}}"
        project.create_task("job", command_template=template, grace=1)
        project.create_task("slow", command_template=template, timeout=limit, grace=1)
        self.kinds = [kinds[number % len(kinds)] for number in range(count)]
        self.jobs = [self._job(number, kind) for number, kind in enumerate(self.kinds)]

    def submit(self) -> None:
        """Queue all of them; those that wait for others after those."""
        first = [job for job, kind in zip(self.jobs, self.kinds, strict=True) if kind not in ("after", "blocked")]
        self.project.extend_queue(first)
        behind = []
        for number, kind in enumerate(self.kinds):
            if kind in ("after", "blocked"):
                before = self.jobs[number - number % 10 + (0 if kind == "after" else 5)]
                self.jobs[number] = Job(f"{kind} {number}", "job", self._parameters(number, kind), depends=[before])
                behind.append(self.jobs[number])
        if behind:
            self.project.extend_queue(behind)

    def cancel(self) -> None:
        """Cancel those that shall be: half of them while they wait or wherever they are, the others once they run."""
        chosen = [job for job, kind in zip(self.jobs, self.kinds, strict=True) if kind == "cancelled"]
        for job in chosen[::2]:
            job.cancel()
        for job in chosen[1::2]:
            wait_until(lambda job=job: job.refresh().status == "RUNNING", 120, f"{job.name} runs")  # type: ignore[misc]
            job.cancel()

    def ended(self) -> int:
        """How many have ended, or never can."""
        counts = self.project.rest.counts(self.project.id)
        return sum(counts[status] for status in ("COMPLETED", "FAILED", "CANCELLED", "BLOCKED"))

    def longest_wait(self, cpus: int) -> float:
        """Seconds that some CPU spends on slow jobs until their timeouts, one after another, whoever runs them."""
        return ceil(self.kinds.count("slow") / cpus) * self.limit

    def check(self) -> Counter[str]:
        """Check what became of each, and return how many there were of each kind."""
        for number, (job, kind) in enumerate(zip(self.jobs, self.kinds, strict=True)):
            self._check(number, job.refresh(), self.fate(number, kind))
        return Counter(self.kinds)

    @staticmethod
    def fate(number: int, kind: str) -> Fate:
        """What must become of a job of this kind."""
        match kind:
            case "fails":
                return Fate(status="FAILED", cause="exit", exit_code=1 + number % 7)
            case "slow":
                return Fate(status="FAILED", cause="timeout", exit_code=None)
            case "cancelled":
                return Fate(status="CANCELLED", cause="cancelled", exit_code=None, runs=(0, 1))
            case "blocked":
                return Fate(status="BLOCKED", runs=(0,))
        return Fate(status="COMPLETED")

    def _job(self, number: int, kind: str) -> Job:
        return Job(f"{kind} {number}", "slow" if kind == "slow" else "job", self._parameters(number, kind))

    @staticmethod
    def _parameters(number: int, kind: str) -> dict[str, object]:
        seconds = 600 if kind in ("slow", "cancelled") else 0
        return {"number": number, "seconds": seconds, "code": 1 + number % 7 if kind == "fails" else 0}

    def _check(self, number: int, job: Job, fate: Fate) -> None:
        words = f"{job.name} (job {job.id}): {job.message}"
        assert job.status == fate.status, words
        lines = (self.ran / str(number)).read_text().split() if (self.ran / str(number)).exists() else []
        assert len(lines) in fate.runs, f"{words}: ran as attempts {lines}"
        attempts = job.attempts()
        if not lines:
            return
        *lost, last = attempts
        # What was claimed and not started when a client was killed, or given back for want of room, has not run.
        assert all(each.started_at is None for each in lost), f"{words}: {attempts}"
        assert lines == [str(last.fence)], f"{words}: {attempts}"
        assert (last.cause or None) == fate.cause, words
        if fate.exit_code is not None:
            assert last.exit_code == fate.exit_code, words
        assert job.logs() == f"out of {number}\n", words
        assert job.logs("stderr").startswith(f"err of {number}\n"), words
