"""Asks Run:ai for all jobs at once, not more often than it is worth, and remembers what it said."""

from __future__ import annotations

import time
from collections.abc import Mapping

from whatsnext_core.errors import EngineError
from whatsnext_formatter_runai.program import AwayError, Program
from whatsnext_formatter_runai.states import Seen

PAUSE = 10.0
"""Seconds during which a control plane that did not answer is left alone."""


class Watch:
    """What is known of the jobs on Run:ai, and the deletions that it still has to take in."""

    def __init__(self, program: Program, interval: float) -> None:
        self.jobs: Mapping[str, Seen] = {}
        self.asked_at = -float("inf")
        """When Run:ai was asked for what is known, by the monotonic clock."""
        self.trouble = ""
        """Why it did not answer the last time; empty if it did."""
        self._program = program
        self._interval = interval
        self._tried_at = -float("inf")
        self._unwanted: dict[str, float] = {}

    @property
    def away(self) -> bool:
        """Whether Run:ai did not answer, and is left alone for now."""
        return bool(self.trouble) and time.monotonic() - self._tried_at < min(PAUSE, 5 * self._interval)

    def blame(self, trouble: str) -> None:
        """Note that Run:ai does not answer."""
        self.trouble, self._tried_at = trouble, time.monotonic()

    def refresh(self, *, urgent: bool = False) -> None:
        """Ask again if it is time to, or at once."""
        now = time.monotonic()
        if self.away or not (urgent or self.trouble or now - self.asked_at >= self._interval):
            return
        try:
            self.jobs = self._program.look()
        except (AwayError, EngineError) as error:
            self.blame(str(error))
            return
        self.asked_at, self.trouble = now, ""

    def delete(self, name: str, delay: float = 0.0) -> None:
        """Delete a job, now or as soon as Run:ai answers."""
        self._unwanted[name] = time.monotonic() + delay
        self.press()

    def press(self) -> None:
        """Delete what is due."""
        now = time.monotonic()
        for name in [name for name, due_at in self._unwanted.items() if due_at <= now]:
            if self.away:
                return
            try:
                self._program.delete(name)
            except (AwayError, EngineError) as error:
                self.blame(str(error))
                return
            del self._unwanted[name]
