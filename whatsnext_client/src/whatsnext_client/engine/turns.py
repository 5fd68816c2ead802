"""Jobs that are handed to the engine before there is room for them, to be started one after the other.

Between the end of one job and the start of the next one, a worker has to hear of the end, and to make up its mind. For
jobs of milliseconds that is as long as they run, and longer when it is busy with what the server says. So it has the
engine start some more jobs that need the very same room, each when another one ends.

The engine runs ``width`` of them at once, for which there is room: it is given back when fewer than that are left.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from whatsnext_client.engine.pace import Pace
from whatsnext_client.engine.records import Held
from whatsnext_core.model import Allocation

SHARE: Final = 8
"""The part of the stock that waits at the engine is one in so many."""
MOST: Final = 32
"""Jobs that wait there, at most."""
LONGEST: Final = 2.0
"""Seconds that they wait there."""


@frozen
class Turn:
    """What the engine is told of a job that is started in turn."""

    width: int
    """How many of them run at once."""
    until: float
    """When it is too late for it, by the monotonic clock."""


class Turns:
    """The jobs of one worker that are started in turn.

    Args:
        pace: Whether jobs are short.
        usable: Whether that is possible at all: the engine can do it, and jobs are not pinned to CPUs.
    """

    def __init__(self, pace: Pace, *, usable: bool) -> None:
        self._pace = pace
        self._usable = usable
        self._width = 0
        self._room: Allocation | None = None
        self._members: set[str] = set()

    def suits(self, held: Held) -> bool:
        """Return whether an attempt may be one of them: short, as jobs are now, and like the others."""
        if not self._usable or not self._pace.jobs_are_short or held.allocation.devices or not held.allocation.cpu:
            return False
        return not self._members or held.allocation == self._room

    def has_place(self, held: Held, now: float, latest: float) -> bool:
        """Return whether an attempt for which there is no room may wait for its turn; ``latest`` is its last moment."""
        early = len(self._members) - self._width
        return (
            self._width > 0
            and early < min(MOST, self._pace.stock // SHARE)
            and now + LONGEST < latest
            and self.suits(held)
        )

    def join(self, held: Held, now: float, latest: float, *, has_room: bool) -> Turn:
        """Take in an attempt, with the room that it needs or without, and return what the engine is told."""
        self._room = held.allocation
        self._members.add(held.key)
        self._width += has_room
        return Turn(self._width, min(now + LONGEST, latest))

    def leave(self, held: Held) -> bool:
        """Note that an attempt has ended or will never start, and return whether room for one becomes free.

        That is so for each that did not take turns, too.
        """
        if held.key not in self._members:
            return True
        self._members.remove(held.key)
        if self._width <= len(self._members):
            return False
        self._width -= 1
        return True
