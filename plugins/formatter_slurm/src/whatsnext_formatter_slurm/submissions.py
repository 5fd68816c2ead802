"""Hands jobs to Slurm exactly once, also when its controller does not answer for a while.

A job that could not be handed over waits here and is tried again. Whether Slurm took it the first time after all is
seen by the token in its comment: only a list of jobs younger than the last try that does not have it allows another.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import Handle
from whatsnext_formatter_slurm import commands
from whatsnext_formatter_slurm.commands import AwayError
from whatsnext_formatter_slurm.script import SCRIPT
from whatsnext_formatter_slurm.watch import Watch

ORDER: Final = "slurm.json"
"""Name of the file, in the attempt's directory, with the call of sbatch."""
JOB: Final = "slurm.job"
"""Name of the file with the id of a job that was handed over late."""


class Submissions:
    """The jobs that were handed over, and those that wait for it."""

    def __init__(self, watch: Watch, limit: int | None = None) -> None:
        self.there = 0
        """Jobs that Slurm has, or may have."""
        self._watch = watch
        self._limit = limit
        self._since: dict[str, float] = {}
        """When a job was handed over, by the monotonic clock."""
        self._tried_at: dict[str, float] = {}
        """When a job that waits was last tried, by its token."""
        self._refusals: dict[str, str] = {}
        self._dropped: set[str] = set()
        self._heard: set[str] = set()
        """The tokens that Slurm may have taken without an answer."""

    def start(self, argv: Sequence[str], cwd: str | None, token: str, directory: Path) -> str:
        """Return the id of the new job, or "" if it has to wait; EngineError if Slurm refuses it."""
        order = [argv[0], "--parsable", f"--comment={token}", *argv[1:]]
        (directory / ORDER).write_text(json.dumps({"argv": order, "cwd": cwd}))
        if self.is_full:
            self._tried_at[token] = -float("inf")
            return ""
        return self._try(token, directory)

    @property
    def is_full(self) -> bool:
        """Whether Slurm has as many jobs as it may have at once."""
        return self._limit is not None and self.there >= self._limit

    def may_be_there(self, handle: Handle) -> bool:
        """Return whether Slurm may have taken a job without an answer."""
        return handle["token"] in self._heard

    def job_of(self, handle: Handle) -> str:
        """Return the id of the job of a handle; "" while it waits to be handed over."""
        if handle["job"]:
            return str(handle["job"])
        try:
            return (Path(handle["directory"]) / JOB).read_text("ascii")
        except OSError:
            return ""

    def refusal(self, handle: Handle) -> str | None:
        """Return why Slurm refused a job that waited; "" if it was given up; None if it waits still."""
        token = handle["token"]
        return "" if token in self._dropped and token not in self._heard else self._refusals.get(token)

    def listed(self, job: str) -> bool:
        """Whether the list of jobs is young enough to have this one."""
        return self._since.get(job, -float("inf")) < self._watch.asked_at

    def drop(self, handle: Handle) -> None:
        """Give up a job that waits to be handed over."""
        self._see(handle["token"])
        self._dropped.add(handle["token"])

    def advance(self, handles: Iterable[Handle]) -> list[tuple[str, str]]:
        """Hand over what waits, as far as the controller answers.

        Returns the ids and tokens of jobs that were given up, and that Slurm had taken all the same.
        """
        unwanted: list[tuple[str, str]] = []
        for handle in handles:
            token, directory = handle["token"], Path(handle["directory"])
            self._see(token)
            if self._watch.trouble or self._watch.asked_at < self._tried_at[token] or self.refusal(handle) is not None:
                continue
            if taken := self._watch.taken.get(token):
                (directory / JOB).write_text(taken)
                unwanted += [(taken, token)] if token in self._dropped else []
                continue
            self._heard.discard(token)
            if token in self._dropped or self.is_full:
                continue
            try:
                job = self._try(token, directory)
            except EngineError as error:
                self._refusals[token] = str(error)
                continue
            if job:
                (directory / JOB).write_text(job)
        return unwanted

    def forget(self, handle: Handle) -> None:
        """Forget a job that has ended."""
        self._since.pop(self.job_of(handle), None)
        self._tried_at.pop(handle["token"], None)
        self._refusals.pop(handle["token"], None)
        self._dropped.discard(handle["token"])
        self._heard.discard(handle["token"])

    def _see(self, token: str) -> None:
        """Take in a job of an earlier process: what became of its last try is not known."""
        if token not in self._tried_at:
            self._tried_at[token] = time.monotonic()
            self._heard.add(token)

    def _try(self, token: str, directory: Path) -> str:
        self._tried_at[token] = time.monotonic()
        if self._watch.away:
            return ""
        order = json.loads((directory / ORDER).read_text())
        try:
            job = commands.submit(order["argv"], (directory / SCRIPT).read_bytes(), order["cwd"])
        except AwayError as error:
            self._watch.blame(str(error))
            if error.heard:
                self._heard.add(token)
                self.there += 1
            return ""
        self._since[job] = time.monotonic()
        self.there += 1
        return job
