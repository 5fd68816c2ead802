"""Reading events: after a number, by filters, and the number at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, select

from whatsnext_core.model import Event
from whatsnext_core.storage import EventFilter
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.rows import event_of
from whatsnext_storage_sql.tables import EVENT, PROJECT

_SEEN = select(EVENT).where(
    EVENT.c.id > bindparam("after"),
    EVENT.c.project_id.not_in(select(PROJECT.c.id).where(PROJECT.c.deleted).scalar_subquery()),
)
_LAST = Query(select(func.max(EVENT.c.id)))
_NEXT = Query(select(EVENT.c.id, EVENT.c.at).where(EVENT.c.id > bindparam("after")).order_by(EVENT.c.id).limit(1))


def events(tx: Transaction, after: int, limit: int, only: EventFilter, until: int | None) -> Sequence[Event]:
    """Return events with a number above ``after``."""
    statement, parameters = _SEEN, {"after": after, "limit": limit}
    if only.project_id is not None:
        statement = statement.where(EVENT.c.project_id == bindparam("project_id"))
        parameters["project_id"] = only.project_id
    if only.kinds:
        statement = statement.where(EVENT.c.kind.in_(sorted(kind.value for kind in only.kinds)))
    if until is not None:
        statement = statement.where(EVENT.c.id <= bindparam("until"))
        parameters["until"] = until
    if only.job_ids:
        return _of_jobs(tx, statement, only, parameters)
    return [event_of(row) for row in tx.all(statement.order_by(EVENT.c.id).limit(bindparam("limit")), **parameters)]


def _of_jobs(tx: Transaction, statement: Select[Any], only: EventFilter, parameters: dict[str, int]) -> Sequence[Event]:
    """Return events of jobs: found by the index of jobs, in which each has few.

    Sorted by more than the number alone, so that no planner walks through all events in their order instead.
    """
    statement = statement.where(among(EVENT.c.job_id, "ids")).order_by(EVENT.c.id + 0).limit(bindparam("limit"))
    return [event_of(row) for row in tx.all(statement, ids=sorted(only.job_ids), **parameters)]


def last_event(tx: Transaction) -> int:
    """Return the number of the newest event that there is."""
    return int(tx.scalar(_LAST) or 0)


def event_before(tx: Transaction, moment: datetime) -> int:
    """Return the number of the last event before a time, found by halving."""
    low, high = 0, last_event(tx)
    while low < high:
        middle = (low + high) // 2
        row = tx.first(_NEXT, after=middle)
        if row is None or row.at >= moment:
            high = middle
        else:
            low = row.id
    return low
