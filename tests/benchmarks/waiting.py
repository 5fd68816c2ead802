"""Waiting for the last of many jobs, ours and those of peers, without taking the time of those that do them."""

from __future__ import annotations

import time
from collections.abc import Callable

LEAST = 0.02
"""Seconds between two looks, at least: each takes as long as a few jobs."""
MOST = 2.0
"""Seconds after which somebody looks again, whatever he expects."""


def until_counted(count: Callable[[], int], goal: int) -> float:
    """Wait until ``count`` gives ``goal``, and return when that was seen, by `time.perf_counter`.

    It looks again when half of the time has passed that the rest will take at the pace so far.
    """
    begin, first = time.perf_counter(), count()
    done = first
    while done < goal:
        passed = time.perf_counter() - begin
        expected = passed / (done - first) * (goal - done) if done > first else 0.0
        time.sleep(min(max(expected / 2, LEAST), MOST))
        done = count()
    return time.perf_counter()
