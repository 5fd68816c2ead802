"""Housekeeping in small steps: what falls due with time, and what large operations left behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import bindparam, func, select

from whatsnext_core.states import LEASE_LAPSED
from whatsnext_core.storage import SUBMISSION_LASTS, Settled
from whatsnext_storage_sql import artifacts
from whatsnext_storage_sql.attempts.attempts import Holds
from whatsnext_storage_sql.attempts.attending import attendance
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.admitting import advance_batches, batch_is_due
from whatsnext_storage_sql.jobs.graph import spread
from whatsnext_storage_sql.jobs.jobstate import UNLOCKED
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.siblings import stop_siblings, stopping_is_due
from whatsnext_storage_sql.queue.reclassing import reclass, reclassing_is_due
from whatsnext_storage_sql.tables import DELAYED, JOB, LEASE, SUBMISSION, TASK
from whatsnext_storage_sql.upkeep.clearing import clear, clearing_is_due
from whatsnext_storage_sql.upkeep.telling import go_on_telling, telling_is_due

_LAPSED = Query(
    select(LEASE.c.job_id)
    .join(JOB, JOB.c.id == LEASE.c.job_id)
    .join(TASK, TASK.c.id == JOB.c.task_id)
    .where(LEASE.c.expires_at <= bindparam("now"), ~TASK.c.deleted)
    .order_by(LEASE.c.expires_at, LEASE.c.job_id)
    .limit(bindparam("limit"))
    .with_for_update(of=LEASE, skip_locked=True)
)
_WOKEN = Query(
    select(DELAYED.c.job_id)
    .where(DELAYED.c.not_before <= bindparam("now"))
    .order_by(DELAYED.c.not_before, DELAYED.c.job_id)
    .limit(bindparam("limit"))
)
_FIRST_LAPSE = Query(select(func.min(LEASE.c.expires_at)))
_FIRST_END = Query(select(func.min(DELAYED.c.not_before)))
_OPENED = Query(select(func.min(SUBMISSION.c.created_at)))


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
        or telling_is_due(tx)
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


_Stage: TypeAlias = Callable[[Transaction, datetime, int], int]
_STAGES: Sequence[_Stage] = (_wake, go_on_telling, advance_batches, reclass, clear, artifacts.clear_artifacts)
