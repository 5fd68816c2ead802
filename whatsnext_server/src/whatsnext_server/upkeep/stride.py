"""How much of something large is done at once, and how that gives way to others who write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from time import monotonic, perf_counter
from typing import Final

from whatsnext_core.storage import Writer
from whatsnext_server.writer import GroupWriter

ALONE: Final = 0.02
"""Seconds that a step should not exceed while nobody else writes."""
SHARED: Final = 0.01
"""Seconds that a step should not exceed while others write: they wait as long for its end."""
LONGEST: Final = 0.04
"""The same while others write for as long themselves: who claims hundreds of jobs at once must not wait for them."""
PAUSE: Final = 0.25
"""How long the pause is after a step while others write, in terms of the step."""
ROOM: Final = 2
"""A step that took less than this part of what it might take is followed by a larger one."""


class Stride:
    """Fits steps to the time that they take, and to whether anybody else writes.

    As long as nobody else is there, steps follow each other at once. Otherwise they are small, or take as long as the
    others did since the last one, and after each comes a pause, in which those have the writer for themselves.
    """

    def __init__(self, writer: GroupWriter, *, first: int, fewest: int, most: int) -> None:
        self._writer = writer
        self._fewest = fewest
        self._most = most
        self._seen = writer.commands
        self._since = monotonic()
        self.limit = first
        """How many things the next step may do."""

    async def step(self, do: Callable[[Writer, datetime, int], int]) -> tuple[int, bool]:
        """Do one step, and give way to others if it is not the last; return how many things it did, and if more remain.

        ``do`` does so many things at most and returns how many it did: fewer, if no more remain.
        """
        limit = self.limit

        def timed(writer: Writer, now: datetime) -> tuple[int, float]:
            begun = perf_counter()
            return do(writer, now, limit), perf_counter() - begun

        done, took = await self._writer.write(timed)
        more = done >= limit
        await self.rest(took, more=more)
        return done, more

    async def rest(self, took: float, *, more: bool) -> None:
        """Fit the next step to the one that has been committed, which took so many seconds, and give way to others.

        ``more`` if there is more to do: only then does this wait, and only then may the next step be larger.
        """
        alone = self._writer.commands - self._seen <= 1
        self._seen = self._writer.commands
        others = monotonic() - self._since - took
        self._since = monotonic()
        longest = ALONE if alone else min(LONGEST, max(SHARED, others))
        if took > longest:
            self.limit = max(self._fewest, self.limit // 2)
        elif more and took < longest / ROOM:
            self.limit = min(self._most, self.limit * 2)
        if more and not alone:
            await asyncio.sleep(took * PAUSE)


__all__ = ["ALONE", "SHARED", "Stride"]
