"""Whether a server was there to renew leases: one row, that every server renews."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, text, update

from whatsnext_core.attendance import Attendance, absence
from whatsnext_core.attendance import attend as decide
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.models.types import to_micros
from whatsnext_storage_sql.tables import ATTENDANCE

THE_ROW: Final = 1

_SELECT = select(ATTENDANCE.c.at, ATTENDANCE.c.lapses_from).where(ATTENDANCE.c.id == THE_ROW)
_ROW = Query(_SELECT)
_LOCKED = Query(_SELECT.with_for_update())
_BEGIN = text(f"INSERT INTO attendance (id, at) VALUES ({THE_ROW}, :at) ON CONFLICT (id) DO NOTHING")  # noqa: S608  # a number of ours
_NOTE = update(ATTENDANCE).where(ATTENDANCE.c.id == THE_ROW)


def attendance(tx: Transaction, *, locked: bool = False) -> Attendance | None:
    """Return what is known of the servers; None before the first one. Nobody else changes what was ``locked``."""
    row = tx.first(_LOCKED if locked else _ROW)
    return None if row is None else Attendance(row.at, row.lapses_from)


def attend(tx: Transaction, now: datetime, gap: timedelta, grace: timedelta) -> timedelta | None:
    """Note that a server is there, and return how long none was."""
    before = attendance(tx)
    if before is not None and decide(before, now, gap=gap, grace=grace) is before:
        return None
    if before is None:
        tx.run(_BEGIN, {"at": to_micros(now)})
    before = attendance(tx, locked=True)
    after = decide(before, now, gap=gap, grace=grace)
    if after is not before:
        tx.run(_NOTE.values(at=after.at, lapses_from=after.lapses_from))
    return absence(before, after)
