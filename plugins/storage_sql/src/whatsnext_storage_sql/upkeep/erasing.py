"""Removing the rows of jobs, with all that belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.sql.dml import Delete, Update

from whatsnext_storage_sql.artifacts import GIVE_UP_OF_JOBS
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.events.forgetting import forget
from whatsnext_storage_sql.jobs.jobstate import JobState
from whatsnext_storage_sql.jobs.ledger import Ledger, place
from whatsnext_storage_sql.jobs.listing import LISTING_KEYS
from whatsnext_storage_sql.models.types import to_micros
from whatsnext_storage_sql.queue import lines
from whatsnext_storage_sql.tables import (
    ATTEMPT,
    DELAYED,
    EDGE,
    GONE,
    JOB,
    LEASE,
    LISTING,
    LOG_CHUNK,
    LOG_STREAM,
    SUBMISSION,
)

_BY_JOB: Sequence[Delete | Update] = (
    *(
        delete(column.table).where(among(column, "ids"))
        for column in (
            JOB.c.id,
            EDGE.c.child_id,
            LEASE.c.job_id,
            ATTEMPT.c.job_id,
            LOG_STREAM.c.job_id,
            LOG_CHUNK.c.job_id,
        )
    ),
    GIVE_UP_OF_JOBS,
)
_OPEN = Query(select(SUBMISSION.c.id).where(SUBMISSION.c.state == "open").limit(1))
_ORPHANED = (
    update(SUBMISSION)
    .where(
        SUBMISSION.c.state == "open",
        SUBMISSION.c.id.in_(
            select(JOB.c.submission_id)
            .join(EDGE, EDGE.c.child_id == JOB.c.id)
            .where(among(EDGE.c.parent_id, "ids"), JOB.c.submission_id > 0)
        ),
    )
    .values(orphaned=True)
)


def erase(
    ledger: Ledger,
    states: Sequence[JobState],
    now: datetime,
    *,
    tell_children: bool = True,
    count: bool = True,
    keep_events: bool = True,
) -> None:
    """Remove jobs with their edges to parents, attempts, logs and files; children learn of it when the ledger spreads.

    ``count`` unless their counters go with them. Events that stay are removed by ``pruning``, in their time.
    """
    if not states:
        return
    ledger.flush(now)
    tx = ledger.tx
    tx.before_rows_go()
    ids = [state.id for state in states]
    if tell_children:
        _mark_orphans(tx, ids)
    for statement in _BY_JOB:
        tx.run(statement, {"ids": ids})
    lines.leave(tx, [stand for state in states if (stand := place(state)) is not None])
    tx.delete(LISTING, LISTING_KEYS, [(state.project_id, state.listed_as, state.id) for state in states])
    delays = [(to_micros(state.not_before), state.id) for state in states if state.not_before]
    tx.delete(DELAYED, ("not_before", "job_id"), delays)
    if keep_events:
        tx.insert(GONE, ("job_id", "oldest_at"), [(state.id, 0) for state in states])
    else:
        forget(tx, set(ids))
    for state in states:
        if count:
            tx.count((state.project_id, state.submission_id, state.task_id, state.status.value), -1)
        if tell_children:
            ledger.ripples[state.id] = state.status
        ledger.forget(state.id)


def _mark_orphans(tx: Transaction, ids: Sequence[int]) -> None:
    """Note in batches that are being written that a job is gone on which one of theirs depends."""
    if tx.first(_OPEN) is not None:
        tx.run(_ORPHANED, {"ids": ids})
