"""Lets a loop sleep until something happens: in another thread, in a signal handler, or on an engine."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from typing import Final

LONGEST: Final = 3600.0
"""Seconds that one sleep lasts at most."""


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
        poll.poll(max(0.0, min(seconds, LONGEST)) * 1000)
        with suppress(BlockingIOError):
            while len(os.read(self._reader, 4096)) == 4096:  # noqa: PLR2004 - the size that was asked for
                pass

    def close(self) -> None:
        """Close the pipe."""
        for descriptor in (self._reader, self._writer):
            with suppress(OSError):
                os.close(descriptor)
