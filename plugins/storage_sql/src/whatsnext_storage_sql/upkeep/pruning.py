"""Retention: jobs that ended long ago go, with their attempts, logs and events."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, delete, literal_column, select, update

from whatsnext_core.model import JobStatus
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.events.forgetting import forget, oldest
from whatsnext_storage_sql.jobs.graph import lock_graph, spread
from whatsnext_storage_sql.jobs.jobs import VISIBLE
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.tables import EDGE, GONE, JOB, LISTING, TASK
from whatsnext_storage_sql.upkeep.erasing import erase

EVENTS_OF = 1_000
"""Of how many jobs that are gone old events are removed at once."""

_CHILD = JOB.alias("child")
_AWAITED = (
    select(_CHILD.c.id)
    .join(EDGE, EDGE.c.child_id == _CHILD.c.id)
    .where(
        EDGE.c.parent_id == LISTING.c.job_id,
        _CHILD.c.status.in_([JobStatus.PENDING.value, JobStatus.BLOCKED.value]),
    )
    .exists()
)
_ENDED = (
    select(LISTING.c.job_id)
    .join(JOB, JOB.c.id == LISTING.c.job_id)
    .join(TASK, TASK.c.id == JOB.c.task_id)
    .where(LISTING.c.ended_at < bindparam("before"), VISIBLE, ~_AWAITED)
    .order_by(LISTING.c.ended_at, LISTING.c.job_id)
)
_GONE = (
    select(GONE.c.job_id)
    .where(GONE.c.oldest_at < bindparam("before"))
    .order_by(GONE.c.oldest_at, GONE.c.job_id)
    .limit(EVENTS_OF)
    .with_for_update(skip_locked=True)
)
_FORGET = delete(GONE).where(among(GONE.c.job_id, "ids"))
_REMEMBER = update(GONE).where(GONE.c.job_id == bindparam("at_id")).values(oldest_at=bindparam("moment"))


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    """Delete up to ``limit`` jobs that ended before a time, and old events of jobs that are gone."""
    # A number, not a parameter: PostgreSQL plans for any value of it, and would sort millions rather than find a few.
    ids = [row.job_id for row in tx.all(_ENDED.limit(literal_column(f"{limit:d}")), before=before)]
    lock_graph(tx, ids)
    ledger = Ledger(tx)
    ledger.load(ids)
    states = [
        state
        for job_id in ids
        if (state := ledger.seen(job_id)) is not None and state.ended_at is not None and state.ended_at < before
    ]
    erase(ledger, states, before, keep_events=False)
    spread(ledger, before)
    _prune_events(tx, before)
    return len(states)


def _prune_events(tx: Transaction, before: datetime) -> None:
    ids = {row.job_id for row in tx.all(_GONE, before=before)}
    if not ids:
        return
    forget(tx, ids, before)
    left = oldest(tx, ids)
    if left:
        tx.run(_REMEMBER, [{"at_id": job_id, "moment": moment} for job_id, moment in left.items()])
    tx.run(_FORGET, {"ids": [job_id for job_id in ids if job_id not in left]})
