"""Cursors: how far those who follow the events have come."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import evolve

from whatsnext_core.errors import ConflictError, NotFoundError
from whatsnext_core.memory.state import State
from whatsnext_core.model import Cursor
from whatsnext_core.model.limits import shorten


def last_event(state: State) -> int:
    """Return the number of the last event that was written."""
    return state.numbers.get("event") or 0


def take_cursor(state: State, name: str, holder: str, lease: timedelta, now: datetime) -> Cursor:
    """Return a cursor, held by ``holder`` if it may have it; made if there is none."""
    found = state.cursors.get(name)
    if found is None:
        found = Cursor(name=name, place=last_event(state), holder=None, expires_at=None, seen_at=now)
    if found.is_free_for(holder, now):
        found = evolve(found, holder=holder, expires_at=now + lease, seen_at=now)
        state.cursors.put(name, found)
    return found


def move_cursor(
    state: State, name: str, holder: str, place: int, lease: timedelta, now: datetime, *, failures: int, error: str
) -> Cursor:
    """Move a cursor that ``holder`` holds."""
    found = state.cursors.get(name)
    if found is None:
        raise NotFoundError(f"There is no cursor named {shorten(name)}.")
    if found.holder != holder:
        raise ConflictError(f"The cursor {shorten(name)} is held by another server now; nothing was moved.")
    found = evolve(found, place=place, expires_at=now + lease, seen_at=now, failures=failures, error=error)
    state.cursors.put(name, found)
    return found


def release_cursor(state: State, name: str, holder: str) -> None:
    """Give a cursor back."""
    found = state.cursors.get(name)
    if found is not None and found.holder == holder:
        state.cursors.put(name, evolve(found, holder=None, expires_at=None))
