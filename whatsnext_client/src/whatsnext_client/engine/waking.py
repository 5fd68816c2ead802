"""Lets a loop sleep until something happens: in another thread, in a signal handler, or on an engine."""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from typing import Final

LONGEST: Final = 3600.0
"""Seconds that one sleep lasts at most."""
BROKEN_PAUSE: Final = 0.05
"""Seconds that a sleep lasts at least on a descriptor that is closed or broken, which never lets anybody sleep."""


class Waker:
    """A pipe whose writing end any thread and any signal handler may use."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def wake(self) -> None:
        """End the present sleep, or the next one."""
        with suppress(BlockingIOError, OSError):
            os.write(self._writer, b"!")

    def sleep(self, seconds: float, *descriptors: int) -> None:
        """Sleep until somebody wakes it, one of the descriptors is readable, or the time is over."""
        poll = select.poll()
        for descriptor in (self._reader, *descriptors):
            poll.register(descriptor, select.POLLIN)
        events = poll.poll(max(0.0, min(seconds, LONGEST)) * 1000)
        if any(not event & select.POLLIN for _, event in events):
            time.sleep(BROKEN_PAUSE)
        with suppress(BlockingIOError):
            while len(os.read(self._reader, 4096)) == 4096:  # noqa: PLR2004 - the size that was asked for
                pass

    def close(self) -> None:
        """Close the pipe."""
        for descriptor in (self._reader, self._writer):
            with suppress(OSError):
                os.close(descriptor)
