"""Lets SIGINT and SIGTERM end a worker in order: first it takes no more jobs, then it ends those that run."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupted_by_signals(first: Callable[[], None], second: Callable[[], None]) -> Iterator[None]:
    """Call ``first`` at the first of these signals within the block, and ``second`` at each further one.

    Signals can only be caught in the main thread; in another one the block changes nothing. Afterwards the signals do
    what they did before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = 0

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal received
        received += 1
        name = signal.Signals(number).name
        if received == 1:
            _say(f"{name}: finishing the jobs that run; once more to end them too")
            first()
        else:
            _say(f"{name}: ending the jobs that run; they return to the queue")
            second()

    before: dict[signal.Signals, Any] = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _say(sentence: str) -> None:
    """Write a line to stderr; a handler must not log, since it may have interrupted the logging."""
    try:
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()
    except (OSError, RuntimeError, ValueError, AttributeError):
        return
