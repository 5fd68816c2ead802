"""What the endpoints work with: the storage, its writer and readers, the waiting room, and housekeeping."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from starlette.requests import Request

from whatsnext_core.notifying import Notifier
from whatsnext_core.storage import Reader, Storage
from whatsnext_core.sync import SyncResponse
from whatsnext_server.config import ServerSettings
from whatsnext_server.events.delivery import Pace
from whatsnext_server.events.feed import Feed
from whatsnext_server.events.notifying import Notifying
from whatsnext_server.files.checksums import Checksums
from whatsnext_server.http.answers import Encoded, Texts, encode
from whatsnext_server.http.errors import BusyError
from whatsnext_server.process.siblings import Siblings
from whatsnext_server.sync.given import GivenOrders
from whatsnext_server.sync.waiting import WaitingRoom, Wake
from whatsnext_server.upkeep.housekeeping import Housekeeper
from whatsnext_server.writer import Command, GroupWriter, Ticket

T = TypeVar("T")

READS: Final = 2000
"""Reading requests that may wait; more are refused, so that a flood is felt by those who cause it."""
TASKS: Final = 4096
"""Tasks that are kept encoded, as many as a storage may keep read."""
WORKERS: Final = 2
"""Threads for what may compute for seconds, and thereby large batches that are taken in at the same time."""

_log = logging.getLogger(__name__)


class Services:
    """All that one server process runs on; made, started and stopped with the application."""

    def __init__(
        self,
        settings: ServerSettings,
        storage: Storage,
        notifiers: Mapping[str, Notifier] | None = None,
        pace: Pace | None = None,
        siblings: Siblings | None = None,
    ) -> None:
        self._siblings = siblings
        self.settings = settings
        """The settings."""
        self.storage = storage
        """The database."""
        self.room = WaitingRoom(siblings)
        """The requests that are held."""
        self.given = GivenOrders()
        """The orders that clients were given already."""
        self.feed = Feed(storage, siblings)
        """What hands the events to those who follow them."""
        self.writer = GroupWriter(storage, committed=self._committed if siblings else self.feed.committed)
        """The one thread that writes."""
        self.notifying = Notifying(settings, storage, self.writer, self.feed, notifiers or {}, pace)
        """What delivers the events to notifiers."""
        self.housekeeper = Housekeeper(settings, self.writer, self.room)
        """What the server does by itself."""
        self.checksums = Checksums()
        """The checksums of files that are being sent."""
        self.tasks = Texts(TASKS)
        """The tasks of which jobs are handed out."""
        self._reading = 0
        self._readers = ThreadPoolExecutor(settings.readers, thread_name_prefix="whatsnext-reader")
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="whatsnext-worker")

    def start(self) -> None:
        """Begin; called in the event loop."""
        self.writer.start()
        self.feed.start()
        if self._siblings is not None:
            self._siblings.start(self.room, self.feed.committed)
        self.housekeeper.start()
        self.notifying.start()

    def begin_shutdown(self) -> None:
        """Answer all held requests and end all streams now; called in the event loop."""
        self.room.close()
        self.feed.close()
        self.notifying.begin_shutdown()

    async def stop(self) -> None:
        """Answer what is waiting, write what was accepted, and end the threads."""
        self.begin_shutdown()
        if self._siblings is not None:
            self._siblings.stop()
        await self.housekeeper.stop()
        await self.notifying.stop()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.writer.close)
        await self.feed.stop()
        await loop.run_in_executor(None, self._readers.shutdown)
        await loop.run_in_executor(None, self._workers.shutdown)
        _log.info("Stopped after %d commands in %d transactions", self.writer.commands, self.writer.commits)

    async def write(self, command: Command[T], *, brief: bool = False) -> T:
        """Run a command in the next transaction and return its value after the commit; see ``GroupWriter.write``."""
        return await self.writer.write(command, brief=brief)

    async def submit(self, project_id: int, command: Command[T]) -> T:
        """Run a command that brings one job into a project, and let the client that waits for it claim it at once.

        Its look shares the transaction, so that an idle client has the job a commit earlier. Others hear of the job
        if that client has no use for it.
        """
        at_once = await self.writer.is_quiet()
        seat = self.room.nearest(project_id)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if seat is None or seat.look is None:
            self.writer.accept(Ticket(command, future, loop, is_brief=True), at_once=at_once)
            value = await future
            self.room.jobs(project_id, 1)
            return value
        found: asyncio.Future[SyncResponse] = loop.create_future()
        look = Ticket(seat.look, found, loop, lambda: seat.wake(Wake.LOOK))
        self.writer.accept(Ticket(command, future, loop, is_brief=True), look, at_once=at_once)
        seat.ahead = found
        value = await future
        taken = len(found.result().assignments) if _went_well(found) else 0
        self.room.jobs(project_id, 1 - taken, beside=seat)
        return value

    async def read(self, query: Callable[[Reader], T]) -> T:
        """Return what ``query`` finds in a consistent view, without holding up the event loop."""
        return await self.run(self._read, query)

    async def answer(self, query: Callable[[Reader], Any]) -> Encoded:
        """Return an answer with the plain JSON data that ``query`` finds."""
        return Encoded(await self.run(self._read_encoded, query))

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what a function returns that asks the database; it runs in one of the readers' threads.

        Raises:
            BusyError: too many wait already.
        """
        if self._reading >= READS:
            raise BusyError
        self._reading += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, function, *arguments)
        finally:
            self._reading -= 1

    async def work(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what a function returns that may compute for seconds; it runs in a thread apart from the readers'."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, function, *arguments)

    def _committed(self) -> None:
        """Let those here and in the other processes of this server hear that events may have been written."""
        self.feed.committed()
        if self._siblings is not None:
            self._siblings.committed()

    def _read(self, query: Callable[[Reader], T]) -> T:
        with self.storage.read() as reader:
            return query(reader)

    def _read_encoded(self, query: Callable[[Reader], Any]) -> bytes:
        return encode(self._read(query))


def _went_well(future: asyncio.Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def services_of(request: Request) -> Services:
    """Return the services of the application that a request came to."""
    services: Services = request.app.state.services
    return services


__all__ = ["Services", "services_of"]
