"""Ready jobs of a task whose requirement changed move to the line of the new one, in slices."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, delete, select, update

from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.listing import PENDING
from whatsnext_storage_sql.projects.tasks import class_after
from whatsnext_storage_sql.tables import JOB, LISTING, RECLASSING, TASK

AT_ONCE = 500
"""Waiting jobs that are looked at in the transaction that changes the task; ``settle`` looks at the others."""

_DUE = Query(
    select(RECLASSING.c.task_id, RECLASSING.c.cursor, TASK.c.project_id)
    .join(TASK, TASK.c.id == RECLASSING.c.task_id)
    .order_by(RECLASSING.c.task_id)
    .limit(1)
    .with_for_update(of=RECLASSING, skip_locked=True)
)
_SLICE = Query(
    select(LISTING.c.job_id, JOB.c.task_id)
    .join(JOB, JOB.c.id == LISTING.c.job_id)
    .where(LISTING.c.project_id == bindparam("project_id"), PENDING, LISTING.c.job_id > bindparam("cursor"))
    .order_by(LISTING.c.job_id)
    .limit(bindparam("limit"))
)
_ADVANCE = update(RECLASSING).where(RECLASSING.c.task_id == bindparam("at")).values(cursor=bindparam("new_cursor"))
_END = delete(RECLASSING).where(RECLASSING.c.task_id == bindparam("at"))


def reclassing_is_due(tx: Transaction) -> bool:
    """Return whether ready jobs stand in the wrong line."""
    return tx.first(_DUE) is not None


def reclass(tx: Transaction, now: datetime, limit: int) -> int:
    """Look at up to ``limit`` waiting jobs and move those that stand in the wrong line; return how many there were."""
    steps = 0
    while steps < limit:
        due = tx.first(_DUE)
        if due is None:
            break
        rows = tx.all(_SLICE, project_id=due.project_id, cursor=due.cursor, limit=limit - steps)
        _move(tx, [row.job_id for row in rows if row.task_id == due.task_id], now)
        if len(rows) == limit - steps:
            tx.run(_ADVANCE, {"at": due.task_id, "new_cursor": rows[-1].job_id})
        else:
            tx.run(_END, {"at": due.task_id})
        steps += len(rows) + 1
    return steps


def _move(tx: Transaction, job_ids: list[int], now: datetime) -> None:
    ledger = Ledger(tx)
    ledger.load(job_ids)
    for job_id in job_ids:
        state = ledger.seen(job_id)
        if state is not None and state.is_ready:
            ledger.put(state._replace(class_id=class_after(tx, ledger.task(state.task_id), state.ooms)))
    ledger.flush(now)
