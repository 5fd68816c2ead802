"""Reading events: after a number, by filters, and the number at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Row, Select, TextClause, bindparam, func, select, text

from whatsnext_core.model import Event, EventKind, limits
from whatsnext_core.storage import EventFilter
from whatsnext_storage_sql.connection.dialects import numbers
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.events.runs import BLOCK, members
from whatsnext_storage_sql.models.types import read_json
from whatsnext_storage_sql.tables import EVENT, PROJECT

FEW = 64
"""Rows that are read first for a large list, of which one may hold several hundred events."""

_SEEN = select(EVENT).where(
    EVENT.c.id > bindparam("after"),
    EVENT.c.project_id.not_in(select(PROJECT.c.id).where(PROJECT.c.deleted).scalar_subquery()),
)
_LAST = Query(select(func.max(EVENT.c.id)))
_NEXT = Query(select(EVENT.c.id, EVENT.c.at).where(EVENT.c.id > bindparam("after")).order_by(EVENT.c.id).limit(1))
# Each job is looked for by itself, in an index of rows with one event and in an index of runs. On PostgreSQL in words
# that no planner turns into a walk through all events.
_OF_JOBS_SQLITE = f"""
    event.id IN (
        SELECT one.id FROM event AS one WHERE one.jobs = 1 AND one.job_id IN (SELECT value FROM json_each(:ids))
        UNION ALL
        SELECT run.id FROM json_each(:ids) AS given CROSS JOIN event AS run
        ON run.jobs > 1 AND run.job_id BETWEEN given.value - given.value % {BLOCK} AND given.value
        AND run.job_id + run.jobs > given.value
    )
"""  # noqa: S608 - of constants
_OF_JOBS_POSTGRESQL = f"""
    event.id = ANY (ARRAY (
        SELECT one.id FROM event AS one WHERE one.jobs = 1 AND one.job_id = ANY (:ids)
        UNION ALL
        SELECT found.id FROM unnest(:ids) AS given (id) CROSS JOIN LATERAL (
            SELECT run.id FROM event AS run
            WHERE run.jobs > 1 AND run.job_id BETWEEN given.id - given.id % {BLOCK} AND given.id
            AND run.job_id + run.jobs > given.id OFFSET 0
        ) AS found
    ))
"""  # noqa: S608 - of constants


def events(tx: Transaction, after: int, limit: int, only: EventFilter, until: int | None) -> Sequence[Event]:
    """Return events with a number above ``after``."""
    statement, parameters = _SEEN, dict[str, Any]()
    if only.project_id is not None:
        statement = statement.where(EVENT.c.project_id == bindparam("project_id"))
        parameters["project_id"] = only.project_id
    if only.kinds:
        statement = statement.where(EVENT.c.kind.in_(sorted(kind.value for kind in only.kinds)))
    if until is not None:
        statement = statement.where(EVENT.c.id <= bindparam("end"), EVENT.c.id - EVENT.c.jobs < bindparam("until"))
        parameters |= {"until": until, "end": min(until + BLOCK, limits.MAX_ID)}
    if only.job_ids:
        statement = statement.where(of_jobs(tx))
        parameters["ids"] = sorted(only.job_ids)
    found: list[Event] = []
    for row in _rows(tx, statement.order_by(EVENT.c.id), after, limit, parameters):
        wanted = (
            event
            for event in _events_in(row, only.job_ids)
            if event.id > after and (until is None or event.id <= until)
        )
        found += islice(wanted, limit - len(found))
        if len(found) == limit:
            break
    return found


def of_jobs(tx: Transaction) -> TextClause:
    """Return the condition that a row holds an event of a job of the parameter ``ids``, a list."""
    return text(_OF_JOBS_POSTGRESQL if tx.is_postgresql else _OF_JOBS_SQLITE).bindparams(numbers("ids"))


def _rows(
    tx: Transaction, statement: Select[Any], after: int, limit: int, parameters: dict[str, Any]
) -> Iterator[Row[Any]]:
    """Come to rows with a number above ``after``, some of them at first, then as many as are wanted at most."""
    statement, some = statement.limit(bindparam("limit")), min(limit, max(FEW, limit // 8))
    while some:
        rows = tx.all(statement, after=after, limit=some, **parameters)
        yield from rows
        if len(rows) < some:
            return
        after, some = rows[-1].id, limit


def _events_in(row: Row[Any], job_ids: frozenset[int]) -> Iterator[Event]:
    kind, data = EventKind(row.kind), read_json(row.data)
    for number, job_id in members(row):
        if not job_ids or job_id in job_ids:
            yield Event(id=number, project_id=row.project_id, job_id=job_id, kind=kind, at=row.at, data=data)


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
