"""Threads that sleep until something is due, and are woken only when something comes up that is due before that."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeAlias

Due: TypeAlias = Callable[[], float | None]
"""Returns when a thread has something to do, by the monotonic clock; None if it has nothing to do."""


class Sleepers:
    """Those who sleep on one condition, whose lock is held wherever this is called.

    To wake two threads for each start and each end of a job takes longer than short jobs do.
    """

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._until: dict[Due, float] = {}

    def sleep(self, due: Due, seconds: float | None) -> None:
        """Sleep until the time is over (None for never), or what ``due`` returns comes before that."""
        self._until[due] = float("inf") if seconds is None else time.monotonic() + seconds
        try:
            self._changed.wait(seconds)
        finally:
            del self._until[due]

    def stir(self) -> None:
        """Wake everybody if somebody would sleep for too long."""
        for due, until in self._until.items():
            moment = due()
            if moment is not None and moment < until:
                self._changed.notify_all()
                return
