"""The notifiers of a server: all deliveries, their leases, and their end."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from whatsnext_core.errors import StorageError
from whatsnext_core.model import Cursor
from whatsnext_core.notifying import Notifier
from whatsnext_core.storage import Storage, Writer
from whatsnext_server.config import ServerSettings
from whatsnext_server.events.delivery import Delivery, Pace
from whatsnext_server.events.feed import Feed
from whatsnext_server.http.errors import StoppingError, UnavailableError
from whatsnext_server.process.opening import sqlite_file
from whatsnext_server.writer import GroupWriter

STOP: Final = 10.0
"""Seconds that notifiers get to finish what they were called with, once the server was asked to end."""

_log = logging.getLogger(__name__)


class Notifying:
    """Delivers events to the notifiers that were selected, each by itself."""

    def __init__(
        self,
        settings: ServerSettings,
        storage: Storage,
        writer: GroupWriter,
        feed: Feed,
        notifiers: Mapping[str, Notifier],
        pace: Pace | None = None,
    ) -> None:
        self._writer = writer
        self._feed = feed
        self._pace = pace or Pace()
        holder = holder_of(settings)
        self._deliveries = [
            Delivery(name, notifier, storage, writer, holder, self._pace) for name, notifier in notifiers.items()
        ]
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        if not self._deliveries:
            return
        for delivery in self._deliveries:
            delivery.start()
        self._feed.watch(self._wake)
        self._task = asyncio.create_task(self._renew())

    def begin_shutdown(self) -> None:
        """Ask all to end after what they are just delivering."""
        for delivery in self._deliveries:
            delivery.end()

    async def stop(self) -> None:
        """End, give the cursors back, and close the notifiers; one that hangs is left behind."""
        self.begin_shutdown()
        if self._task is None:
            return
        self._feed.unwatch(self._wake)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*(asyncio.to_thread(_finish, delivery) for delivery in self._deliveries))

    def _wake(self) -> None:
        for delivery in self._deliveries:
            delivery.wake()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._pace.renew)
            due = [delivery for delivery in self._deliveries if delivery.needs_renewal()]
            if not due:
                continue
            try:
                cursors = await self._writer.write(lambda writer, now: _renew(due, writer, now))  # noqa: B023  # awaited here
                for delivery, cursor in zip(due, cursors, strict=True):
                    delivery.renewed(cursor)
            except StoppingError:
                return
            except (StorageError, UnavailableError) as error:
                _log.warning("The leases of notifiers could not be renewed; it is tried again: %s", error)
            except Exception:  # noqa: BLE001  # logged, and tried again
                _log.exception("The leases of notifiers could not be renewed; it is tried again")


def holder_of(settings: ServerSettings) -> str:
    """Return who this process is when it holds a cursor.

    The one server of an embedded database is always the same one, so that it goes on at once after a crash.
    """
    scheme = settings.database.partition(":")[0]
    if scheme == "memory" or sqlite_file(settings.database) is not None:
        return "the only server"
    return uuid.uuid4().hex


def _renew(deliveries: Sequence[Delivery], writer: Writer, now: datetime) -> list[Cursor]:
    return [delivery.renew(writer, now) for delivery in deliveries]


def _finish(delivery: Delivery) -> None:
    if delivery.join(STOP):
        delivery.close()
    else:
        _log.warning("A call of the notifier %r does not return; it is left behind", delivery.name)


__all__ = ["Notifying", "holder_of"]
