"""Housekeeping in small steps: what falls due with time, and what large operations left behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Row, bindparam, func, or_, select

from whatsnext_core.states import LEASE_LAPSED
from whatsnext_core.storage import SUBMISSION_LASTS, Settled
from whatsnext_storage_sql import artifacts
from whatsnext_storage_sql.attempts.attempts import Holds
from whatsnext_storage_sql.attempts.attending import ROW, attendance_of
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.admitting import advance_batches, batch_is_due
from whatsnext_storage_sql.jobs.graph import spread
from whatsnext_storage_sql.jobs.jobstate import UNLOCKED
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.siblings import stop_siblings, stopping_is_due
from whatsnext_storage_sql.queue.reclassing import reclass, reclassing_is_due
from whatsnext_storage_sql.tables import (
    ARTIFACT,
    DELAYED,
    HALT,
    JOB,
    LEASE,
    PROJECT,
    RECLASSING,
    RIPPLE,
    SUBMISSION,
    TASK,
)
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
_AHEAD = Query(
    select(
        select(func.min(LEASE.c.expires_at)).scalar_subquery().label("lapses"),
        select(func.min(DELAYED.c.not_before)).scalar_subquery().label("wakes"),
        select(func.min(ARTIFACT.c.expires_at)).scalar_subquery().label("expires"),
        select(func.min(SUBMISSION.c.created_at)).scalar_subquery().label("opened"),
        or_(
            select(HALT.c.job_id).exists(),
            select(RIPPLE.c.id).exists(),
            select(RECLASSING.c.task_id).exists(),
            select(SUBMISSION.c.id).where(SUBMISSION.c.state != "open").exists(),
            select(TASK.c.id).where(TASK.c.deleted).exists(),
            select(PROJECT.c.id).where(PROJECT.c.deleted).exists(),
        ).label("waits"),
    )
)
"""Selects when something falls due next, of each kind, and whether something waits already."""


def settle(tx: Transaction, now: datetime, limit: int) -> Settled:
    """Do up to ``limit`` small pieces of what is due."""
    rows, (ahead,) = tx.ask((ROW, {}), (_AHEAD, {}))
    attended = attendance_of(rows)
    earliest = now if attended is None else attended.earliest_lapse(now)
    first = _first(ahead, ahead.lapses)
    if not ahead.waits and (first is None or first > now):  # as most often; one look is enough to see it
        return Settled(steps=0, more=False, next_at=_first(ahead, ahead.lapses and max(ahead.lapses, earliest)))
    may_lapse = earliest <= now
    steps = stop_siblings(tx, now, limit)
    if may_lapse and steps < limit:
        steps += _lapse(tx, now, limit - steps)
    for stage in _STAGES:
        if steps < limit:
            steps += stage(tx, now, limit - steps)
    if (may_lapse and tx.first(_LAPSED, now=now, limit=1) is not None) or _is_due(tx, now):
        return Settled(steps=steps, more=True, next_at=now)
    (ahead,) = tx.all(_AHEAD)
    return Settled(steps=steps, more=False, next_at=_first(ahead, ahead.lapses and max(ahead.lapses, earliest)))


def _first(ahead: Row[Any], lapses: datetime | None) -> datetime | None:
    """Return when the first thing falls due; ``lapses`` says when a lease does."""
    times = (lapses, ahead.wakes, ahead.expires, ahead.opened and ahead.opened + SUBMISSION_LASTS)
    return min((time for time in times if time is not None), default=None)


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
