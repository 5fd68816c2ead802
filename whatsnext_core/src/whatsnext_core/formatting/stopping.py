"""Ends executions in steps, none of which waits: a signal, a grace, then force until nothing is left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from signal import Signals
from typing import Final

import psutil

from whatsnext_core.errors import EngineError
from whatsnext_core.formatting.ends import SIGKILL
from whatsnext_core.formatting.family import Root, Snapshot, send

LOOK_EVERY: Final = 0.1
"""Seconds between two looks at all processes of the machine, for one execution."""


class Stop:
    """The end of one execution, on its way.

    The process group gets the signal at once and as a whole; who left it gets it with the next step. What its processes
    start after the signal, to clean up, is left in peace until the grace is over.
    """

    def __init__(self, members: Callable[[Snapshot], list[psutil.Process]], group: Root | None = None) -> None:
        self._members = members
        self._group = group
        self._number = 0
        self._deadline = float("inf")
        self._outsiders_asked = True
        self._next_look = 0.0

    def ask(self, name: str, grace: float) -> None:
        """Send the signal of this name now; force is used after ``grace`` seconds, or when it was due before.

        Raises:
            EngineError: there is no such signal here.
        """
        self._number = _signal_number(name)
        self._deadline = min(self._deadline, time.monotonic() + grace)
        self._outsiders_asked = False
        self._next_look = 0.0
        if self._group is not None and self._group.exists():
            with suppress(OSError):
                os.killpg(self._group.pid, self._number)

    @property
    def forced(self) -> bool:
        """Whether the time for force has come."""
        return time.monotonic() >= self._deadline

    def advance(self, look: Callable[[], Snapshot], *, root_ended: bool) -> bool:
        """Take the next step, and return whether the first process has ended and nothing else is left."""
        now = time.monotonic()
        overdue = self.forced
        if now < self._next_look or (self._outsiders_asked and not overdue and not root_ended):
            return False
        self._next_look = now + LOOK_EVERY
        members = self._members(look())
        if overdue:
            _send_all(members, SIGKILL)
        elif not self._outsiders_asked:
            asked = None if self._group is None else self._group.pid
            _send_all([member for member in members if _group_of(member) != asked], self._number)
        self._outsiders_asked = True
        return root_ended and not members


def _send_all(members: list[psutil.Process], number: int) -> None:
    for member in members:
        send(member, number)


def _group_of(process: psutil.Process) -> int:
    group = 0
    with suppress(OSError):
        group = os.getpgid(process.pid)
    return group


def _signal_number(name: str) -> int:
    try:
        return Signals[name]
    except KeyError:
        raise EngineError(f"There is no signal {name!r} on this machine; SIGTERM and SIGINT end a job.") from None
