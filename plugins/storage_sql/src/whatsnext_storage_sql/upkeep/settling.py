"""Housekeeping in small steps: what falls due with time, and what large operations left behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, TypeAlias

from sqlalchemy import Row, bindparam, func, select

from whatsnext_core.states import LEASE_LAPSED
from whatsnext_core.storage import SUBMISSION_LASTS, Settled
from whatsnext_storage_sql import artifacts
from whatsnext_storage_sql.attempts.attempts import Holds
from whatsnext_storage_sql.attempts.attending import attendance
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.admitting import advance_batches, batch_is_due
from whatsnext_storage_sql.jobs.graph import lock_whole_graph, spread, tell_after
from whatsnext_storage_sql.jobs.jobstate import UNLOCKED
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.rows import STATUSES
from whatsnext_storage_sql.jobs.siblings import stop_siblings, stopping_is_due
from whatsnext_storage_sql.queue.reclassing import reclass, reclassing_is_due
from whatsnext_storage_sql.tables import DELAYED, JOB, LEASE, RIPPLE, SUBMISSION, TASK
from whatsnext_storage_sql.upkeep.clearing import clear, clearing_is_due

_LAPSED = (
    select(LEASE.c.job_id)
    .join(JOB, JOB.c.id == LEASE.c.job_id)
    .join(TASK, TASK.c.id == JOB.c.task_id)
    .where(LEASE.c.expires_at <= bindparam("now"), ~TASK.c.deleted)
    .order_by(LEASE.c.expires_at, LEASE.c.job_id)
    .limit(bindparam("limit"))
    .with_for_update(of=LEASE, skip_locked=True)
)
_WOKEN = (
    select(DELAYED.c.job_id)
    .where(DELAYED.c.not_before <= bindparam("now"))
    .order_by(DELAYED.c.not_before, DELAYED.c.job_id)
    .limit(bindparam("limit"))
)
_RIPPLES = select(RIPPLE).order_by(RIPPLE.c.id).limit(bindparam("limit"))
_ANY_RIPPLE = select(RIPPLE.c.id).limit(1)
_FIRST_LAPSE = select(func.min(LEASE.c.expires_at))
_FIRST_END = select(func.min(DELAYED.c.not_before))
_OPENED = select(func.min(SUBMISSION.c.created_at))


def settle(tx: Transaction, now: datetime, limit: int) -> Settled:
    """Do up to ``limit`` small pieces of what is due."""
    attended = attendance(tx)
    earliest = now if attended is None else attended.earliest_lapse(now)
    may_lapse = earliest <= now
    steps = stop_siblings(tx, now, limit)
    if may_lapse and steps < limit:
        steps += _lapse(tx, now, limit - steps)
    for stage in _STAGES:
        if steps < limit:
            steps += stage(tx, now, limit - steps)
    if (may_lapse and tx.first(_LAPSED, now=now, limit=1) is not None) or _is_due(tx, now):
        return Settled(steps=steps, more=True, next_at=now)
    times: list[datetime] = []
    if (first_lapse := tx.scalar(_FIRST_LAPSE)) is not None:
        times.append(max(first_lapse, earliest))
    if (first_end := tx.scalar(_FIRST_END)) is not None:
        times.append(first_end)
    if (expires := tx.scalar(artifacts.EXPIRES)) is not None:
        times.append(expires)
    if (opened := tx.scalar(_OPENED)) is not None:
        times.append(opened + SUBMISSION_LASTS)
    return Settled(steps=steps, more=False, next_at=min(times, default=None))


def _is_due(tx: Transaction, now: datetime) -> bool:
    return (
        stopping_is_due(tx)
        or tx.first(_WOKEN, now=now, limit=1) is not None
        or tx.first(_ANY_RIPPLE) is not None
        or batch_is_due(tx, now)
        or reclassing_is_due(tx)
        or clearing_is_due(tx)
        or artifacts.clearing_is_due(tx, now)
    )


def _lapse(tx: Transaction, now: datetime, limit: int) -> int:
    """Take jobs back whose leases lapsed."""
    job_ids = [row.job_id for row in tx.all(_LAPSED, now=now, limit=limit)]
    if not job_ids:
        return 0
    holds = Holds(Ledger(tx))
    holds.load(job_ids, free=True)
    for job_id in job_ids:
        state, attempt = holds.ledger.seen(job_id), holds.find(job_id)
        if state is not None and attempt is not None:
            holds.lose(state, attempt, LEASE_LAPSED, now)
    holds.flush()
    spread(holds.ledger, now)
    return len(job_ids)


def _wake(tx: Transaction, now: datetime, limit: int) -> int:
    """End back-offs."""
    job_ids = [row.job_id for row in tx.all(_WOKEN, now=now, limit=limit)]
    ledger = Ledger(tx)
    ledger.load(job_ids, UNLOCKED)
    for job_id in job_ids:
        if ledger.knows(job_id):
            ledger.put(ledger[job_id]._replace(not_before=None))
    ledger.flush(now)
    return len(job_ids)


def _ripple(tx: Transaction, now: datetime, limit: int) -> int:
    """Tell children what became of their parents, where that was too much for one transaction."""
    steps = 0
    while steps < limit and tx.first(_ANY_RIPPLE) is not None:
        lock_whole_graph(tx)
        rows = tx.all(_RIPPLES, limit=limit - steps)
        if rows and rows[0].cursor:
            steps += _go_on(tx, rows[0], now, limit - steps)
        else:
            begun = list(takewhile(lambda row: not row.cursor, rows))
            steps += _begin(tx, begun, now, limit - steps)
    return steps


def _begin(tx: Transaction, rows: Sequence[Row[Any]], now: datetime, limit: int) -> int:
    """Tell the children of several jobs from the first; the ledger notes again what remains."""
    tx.delete(RIPPLE, ("id",), [(row.id,) for row in rows])
    ledger = Ledger(tx)
    ledger.load(row.parent_id for row in rows if row.last_status is None)
    for row in rows:
        if row.last_status is not None:
            ledger.ripples[row.parent_id] = STATUSES[row.last_status]
        elif ledger.knows(row.parent_id):
            ledger.ripples[row.parent_id] = None
    return max(spread(ledger, now, limit), len(rows))


def _go_on(tx: Transaction, row: Row[Any], now: datetime, limit: int) -> int:
    """Tell further children of one job."""
    last = None if row.last_status is None else STATUSES[row.last_status]
    ledger = Ledger(tx)
    ledger.load([row.parent_id])
    told, cursor = 0, None
    if last is not None or ledger.knows(row.parent_id):
        told, cursor = tell_after(ledger, row.parent_id, last, row.cursor, now, limit)
    if cursor is None:
        tx.delete(RIPPLE, ("id",), [(row.id,)])
    else:
        tx.update(RIPPLE, ("cursor",), ("id",), [(cursor, row.id)])
    return max(told, 1) + spread(ledger, now, max(limit - told, 0))


_Stage: TypeAlias = Callable[[Transaction, datetime, int], int]
_STAGES: Sequence[_Stage] = (_wake, _ripple, advance_batches, reclass, clear, artifacts.clear_artifacts)
