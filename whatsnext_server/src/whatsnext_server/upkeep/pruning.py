"""Forgetting: which ended jobs and events may go, and how long those stay that a notifier has not had yet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from whatsnext_core.model import Event
from whatsnext_core.storage import Reader
from whatsnext_server.config import ServerSettings

SLACK: Final = timedelta(minutes=1)
"""By how much the times of two events may be the other way round than their numbers."""


def forget_before(reader: Reader, now: datetime, settings: ServerSettings) -> datetime:
    """Return the time before which jobs that ended, and events, are to be forgotten.

    That is as long ago as ``retention_days`` say; longer, if a notifier has yet to get an event of that age, but by
    ``notifier_patience_days`` at the most. A cursor that no server has held for that long counts no more.
    """
    before = now - timedelta(days=settings.retention_days)
    patience = timedelta(days=settings.notifier_patience_days)
    waited = min((event.at - SLACK for event in _unseen(reader, now - patience)), default=before)
    return max(before - patience, min(before, waited))


def _unseen(reader: Reader, heard_since: datetime) -> Iterator[Event]:
    """Yield the first event that each cursor has not reached."""
    for cursor in reader.cursors():
        if cursor.seen_at >= heard_since:
            yield from reader.events(cursor.place, 1)


__all__ = ["forget_before"]
