"""Ends containers in steps, none of which waits for the container."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from whatsnext_formatter_docker.runtime import Runtime

AGAIN: Final = 0.5
"""Seconds after which a signal is sent again that did not find its container, or did not end it."""


class Stop:
    """The end of one container, on its way.

    A container that does not exist yet, because its image is still being fetched, gets the signal once it does; force
    ends the fetching too.
    """

    def __init__(self, runtime: Runtime, name: str, end_follower: Callable[[], None]) -> None:
        self._runtime = runtime
        self._name = name
        self._end_follower = end_follower
        self._signal = ""
        self._deadline = float("inf")
        self._next = 0.0

    @property
    def asked(self) -> bool:
        """Whether somebody wants its end."""
        return self._deadline < float("inf")

    @property
    def forced(self) -> bool:
        """Whether the time for force has come."""
        return time.monotonic() >= self._deadline

    def ask(self, signal: str, grace: float) -> None:
        """Send the signal now; force is used after ``grace`` seconds, or when it was due before."""
        self._signal = signal
        self._deadline = min(self._deadline, time.monotonic() + grace)
        self._next = 0.0
        self.advance()

    def advance(self) -> None:
        """Take the next step."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + AGAIN
        if self.forced:
            # Killed now, its follower has the last of its output to write; else there is nothing more to come.
            if not self._runtime.send(self._name, "SIGKILL"):
                self._end_follower()
        elif self._signal and self._runtime.send(self._name, self._signal):
            self._signal = ""
