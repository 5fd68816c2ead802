"""Whether a server was there to renew leases: one row, that every server renews."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, select, text, update

from whatsnext_core.attendance import Attendance, absence
from whatsnext_core.attendance import attend as decide
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.models.types import to_micros
from whatsnext_storage_sql.tables import ATTENDANCE

THE_ROW: Final = 1

_SELECT = select(ATTENDANCE.c.at, ATTENDANCE.c.lapses_from).where(ATTENDANCE.c.id == THE_ROW)
ROW = Query(_SELECT)
"""Selects what is known of the servers."""
_LOCKED = Query(_SELECT.with_for_update())
_BEGIN = text(f"INSERT INTO attendance (id, at) VALUES ({THE_ROW}, :at) ON CONFLICT (id) DO NOTHING")  # noqa: S608  # a number of ours
_NOTE = update(ATTENDANCE).where(ATTENDANCE.c.id == THE_ROW)


def attendance_of(rows: Sequence[Row[Any]]) -> Attendance | None:
    """Return what ``ROW`` selected; None before the first server."""
    return Attendance(rows[0].at, rows[0].lapses_from) if rows else None


def attend(tx: Transaction, now: datetime, gap: timedelta, grace: timedelta) -> timedelta | None:
    """Note that a server is there, and return how long none was."""
    before = attendance_of(tx.all(ROW))
    if before is not None and decide(before, now, gap=gap, grace=grace) is before:
        return None
    if before is None:
        tx.run(_BEGIN, {"at": to_micros(now)})
    before = attendance_of(tx.all(_LOCKED))
    after = decide(before, now, gap=gap, grace=grace)
    if after is not before:
        tx.run(_NOTE.values(at=after.at, lapses_from=after.lapses_from))
    return absence(before, after)
