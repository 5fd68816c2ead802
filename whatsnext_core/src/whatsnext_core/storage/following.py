"""The part of the contract of a storage backend that is about following the events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from whatsnext_core.model import Cursor, Event
from whatsnext_core.storage.queries import EVERY_EVENT, EventFilter


class EventReader(Protocol):
    """What a reader says of events, and of those who follow them."""

    def events(
        self, after: int, limit: int, only: EventFilter = EVERY_EVENT, *, until: int | None = None
    ) -> Sequence[Event]:
        """Return the first events with a number above ``after`` that the filter wants, ascending.

        With ``until`` no event with a higher number than that is looked at, which bounds the cost of a filter that
        wants few. Numbers ascend in the order in which events become visible: once one is seen, no lower one appears.
        """
        ...

    def last_event(self) -> int:
        """Return a number that no event so far exceeds and every later one does; 0 if there was none."""
        ...

    def event_before(self, moment: datetime) -> int:
        """Return the number of the last event before a time, 0 if there is none.

        Found by halving, for times ascend with the numbers, but for the moments by which two servers' commits differ.
        """
        ...

    def cursors(self) -> Sequence[Cursor]:
        """Return all cursors, by name."""
        ...


class CursorKeeper(Protocol):
    """What a writer does with the cursors of those who follow the events."""

    def take_cursor(self, name: str, holder: str, lease: timedelta, now: datetime) -> Cursor:
        """Return a cursor, held by ``holder`` for one more lease if it may have it (``Cursor.is_free_for``).

        One that somebody else holds comes back as it is. One that is not there yet is made, behind the newest event.
        """
        ...

    def move_cursor(
        self, name: str, holder: str, place: int, lease: timedelta, now: datetime, *, failures: int = 0, error: str = ""
    ) -> Cursor:
        """Move a cursor to a place, note what failed there, and renew its lease.

        ConflictError unless it is held by ``holder``, though its lease may have lapsed; NotFoundError if no cursor.
        """
        ...

    def release_cursor(self, name: str, holder: str) -> None:
        """Give a cursor back, so that another may take it at once; nothing if ``holder`` does not hold it."""
        ...
