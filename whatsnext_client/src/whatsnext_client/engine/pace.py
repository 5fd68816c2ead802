"""How fast jobs go, and with it how many a worker keeps in stock.

A worker of jobs that take milliseconds would spend its time waiting for the server. It therefore asks for a few more
jobs than fit now, as many as it will start within a moment; jobs that take longer are never hoarded.
"""

from __future__ import annotations

from typing import Final

HORIZON: Final = 0.4
"""Seconds of work that a worker keeps in stock."""
SHORT: Final = 0.05
"""Seconds that jobs may take for any to be kept in stock."""
ENOUGH: Final = 8
"""Jobs that must have ended before anything is said of their pace."""
MOST: Final = 400
"""Jobs that are kept in stock at most."""
WEIGHT: Final = 0.1
"""Weight of the newest job in the averages."""


class Pace:
    """Averages over the jobs that ended last."""

    def __init__(self) -> None:
        self._ended = 0
        self._duration = 0.0
        self._interval = 0.0
        self._cpu = 1.0
        self._memory = 0.0
        self._last: float | None = None

    def ended(self, now: float, duration: float, cpu: int, memory: int) -> None:
        """Take in a job that has just ended after ``duration`` seconds."""
        weight = max(WEIGHT, 1 / (self._ended + 1))
        interval = 0.0 if self._last is None else min(now - self._last, 1.0)
        self._duration += weight * (duration - self._duration)
        self._interval += weight * (interval - self._interval)
        self._cpu += weight * (cpu - self._cpu)
        self._memory += weight * (memory - self._memory)
        self._ended += 1
        self._last = now

    @property
    def jobs_are_short(self) -> bool:
        """Whether jobs are so short that the way to the server counts."""
        return self._ended >= ENOUGH and self._duration < SHORT

    @property
    def stock(self) -> int:
        """How many jobs to keep beyond those that run."""
        if not self.jobs_are_short:
            return 0
        return min(MOST, int(HORIZON / max(self._interval, HORIZON / MOST)))

    @property
    def stock_cpu(self) -> int:
        """CPUs that these jobs need."""
        return round(self.stock * self._cpu)

    @property
    def stock_memory(self) -> int:
        """Bytes of memory that these jobs need."""
        return round(self.stock * self._memory)
