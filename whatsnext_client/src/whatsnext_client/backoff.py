"""How long to wait before the next try: exponentially longer, with jitter, within a budget of time."""

from __future__ import annotations

import random
import time
from typing import Final

FIRST: Final = 0.05
LONGEST: Final = 5.0


class Backoff:
    """The pauses between the tries of one undertaking."""

    def __init__(self, budget: float, *, longest: float = LONGEST) -> None:
        self.deadline = time.monotonic() + budget
        self._longest = longest
        self._next = FIRST

    def pause(self, *, at_least: float = 0.0) -> float | None:
        """Return the seconds to wait before the next try, or None when the budget does not allow another one."""
        pause = max(at_least, self._next * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, guards no secret
        self._next = min(self._next * 2, self._longest)
        return pause if time.monotonic() + pause < self.deadline else None
