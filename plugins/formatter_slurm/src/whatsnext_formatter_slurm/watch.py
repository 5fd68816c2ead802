"""Asks the controller for all jobs at once, not more often than it is worth, and remembers what it said."""

from __future__ import annotations

import time
from collections.abc import Mapping

from whatsnext_core.errors import EngineError
from whatsnext_formatter_slurm import commands
from whatsnext_formatter_slurm.commands import AwayError
from whatsnext_formatter_slurm.states import Seen

MARK = "whatsnext-"
"""How the comments begin that tell attempts' jobs apart."""
PAUSE = 5.0
"""Seconds during which a controller that did not answer is left alone."""
HASTE = 10
"""How many times more often it is asked while jobs have written an exit code that it does not know of."""


class Watch:
    """What is known of the jobs on Slurm."""

    def __init__(self, interval: float) -> None:
        self.jobs: Mapping[str, Seen] = {}
        self.taken: Mapping[str, str] = {}
        """The ids of attempts' jobs, by token."""
        self.asked_at = -float("inf")
        """When the controller was asked for what is known, by the monotonic clock."""
        self.trouble = ""
        """Why it did not answer the last time; empty if it did."""
        self._interval = interval
        self._tried_at = -float("inf")
        self._accounting = True
        self._tokens: Mapping[str, str] = {}

    @property
    def away(self) -> bool:
        """Whether the controller did not answer, and is left alone for now."""
        return bool(self.trouble) and time.monotonic() - self._tried_at < PAUSE

    def see(self, job: str, token: str) -> Seen | None:
        """Return what the controller says of a job.

        A controller that lost its state gives ids again: a job with the token of another attempt is not this one.
        """
        return None if self.is_other(job, token) else self.jobs.get(job)

    def is_other(self, job: str, token: str) -> bool:
        """Return whether the job of this id is known to be another attempt's."""
        return self._tokens.get(job, token) != token

    def blame(self, trouble: str) -> None:
        """Note that the controller does not answer."""
        self.trouble, self._tried_at = trouble, time.monotonic()

    def refresh(self, *, urgent: bool) -> None:
        """Ask again if it is time to; ``urgent`` if a job has ended that the controller says runs."""
        if self.away:
            return
        interval = self._interval / HASTE if urgent else self._interval
        now = time.monotonic()
        if not self.trouble and now - self.asked_at < interval:
            return
        try:
            self.jobs, comments = commands.queue()
        except (AwayError, EngineError) as error:
            self.blame(str(error))
            return
        self._tokens = {job: comment for job, comment in comments.items() if comment.startswith(MARK)}
        self.taken = {token: job for job, token in self._tokens.items()}
        self.asked_at, self.trouble = now, ""

    def forgotten(self, tokens: Mapping[str, str]) -> Mapping[str, Seen]:
        """Return how jobs ended, by the accounting, that the controller does not know; their tokens are by id."""
        if not tokens or not self._accounting:
            return {}
        try:
            found = commands.accounting(tokens)
        except AwayError:
            return {}
        self._accounting = found is not None
        return found or {}
