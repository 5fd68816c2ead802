"""Cursors: how far those who follow the events have come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import asdict, evolve
from sqlalchemy import Row, bindparam, insert, select, update

from whatsnext_core.errors import ConflictError, NotFoundError
from whatsnext_core.model import Cursor
from whatsnext_core.model.limits import shorten
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.errors import UniquenessError
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.events.events import last_event
from whatsnext_storage_sql.tables import EVENT_CURSOR

_ALL = Query(select(EVENT_CURSOR))
_LOCKED = Query(select(EVENT_CURSOR).where(EVENT_CURSOR.c.name == bindparam("name")).with_for_update())


def cursors(tx: Transaction) -> Sequence[Cursor]:
    """Return all cursors, by name."""
    return sorted(map(_cursor_of, tx.all(_ALL)), key=lambda cursor: cursor.name)


def take_cursor(tx: Transaction, name: str, holder: str, lease: timedelta, now: datetime) -> Cursor:
    """Return a cursor, held by ``holder`` if it may have it; made if there is none."""
    row = tx.first(_LOCKED, name=name)
    if row is None:
        tx.flush()
        new = Cursor(name=name, place=last_event(tx), holder=holder, expires_at=now + lease, seen_at=now)
        try:
            with tx.savepoint():
                tx.run(insert(EVENT_CURSOR), asdict(new))
        except UniquenessError:
            return take_cursor(tx, name, holder, lease, now)
        return new
    found = _cursor_of(row)
    if found.is_free_for(holder, now):
        found = evolve(found, holder=holder, expires_at=now + lease, seen_at=now)
        _write(tx, found)
    return found


def move_cursor(
    tx: Transaction, name: str, holder: str, place: int, lease: timedelta, now: datetime, *, failures: int, error: str
) -> Cursor:
    """Move a cursor that ``holder`` holds."""
    row = tx.first(_LOCKED, name=name)
    if row is None:
        raise NotFoundError(f"There is no cursor named {shorten(name)}.")
    if row.holder != holder:
        raise ConflictError(f"The cursor {shorten(name)} is held by another server now; nothing was moved.")
    found = evolve(_cursor_of(row), place=place, expires_at=now + lease, seen_at=now, failures=failures, error=error)
    _write(tx, found)
    return found


def release_cursor(tx: Transaction, name: str, holder: str) -> None:
    """Give a cursor back."""
    row = tx.first(_LOCKED, name=name)
    if row is not None and row.holder == holder:
        _write(tx, evolve(_cursor_of(row), holder=None, expires_at=None))


def _write(tx: Transaction, new: Cursor) -> None:
    tx.run(update(EVENT_CURSOR).where(EVENT_CURSOR.c.name == new.name).values(asdict(new)))


def _cursor_of(row: Row[Any]) -> Cursor:
    return Cursor(**row._asdict())
