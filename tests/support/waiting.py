"""Waiting for a condition instead of for a while."""

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["wait_until"]

T = TypeVar("T")

FIRST_PAUSE = 0.005
LONGEST_PAUSE = 0.1


def wait_until(condition: Callable[[], T], timeout: float = 30.0, why: str = "the condition holds") -> T:
    """The first true value of `condition`, which is asked again and again for at most `timeout` seconds.

    `why` ends the sentence "Waited in vain until ...". An exception of the condition is not caught:
    a condition that may fail for a while says so by returning a false value.
    """
    deadline = time.monotonic() + timeout
    pause = FIRST_PAUSE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited in vain until {why}: not so after {timeout:g} s (last answer: {value!r}).")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
