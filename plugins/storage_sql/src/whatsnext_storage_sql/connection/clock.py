"""The time that all servers of a database agree on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

ASK_AGAIN = 1.0
"""Seconds for which one answer of the database is carried on by this machine's own steady clock."""


class SharedClock:
    """Tells the database's time without asking for it every time; it never goes back."""

    def __init__(self, ask: Callable[[], datetime], steady: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._steady = steady
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._answer: datetime | None = None
        self._last: datetime | None = None

    def now(self) -> datetime:
        """Return the time, in UTC."""
        with self._lock:
            steady = self._steady()
            if self._answer is None or self._asked_at is None or steady - self._asked_at > ASK_AGAIN:
                self._answer = self._ask()
                self._asked_at = steady = self._steady()
            found = self._answer + timedelta(seconds=steady - self._asked_at)
            self._last = found if self._last is None else max(self._last, found)
            return self._last
