"""The delivery of events to one notifier: in a thread of its own, in order, each event at least once.

How far it has come is kept in the database, as a cursor that one server at a time holds by a lease. So several servers
may have the same notifier selected: one of them delivers, and when it dies another one goes on from there.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from attrs import frozen

from whatsnext_core.errors import ConflictError, NotFoundError, StorageError
from whatsnext_core.model import Cursor, Event
from whatsnext_core.notifying import BatchNotifier, Notifier
from whatsnext_core.storage import Storage, Writer
from whatsnext_server.http.errors import StoppingError, UnavailableError
from whatsnext_server.writer import GroupWriter

T = TypeVar("T")

BATCH: Final = 200
"""Events that a notifier gets at once, at most, unless it says otherwise."""
LONGEST_ERROR: Final = 500
"""Characters of an error that are kept."""

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Pace:
    """The times of a delivery, in seconds."""

    lease: float = 30.0
    """How long a cursor stays with a server that was not heard of again."""
    first: float = 1.0
    """How long a notifier that failed once is left alone; twice as long after each further time."""
    longest: float = 300.0
    """How long it is left alone at most."""
    hanging: float = 600.0
    """After how long a call that does not return counts as lost, so that another server may go on."""

    @property
    def renew(self) -> float:
        """How often leases are renewed, and other servers' cursors looked at."""
        return self.lease / 3

    def pause(self, failures: int) -> float:
        """Return how long a notifier is left alone that failed so often in a row."""
        pause: float = min(self.longest, self.first * 2 ** min(failures - 1, 30))
        return pause * random.uniform(0.8, 1.0)  # noqa: S311  # spreads retries, guards no secret


class Delivery:
    """One notifier, with the thread that calls it."""

    def __init__(
        self, name: str, notifier: Notifier, storage: Storage, writer: GroupWriter, holder: str, pace: Pace
    ) -> None:
        self.name = name
        self._notifier = notifier
        self._batch = max(1, notifier.batch) if isinstance(notifier, BatchNotifier) else BATCH
        self._storage = storage
        self._writer = writer
        self._holder = holder
        self._pace = pace
        self._cursor: Cursor | None = None
        self._events: Sequence[Event] = ()
        """What it was called with and did not take yet."""
        self._called_at: float | None = None
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"whatsnext-notifier-{name}", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Tell that there may be new events; from any thread."""
        self._news.set()

    def end(self) -> None:
        """Ask it to end after what it is just delivering."""
        self._stopping.set()
        self._news.set()

    def join(self, seconds: float) -> bool:
        """Return whether it has ended, within so many seconds; what it was called with is then settled or given up."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def close(self) -> None:
        """Give the cursor back and let the notifier release what it has, once the thread has ended."""
        if self._cursor is not None:
            try:
                self._write(lambda writer, _: writer.release_cursor(self.name, self._holder))
            except (StorageError, UnavailableError) as error:
                _log.warning("The notifier %r could not be handed over (%s); it is free later", self.name, error)
        try:
            self._notifier.close()
        except Exception:  # noqa: BLE001  # the boundary to code of strangers
            _log.exception("The notifier %r failed when it was closed", self.name)

    def needs_renewal(self) -> bool:
        """Whether the lease of its cursor is to be renewed: it is held, and no call hangs."""
        called_at = self._called_at
        hangs = called_at is not None and time.monotonic() - called_at > self._pace.hanging
        if hangs:
            _log.warning("A call of the notifier %r does not return; another server may take over", self.name)
        return self._cursor is not None and not hangs

    def renew(self, writer: Writer, now: datetime) -> Cursor:
        """Renew the lease, and return what became of the cursor; a command of the writer."""
        return writer.take_cursor(self.name, self._holder, self._lease, now)

    def renewed(self, cursor: Cursor) -> None:
        """Take in what became of the cursor, once it is committed."""
        if cursor.holder != self._holder:
            _log.warning("The notifier %r is left to another server: this one was not heard of in time", self.name)
            self._cursor = None
            self.wake()

    # -- in the thread -------------------------------------------------------------------------------------------------

    @property
    def _lease(self) -> timedelta:
        return timedelta(seconds=self._pace.lease)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._deliver()
            except StoppingError:
                return
            except (ConflictError, NotFoundError) as error:
                _log.warning("The notifier %r is left to another server: %s", self.name, error)
                self._cursor, self._events = None, ()
            except (StorageError, UnavailableError) as error:
                _log.warning("The notifier %r waits for the database: %s", self.name, error)
                self._stopping.wait(self._pace.first)
            except Exception:  # noqa: BLE001  # logged, and tried again: without it nothing would be delivered any more
                _log.exception("The delivery to the notifier %r failed and goes on", self.name)
                self._stopping.wait(self._pace.first)

    def _deliver(self) -> None:
        """Deliver once, or wait until there is something to deliver."""
        cursor = self._cursor or self._take()
        if cursor is None:
            self._stopping.wait(self._pace.renew)
            return
        self._news.clear()
        self._events = self._events or self._read(cursor.place)
        if not self._events:
            if not self._stopping.is_set():
                self._news.wait()
            return
        failures = cursor.failures
        while not self._stopping.is_set():
            error = self._call(self._events)
            if not error:
                self._cursor, self._events = self._move(self._events[-1].id), ()
                if failures:
                    _log.info("The notifier %r works again after %d failures", self.name, failures)
                return
            failures += 1
            self._cursor = self._move(cursor.place, failures, error)
            pause = self._pace.pause(failures)
            newest = self._newest()
            _log.warning(
                "The notifier %r failed %d times in a row and is up to %d events behind; next try in %.0f seconds: %s",
                *(self.name, failures, newest - cursor.place, pause, error),
            )
            self._stopping.wait(pause)

    def _take(self) -> Cursor | None:
        """Return the cursor, if this server may have it."""
        cursor = self._write(lambda writer, now: writer.take_cursor(self.name, self._holder, self._lease, now))
        if cursor.holder != self._holder:
            return None
        _log.info("Events are delivered to the notifier %r from number %d on", self.name, cursor.place + 1)
        self._cursor, self._events = cursor, ()
        return cursor

    def _move(self, place: int, failures: int = 0, error: str = "") -> Cursor:
        return self._write(
            lambda writer, now: writer.move_cursor(
                self.name, self._holder, place, self._lease, now, failures=failures, error=error
            )
        )

    def _call(self, events: Sequence[Event]) -> str:
        """Call the notifier, and return what went wrong; nothing if it took the events."""
        self._called_at = time.monotonic()
        try:
            self._notifier.notify(events)
        except Exception as error:  # noqa: BLE001  # the boundary to code of strangers
            _log.debug("The notifier %r failed", self.name, exc_info=True)
            text = " ".join(f"{type(error).__name__}: {error}".split())
            return "".join(char for char in text if char.isprintable())[:LONGEST_ERROR]
        finally:
            self._called_at = None
        return ""

    def _read(self, place: int) -> Sequence[Event]:
        with self._storage.read() as reader:
            return reader.events(place, self._batch)

    def _newest(self) -> int:
        with self._storage.read() as reader:
            return reader.last_event()

    def _write(self, command: Callable[[Writer, datetime], T]) -> T:
        return self._writer.submit(command).result()


__all__ = ["BATCH", "Delivery", "Pace"]
