"""What the server does by itself: lapsed leases, ended back-offs, large effects in small steps, and forgetting."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime, timedelta
from typing import Final

from whatsnext_core import attendance
from whatsnext_core.errors import StorageError
from whatsnext_core.storage import Settled, Writer
from whatsnext_server.config import ServerSettings
from whatsnext_server.http.errors import StoppingError, UnavailableError
from whatsnext_server.sync.waiting import WaitingRoom
from whatsnext_server.upkeep.pruning import forget_before
from whatsnext_server.upkeep.stride import Stride
from whatsnext_server.writer import GroupWriter

FEWEST: Final = 16
FIRST: Final = 64
MOST: Final = 2048
"""The least and the most things that one step does, and how many the first one does."""
GAP: Final = 0.005
LONGEST_GAP: Final = 0.25
"""Seconds between two steps that were asked for, at least, so that bursts are gathered: growing while there was nothing
to do, and shortest again once there was."""
TELL_EVERY: Final = 0.1
"""Seconds between two calls to clients to look what changed, while one step follows the other."""
TICK: Final = 1.0
"""Seconds between two looks for what other servers did."""
PRUNE_EVERY: Final = 60.0
"""Seconds between two looks for jobs to forget."""

_log = logging.getLogger(__name__)


class Housekeeper:
    """Settles what is due, step by step, until nothing is; then sleeps until the next thing is due or it is woken."""

    def __init__(self, settings: ServerSettings, writer: GroupWriter, room: WaitingRoom) -> None:
        self._settings = settings
        self._writer = writer
        self._room = room
        self._due = asyncio.Event()
        self._urgent = False
        self._gap = GAP
        self._untold = False
        self._told_at = -TELL_EVERY
        self._settling = Stride(writer, first=FIRST, fewest=FEWEST, most=MOST)
        self._pruning = Stride(writer, first=FIRST, fewest=FEWEST, most=MOST)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; what fell due while no server ran is settled now."""
        jobs = [self._settle(), self._tick()]
        if self._settings.retention_days:
            jobs.append(self._prune())
        self._tasks = [asyncio.create_task(job) for job in jobs]

    async def stop(self) -> None:
        """End; a step that runs is finished."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def wake(self, *, urgent: bool = True) -> None:
        """Tell that something may be due now; what is not urgent often comes to nothing."""
        self._urgent = self._urgent or urgent
        self._due.set()

    async def _settle(self) -> None:
        while True:
            pause = await self._step()
            try:
                async with asyncio.timeout(pause):
                    await self._due.wait()
                    await asyncio.sleep(GAP if self._urgent else self._gap)
            except TimeoutError:
                pass

    async def _step(self) -> float:
        """Settle one step and return the seconds until the next one."""
        self._due.clear()
        self._urgent = False
        limit = self._settling.limit
        try:
            settled, now, took = await self._writer.write(lambda writer, now: self._settle_some(writer, now, limit))
        except (StorageError, UnavailableError) as error:
            _log.warning("Housekeeping could not write and will try again: %s", error)
            return self._settings.reap_seconds
        except Exception:  # noqa: BLE001  # logged, and tried again: without it leases would never lapse
            _log.exception("Housekeeping failed and will try again")
            return self._settings.reap_seconds
        self._gap = GAP if settled.steps else min(LONGEST_GAP, self._gap * 2)
        if settled.steps:
            _log.debug("Settled %d things in %.1f ms", settled.steps, took * 1000)
            self._untold = True
        if self._untold and (not settled.more or time.monotonic() > self._told_at + TELL_EVERY):
            self._untold = False
            self._told_at = time.monotonic()
            self._room.jobs(None)
            self._room.orders()
        await self._settling.rest(took, more=settled.more)
        if settled.more:
            return 0.0
        longest = min(self._settings.reap_seconds, self._settings.absence_seconds / attendance.STEPS)
        if settled.next_at is None:
            return longest
        return min(longest, max(GAP, (settled.next_at - now).total_seconds()))

    def _settle_some(self, writer: Writer, now: datetime, limit: int) -> tuple[Settled, datetime, float]:
        begun = time.perf_counter()
        gap, grace = timedelta(seconds=self._settings.absence_seconds), timedelta(seconds=self._settings.lease_seconds)
        away = writer.attend(now, gap=gap, grace=grace)
        if away is not None:
            _log.warning(
                "For %.0f seconds no server took in which jobs run; no lease lapses for %.0f seconds now",
                away.total_seconds(),
                grace.total_seconds(),
            )
        settled = writer.settle(now, limit)
        return settled, now, time.perf_counter() - begun

    async def _tick(self) -> None:
        while True:  # there is nothing to wait for: it is time that passes
            await asyncio.sleep(TICK)
            self._room.tick()

    async def _prune(self) -> None:
        while True:
            try:
                more = True
                while more:
                    _, more = await self._pruning.step(self._prune_some)
            except StoppingError:
                return
            except Exception:  # noqa: BLE001  # logged, and tried again
                _log.exception("Ended jobs could not be forgotten; it will be tried again")
            await asyncio.sleep(PRUNE_EVERY)

    def _prune_some(self, writer: Writer, now: datetime, limit: int) -> int:
        return writer.prune(forget_before(writer, now, self._settings), limit)


__all__ = ["Housekeeper"]
