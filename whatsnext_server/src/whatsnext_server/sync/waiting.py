"""The waiting room: requests of clients that are held until there is a job or an order for them.

Everything here happens in the event loop's thread. News of jobs wakes as many clients as there are jobs, longest
waiting first; one that found nothing it could use passes the news on. So one job wakes one client among a thousand
alike, and still reaches the only one that has the right device.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final

from whatsnext_core.explaining import Wishes
from whatsnext_core.sync import SyncResponse
from whatsnext_server.process.siblings import Siblings
from whatsnext_server.writer import Command

PROBES: Final = 8
"""Clients that look for jobs at the same time after news."""
TICKED: Final = 64
"""Clients that look at each tick of the slow poll."""
ANY: Final = 1_000_000
"""How many jobs news stands for that doesn't know their number."""


class Wake(Enum):
    """Why a held request goes on."""

    JOBS = "jobs"
    """There may be a job for it."""
    LOOK = "look"
    """There may be an order for it, or something that another server did."""
    END = "end"
    """It shall be answered now: its time is over, its client has gone or asks anew, or the server goes down."""


class Seat:
    """One held request."""

    def __init__(
        self,
        client_id: str,
        session_id: str,
        project_ids: Collection[int] | None = None,
        *,
        wants: bool = False,
        holds: bool = False,
        time_left: float | None = None,
        look: Command[SyncResponse] | None = None,
    ) -> None:
        self.client_id = client_id
        self.session_id = session_id
        self.project_ids = None if project_ids is None else frozenset(project_ids)
        self.wants = wants
        """Whether it waits for jobs."""
        self.holds = holds
        """Whether it has attempts, for which there may be orders."""
        self.time_left = time_left
        """Seconds that its jobs may take; None if it stays."""
        self.heard = 0
        """Number of the last news that it looked for."""
        self.probing: int | str | None = ""
        """The project whose news it follows now; an empty text if none."""
        self.look = look
        """Looks for jobs and orders once more; None for a request that nobody else may look for."""
        self.ahead: asyncio.Future[SyncResponse] | None = None
        """What a look finds that is under way in the transaction of somebody else's submission."""
        self.rests = False
        """Whether it waits now."""
        self._event = asyncio.Event()
        self._why: Wake | None = None

    def wake(self, why: Wake) -> None:
        """Let the request go on; END outweighs anything else."""
        if self._why is not Wake.END:
            self._why = why
        self._event.set()

    async def wait(self, seconds: float) -> Wake:
        """Return why the request goes on, after ``seconds`` at the latest."""
        self.rests = True
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._event.wait()
        except TimeoutError:
            return Wake.END
        finally:
            self.rests = False
        why = self._why or Wake.LOOK
        if why is not Wake.END:
            self._event.clear()
            self._why = None
        return why

    def hears(self, project_id: int | None) -> bool:
        """Whether news of a project concerns it; None stands for any project."""
        return self.wants and (project_id is None or self.project_ids is None or project_id in self.project_ids)


class WaitingRoom:
    """All requests that are held, the one that looked for jobs longest ago first."""

    def __init__(self, siblings: Siblings | None = None) -> None:
        self._siblings = siblings
        self._seats: dict[Seat, None] = {}
        self._sessions: dict[tuple[str, str], Seat] = {}
        self._news: dict[int | None, tuple[int, int]] = {}
        self._number = 0
        self._probes = 0
        self._onlookers: set[asyncio.Event] = set()
        self.closed = False
        """Whether the server goes down, so that nobody is held any more."""

    def __len__(self) -> int:
        return len(self._seats)

    def holds(self, client_id: str) -> bool:
        """Whether a request of the client is held."""
        return any(seat.client_id == client_id for seat in list(self._seats))

    def wishes(self) -> Wishes:
        """Return which projects clients ask for, and how long jobs may take there, where that is limited."""
        everything = {seat.client_id for seat in self._seats if seat.project_ids is None}
        projects: dict[str, frozenset[int]] = {}
        seconds: dict[str, float] = {}
        for seat in self._seats:
            if seat.project_ids is not None and seat.client_id not in everything:
                projects[seat.client_id] = projects.get(seat.client_id, frozenset()) | seat.project_ids
            if seat.time_left is not None:
                seconds[seat.client_id] = max(seat.time_left, seconds.get(seat.client_id, 0.0))
        return Wishes(projects=projects, seconds=seconds)

    @contextmanager
    def onlooker(self) -> Iterator[asyncio.Event]:
        """Give an event that all news of jobs sets: for a request that takes none, and withholds none from others."""
        event = asyncio.Event()
        self._onlookers.add(event)
        self._say_whether_any()
        try:
            yield event
        finally:
            self._onlookers.discard(event)
            self._say_whether_any()

    def enter(self, seat: Seat) -> None:
        """Take a request in; an earlier one of the same session is answered now."""
        key = (seat.client_id, seat.session_id)
        earlier = self._sessions.get(key)
        if earlier is not None:
            earlier.wake(Wake.END)
        seat.heard = self._number
        self._seats[seat] = None
        self._sessions[key] = seat
        self._say_whether_any()
        if self.closed:
            seat.wake(Wake.END)

    def leave(self, seat: Seat) -> None:
        """Forget a request that is answered."""
        self.found(seat, 0)
        self._seats.pop(seat, None)
        key = (seat.client_id, seat.session_id)
        if self._sessions.get(key) is seat:
            del self._sessions[key]
        self._say_whether_any()

    def nearest(self, project_id: int) -> Seat | None:
        """Return the request that would be the first to look for a job of a project; it goes to the end of the row."""
        for seat in self._seats:
            if seat.rests and seat.look is not None and seat.ahead is None and seat.hears(project_id):
                self._last(seat)
                return seat
        return None

    def jobs(self, project_id: int | None, count: int = ANY, *, beside: Seat | None = None) -> None:
        """Tell that up to ``count`` jobs of a project may have become ready; None for any project.

        ``beside`` is a request that has looked for them already. The other processes of this server hear of them, too.
        """
        if count > 0:
            if self._siblings is not None:
                self._siblings.jobs(project_id, count)
            self.hear_jobs(project_id, count, beside=beside)

    def hear_jobs(self, project_id: int | None, count: int, *, beside: Seat | None = None) -> None:
        """Let those in this process hear of jobs, as in ``jobs``."""
        self._tell_onlookers()
        if not self._seats:
            return
        self._number += 1
        if beside is not None:
            beside.heard = self._number
        _, left = self._news.get(project_id, (0, 0))
        self._news[project_id] = (self._number, min(ANY, left + count))
        self._pump()

    def found(self, seat: Seat, count: int) -> None:
        """Tell how many jobs a request found that was woken for news."""
        if isinstance(seat.probing, str):
            return
        project_id, seat.probing = seat.probing, ""
        self._probes -= 1
        if project_id in self._news:
            number, left = self._news[project_id]
            self._news[project_id] = (number, left + 1 - count)
        self._pump()

    def orders(self, client_id: str | None = None) -> None:
        """Tell that there may be an order for a client; None for all that have attempts."""
        if self._siblings is not None:
            self._siblings.orders(client_id)
        self.hear_orders(client_id)

    def hear_orders(self, client_id: str | None = None) -> None:
        """Let those in this process hear of an order, as in ``orders``."""
        for seat in list(self._seats):
            if seat.client_id == client_id or (client_id is None and seat.holds):
                seat.wake(Wake.LOOK)

    def tick(self) -> None:
        """Let those that looked longest ago look for what another server may have done."""
        for seat in list(self._seats)[:TICKED]:
            self._last(seat)
            seat.wake(Wake.LOOK)

    def close(self) -> None:
        """Answer all requests now, and hold no further one."""
        self.closed = True
        self._tell_onlookers()
        for seat in list(self._seats):
            seat.wake(Wake.END)

    def _say_whether_any(self) -> None:
        if self._siblings is not None:
            self._siblings.holds(yes=bool(self._seats or self._onlookers))

    def _tell_onlookers(self) -> None:
        for event in self._onlookers:
            event.set()

    def _pump(self) -> None:
        for project_id in list(self._news):
            number, left = self._news[project_id]
            for seat in list(self._seats):
                if left <= 0 or self._probes >= PROBES:
                    break
                if seat.heard < number and isinstance(seat.probing, str) and seat.hears(project_id):
                    seat.heard = self._number
                    seat.probing = project_id
                    self._probes += 1
                    left -= 1
                    self._last(seat)
                    seat.wake(Wake.JOBS)
            self._news[project_id] = (number, left)
            if left <= 0 and self._probes == 0:
                del self._news[project_id]
            if self._probes >= PROBES:
                return
        if self._probes == 0:
            self._news.clear()

    def _last(self, seat: Seat) -> None:
        del self._seats[seat]
        self._seats[seat] = None


__all__ = ["ANY", "Seat", "WaitingRoom", "Wake"]
