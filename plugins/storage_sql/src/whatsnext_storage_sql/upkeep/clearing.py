"""Clearing away what deleted tasks and projects still hold, in slices; nobody sees any of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, bindparam, delete, func, select, update

from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import ALL_TASKS, Batch, Transaction
from whatsnext_storage_sql.jobs.graph import spread
from whatsnext_storage_sql.jobs.jobstate import STATE, states_of
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.tables import COUNTER, EVENT, JOB, PROJECT, RECLASSING, SUBMISSION, TASK
from whatsnext_storage_sql.upkeep.erasing import erase

EVENTS_AT_ONCE = 10_000
"""Events that are looked at in one step."""

_TASK = Query(
    select(TASK.c.id, TASK.c.project_id, PROJECT.c.deleted.label("project_is_gone"))
    .join(PROJECT, PROJECT.c.id == TASK.c.project_id)
    .where(TASK.c.deleted)
    .order_by(TASK.c.id)
    .limit(1)
    .with_for_update(of=TASK, skip_locked=True)
)
_PROJECT = Query(
    select(PROJECT.c.id, PROJECT.c.cleared_to)
    .where(PROJECT.c.deleted, ~select(TASK.c.id).where(TASK.c.project_id == PROJECT.c.id).exists())
    .order_by(PROJECT.c.id)
    .limit(1)
    .with_for_update(of=PROJECT, skip_locked=True)
)
_SLICE = Query(
    STATE.where(JOB.c.task_id == bindparam("id")).order_by(JOB.c.id).limit(bindparam("limit")).with_for_update(of=JOB),
    by_column=True,
)
_OF_TASK = and_(COUNTER.c.project_id == bindparam("project_id"), COUNTER.c.task_id == bindparam("id"))
_COUNTED = Query(select(COUNTER.c.submission_id, COUNTER.c.status, COUNTER.c.number).where(_OF_TASK))
_END_TASK = (
    delete(COUNTER).where(_OF_TASK),
    delete(RECLASSING).where(RECLASSING.c.task_id == bindparam("id")),
    delete(TASK).where(TASK.c.id == bindparam("id")),
)
_LAST_EVENT = Query(select(func.max(EVENT.c.id)))
_EVENTS = delete(EVENT).where(
    EVENT.c.project_id == bindparam("id"), EVENT.c.id > bindparam("after"), EVENT.c.id <= bindparam("until")
)
_ADVANCE = update(PROJECT).where(PROJECT.c.id == bindparam("at")).values(cleared_to=bindparam("new_cleared_to"))
_END_PROJECT = (
    delete(COUNTER).where(COUNTER.c.project_id == bindparam("id")),
    delete(SUBMISSION).where(SUBMISSION.c.project_id == bindparam("id")),
    delete(PROJECT).where(PROJECT.c.id == bindparam("id")),
)


def clearing_is_due(tx: Transaction) -> bool:
    """Return whether a deleted task or project still holds something."""
    return tx.first(_TASK) is not None or tx.first(_PROJECT) is not None


def clear(tx: Transaction, now: datetime, limit: int) -> int:
    """Clear away up to ``limit`` rows or so of deleted tasks and projects; return the number of steps."""
    steps = 0
    while steps < limit:
        done = _clear_task(tx, now, limit - steps) or _clear_project(tx)
        if not done:
            break
        steps += done
    return steps


def _clear_task(tx: Transaction, now: datetime, limit: int) -> int:
    task = tx.first(_TASK)
    if task is None:
        return 0
    ledger = Ledger(tx)
    states = [state for state, _ in states_of(tx, tx.all(_SLICE, id=task.id, limit=limit))]
    for state in states:
        ledger.know(state, Batch.HIDDEN)
    keep = not task.project_is_gone
    erase(ledger, states, now, tell_children=keep, count=False, keep_events=keep)
    spread(ledger, now)
    if len(states) < limit:
        tx.stop_counting(task.project_id, task_id=task.id)
        for row in tx.all(_COUNTED, id=task.id, project_id=task.project_id):
            tx.count((task.project_id, row.submission_id, ALL_TASKS, row.status), -row.number)
        for statement in _END_TASK:
            tx.run(statement, {"id": task.id, "project_id": task.project_id})
    return len(states) + 1


def _clear_project(tx: Transaction) -> int:
    """Clear the events of a project that has no tasks and jobs any more, then the project itself."""
    project = tx.first(_PROJECT)
    if project is None:
        return 0
    last = int(tx.scalar(_LAST_EVENT) or 0)
    if project.cleared_to < last:
        until = min(last, project.cleared_to + EVENTS_AT_ONCE)
        tx.run(_EVENTS, {"id": project.id, "after": project.cleared_to, "until": until})
        tx.run(_ADVANCE, {"at": project.id, "new_cleared_to": until})
        return 1
    tx.stop_counting(project.id)
    for statement in _END_PROJECT:
        tx.run(statement, {"id": project.id})
    return 1
