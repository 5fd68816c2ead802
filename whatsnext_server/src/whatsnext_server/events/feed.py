"""The feed: one reader of the table of events in each server, which hands them to whoever follows.

It looks when this server has committed something, and once a second for what other servers did. Without followers it
does not look at all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from whatsnext_core.converters import to_json
from whatsnext_core.errors import StorageError
from whatsnext_core.model import Event
from whatsnext_core.storage import EventFilter, Reader, Storage
from whatsnext_server.events.listening import Audience, Listener
from whatsnext_server.http.answers import encode
from whatsnext_server.http.errors import BusyError, StoppingError
from whatsnext_server.process.siblings import Siblings

T = TypeVar("T")

POLL: Final = 1.0
"""Seconds between two looks for what other servers did."""
GAP: Final = 0.002
"""Seconds between two looks, at least, so that bursts are gathered."""
AT_ONCE: Final = 500
"""Events that one look reads, at most."""
SPAN: Final = 10_000
"""Numbers that one look goes through for a filter that no index serves, so that no look takes long."""
KEEP_ALIVE: Final = 15.0
"""Seconds after which a listener without events hears that the server is there, and how far it came."""
MOST: Final = 10_000
"""Listeners at the same time; more are refused."""

_log = logging.getLogger(__name__)


class Feed:
    """Hands events to listeners, and tells others how far they have come. Its methods belong to the event loop."""

    def __init__(self, storage: Storage, siblings: Siblings | None = None) -> None:
        self._storage = storage
        self._siblings = siblings
        self._audience = Audience()
        self._watchers: list[Callable[[], object]] = []
        self._followers: dict[Listener, None] = {}
        self._place = 0
        self._sleeps = True
        self._due = asyncio.Event()
        self._told = False
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="whatsnext-feed")

    @property
    def followers(self) -> int:
        """How many follow the events now."""
        return len(self._followers)

    def start(self) -> None:
        """Begin."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run())

    def close(self) -> None:
        """Let all listeners go now, and take in no further one."""
        self._closed = True
        for listener in list(self._followers):
            listener.end()

    async def stop(self) -> None:
        """End; a look that is under way is finished."""
        self.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()

    def committed(self) -> None:
        """Tell that events may have been written; called from any thread, after the commit."""
        if self._loop is None or self._told or not (self._followers or self._watchers):
            return
        self._told = True
        try:
            self._loop.call_soon_threadsafe(self._due.set)
        except RuntimeError:  # the loop has been closed; nobody is there to hear
            self._told = False

    def watch(self, notify: Callable[[], object]) -> None:
        """Call ``notify`` whenever there may be new events, now for the first time."""
        self._watchers.append(notify)
        self._say_whether_any()
        self._due.set()
        notify()

    def unwatch(self, notify: Callable[[], object]) -> None:
        """Call it no more."""
        self._watchers.remove(notify)
        self._say_whether_any()

    async def follow(self, listener: Listener) -> AsyncGenerator[bytes]:
        """Yield what a listener is sent, until it has ended.

        Raises:
            BusyError: there are too many listeners.
            StoppingError: the server is going down.
            StorageError: the database failed.
        """
        newest = await self._read(lambda reader: reader.last_event())
        if self._closed:
            raise StoppingError
        if len(self._followers) >= MOST:
            raise BusyError
        self._awake(newest)
        if listener.place is None:
            listener.place = newest
        self._followers[listener] = None
        self._say_whether_any()
        try:
            yield b"retry: 1000\n" + mark(listener.place)
            while not listener.ended:
                async for chunk in self._catch_up(listener):
                    yield chunk
                async for chunk in self._listen(listener):
                    yield chunk
        finally:
            self._audience.remove(listener)
            del self._followers[listener]
            self._say_whether_any()

    async def _catch_up(self, listener: Listener) -> AsyncIterator[bytes]:
        """Yield what the database holds from the listener's place up to that of the feed."""
        while not listener.ended and (listener.place or 0) < self._place:
            after, end, only = listener.place or 0, self._place, listener.only
            framed, listener.place = await self._read(lambda reader: look(reader, after, end, only))  # noqa: B023  # awaited here
            if framed:
                yield b"".join(frame for _, frame in framed)
            else:
                await asyncio.sleep(0)
        listener.lags = False
        self._audience.add(listener)

    async def _listen(self, listener: Listener) -> AsyncIterator[bytes]:
        """Yield what the feed hands out, until the listener lags."""
        while listener.keeps_up():
            chunk = listener.take()
            if not chunk:
                await listener.wait(KEEP_ALIVE)
                chunk = listener.take()
            if not chunk and listener.keeps_up():
                chunk = b": keep-alive\n" + self._mark(listener)
            if chunk:
                yield chunk
        self._audience.remove(listener)

    def _mark(self, listener: Listener) -> bytes:
        """Return the mark of how far the feed came, to which nothing concerned the listener."""
        listener.place = max(listener.place or 0, self._place)
        return mark(listener.place)

    # -- the reader ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        healthy = True
        while True:
            await self._wait()
            try:
                if await self._step():
                    self._due.set()
                healthy = True
                await asyncio.sleep(GAP)
            except StorageError as error:
                if healthy:
                    _log.warning("The events could not be read; it is tried again until they can: %s", error)
                healthy = False
                await asyncio.sleep(POLL)
            except Exception:  # noqa: BLE001  # logged, and tried again: without it nobody hears anything
                _log.exception("The events could not be handed out; it is tried again")
                await asyncio.sleep(POLL)

    async def _wait(self) -> None:
        """Return once there may be events that somebody wants."""
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL if self._followers or self._watchers else None):
                await self._due.wait()
        self._due.clear()
        self._told = False

    async def _step(self) -> bool:
        """Hand out the next events, and return whether there may be more at once."""
        if not (self._followers or self._watchers):
            self._sleeps = True
            return False
        if self._sleeps:
            self._awake(await self._read(lambda reader: reader.last_event()))
        after = self._place
        framed = await self._read(lambda reader: frames(reader.events(after, AT_ONCE)))
        if not framed:
            return False
        self._place = max(self._place, framed[-1][0].id)
        self._audience.hand_out(framed)
        self._notify()
        return True

    def _notify(self) -> None:
        for notify in self._watchers:
            notify()

    def _say_whether_any(self) -> None:
        if self._siblings is not None:
            self._siblings.follows(yes=bool(self._followers or self._watchers))

    def _awake(self, newest: int) -> None:
        """Look from the newest event on, if nobody followed until now."""
        if self._sleeps:
            self._place = max(self._place, newest)
            self._sleeps = False
            self._notify()

    async def _read(self, query: Callable[[Reader], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._query, query)

    def _query(self, query: Callable[[Reader], T]) -> T:
        with self._storage.read() as reader:
            return query(reader)


def look(reader: Reader, after: int, end: int, only: EventFilter) -> tuple[Sequence[tuple[Event, bytes]], int]:
    """Return wanted events after a number and up to another, each with how it is sent, and how far was looked."""
    until = min(end, after + SPAN) if only.kinds and not only.job_ids else end
    found = reader.events(after, AT_ONCE, only, until=until)
    return frames(found), found[-1].id if len(found) == AT_ONCE else until


def frames(events: Sequence[Event]) -> list[tuple[Event, bytes]]:
    """Return events, each with how it is sent."""
    return [(event, frame(event)) for event in events]


def frame(event: Event) -> bytes:
    """Return an event as a stream of server-sent events holds it."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.kind.value.encode(), encode(to_json(event)))


def mark(place: int) -> bytes:
    """Return what tells a listener how far it came, without an event."""
    return b"id: %d\n\n" % place


__all__ = ["AT_ONCE", "KEEP_ALIVE", "MOST", "SPAN", "Feed", "frame", "look", "mark"]
