"""Hears of the end early: held requests must be answered before the web server waits for its connections."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def early_notice(notify: Callable[[], None]) -> Iterator[None]:
    """Call ``notify`` in the event loop as soon as a signal asks the process to end, then whoever handled it before.

    A web server closes its connections first and tells the application last; a request that is held for a minute would
    hold up the end for as long. Outside the main thread, where signals cannot be heard, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(notify)
        earlier = before[signal.Signals(number)]
        if callable(earlier):
            earlier(number, frame)
        elif earlier == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is handle and handler is not None:
                signal.signal(number, handler)


__all__ = ["early_notice"]
