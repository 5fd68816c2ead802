"""Batches after they were written: published ones go into the queue in slices, given up ones are cleared away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, func, literal_column, or_, select, text, update

from whatsnext_core.model import EventKind, JobStatus
from whatsnext_core.storage import SUBMISSION_LASTS
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Batch, Transaction
from whatsnext_storage_sql.events.runs import telling
from whatsnext_storage_sql.jobs.graph import admit, spread
from whatsnext_storage_sql.jobs.jobstate import STATE, raw_state
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.rows import event_text
from whatsnext_storage_sql.models.types import to_micros
from whatsnext_storage_sql.projects.tasks import lock_tasks
from whatsnext_storage_sql.queue import lines
from whatsnext_storage_sql.tables import COUNTER, JOB, PROJECT, SUBMISSION
from whatsnext_storage_sql.upkeep.erasing import erase

_DUE = Query(
    select(SUBMISSION)
    .join(PROJECT, PROJECT.c.id == SUBMISSION.c.project_id)
    .where(or_(SUBMISSION.c.state != "open", SUBMISSION.c.created_at <= bindparam("opened")), ~PROJECT.c.deleted)
    .order_by(SUBMISSION.c.id)
    .limit(1)
    .with_for_update(of=SUBMISSION, skip_locked=True)
)


def _slice(columns: Select[Any]) -> Select[Any]:
    """Select the next jobs of a batch."""
    return (
        columns.where(
            JOB.c.submission_id == bindparam("id"),
            JOB.c.submission_id > literal_column("0"),  # says that the partial index will do
            JOB.c.id > bindparam("cursor"),
        )
        .order_by(JOB.c.id)
        .limit(bindparam("limit"))
        .with_for_update(of=JOB)
    )


_STATES = Query(_slice(STATE))
_WAITING = _slice(
    select(JOB.c.id, JOB.c.task_id, JOB.c.class_id, JOB.c.priority, JOB.c.unmet, JOB.c.impossible)
).subquery("waiting")
_ALIKE = Query(
    select(
        _WAITING.c.task_id,
        _WAITING.c.class_id,
        func.count().label("jobs"),
        func.max(_WAITING.c.id).label("last"),
        func.max(_WAITING.c.impossible).label("impossible"),
        func.min(_WAITING.c.id).filter(_WAITING.c.unmet == literal_column("0")).label("first_ready"),
        func.max(_WAITING.c.priority).filter(_WAITING.c.unmet == literal_column("0")).label("priority"),
    ).group_by(_WAITING.c.task_id, _WAITING.c.class_id)
)
_BETWEEN = "FROM job WHERE submission_id = :batch AND submission_id > 0 AND id > :cursor AND id <= :last"
_RECLASS = Query(
    text(
        "UPDATE job SET class_id = :new WHERE submission_id = :batch AND submission_id > 0 "
        "AND id > :cursor AND id <= :last AND task_id = :task AND class_id = :old"
    )
)
_ENTER = lines.entering(_BETWEEN)
_TELL, _TELL_POSTGRESQL = (telling(_BETWEEN, is_postgresql=yes) for yes in (False, True))
_GIVE_UP = update(SUBMISSION).where(SUBMISSION.c.id == bindparam("at")).values(state="discarded")
_ADVANCE = update(SUBMISSION).where(SUBMISSION.c.id == bindparam("at")).values(cursor=bindparam("new_cursor"))
_END = delete(SUBMISSION).where(SUBMISSION.c.id == bindparam("at"))
_UNCOUNT = delete(COUNTER).where(
    COUNTER.c.project_id == bindparam("project"), COUNTER.c.submission_id == bindparam("at")
)


def batch_is_due(tx: Transaction, now: datetime) -> bool:
    """Return whether a batch waits to be brought into the queue or cleared away."""
    return tx.first(_DUE, opened=now - SUBMISSION_LASTS) is not None


def advance_batches(tx: Transaction, now: datetime, limit: int) -> int:
    """Bring jobs of published batches into the queue, and clear those of others away; return the number of steps."""
    steps = 0
    while steps < limit:
        batch = tx.first(_DUE, opened=now - SUBMISSION_LASTS)
        if batch is None:
            break
        if batch.state == "open":
            tx.run(_GIVE_UP, {"at": batch.id})
            steps += 1
        elif batch.state == "published":
            steps += _admit(tx, batch.id, batch.project_id, batch.cursor, now, limit - steps)
        else:
            steps += _discard(tx, batch.id, batch.project_id, now, limit - steps)
    return steps


def _admit(tx: Transaction, batch: int, project_id: int, cursor: int, now: datetime, limit: int) -> int:
    alike = tx.all(_ALIKE, id=batch, cursor=cursor, limit=limit)
    number: int = sum(each.jobs for each in alike)
    last = max((each.last for each in alike), default=cursor)
    if any(each.impossible for each in alike):
        _admit_one_by_one(tx, tx.all(_STATES, id=batch, cursor=cursor, limit=limit), now)
    elif alike:
        _admit_at_once(tx, project_id, {"batch": batch, "cursor": cursor, "last": last}, alike, now)
    if number == limit:
        tx.run(_ADVANCE, {"at": batch, "new_cursor": last})
    else:
        _end(tx, batch, project_id)
    return number + 1


def _admit_at_once(
    tx: Transaction, project_id: int, part: Mapping[str, int], alike: Sequence[Row[Any]], now: datetime
) -> None:
    """Bring jobs of which none is BLOCKED into the queue: they are PENDING, as they have been, and maybe ready.

    The database does it by itself; only what there is of each task and class is read.
    """
    classes = {row.id: row.class_id for row in lock_tasks(tx, {each.task_id for each in alike}).values()}
    firsts = []
    for each in alike:
        class_id = classes[each.task_id]
        if class_id != each.class_id:
            tx.note(_RECLASS, **part, task=each.task_id, old=each.class_id, new=class_id)
        if each.first_ready is not None:
            firsts.append((project_id, class_id, -each.priority, each.first_ready))
        tx.count((project_id, part["batch"], each.task_id, JobStatus.PENDING.value), -each.jobs)
        tx.count((project_id, 0, each.task_id, JobStatus.PENDING.value), each.jobs)
    moment = to_micros(now)
    lines.enter_by(tx, _ENTER, {**part, "since": moment}, firsts)
    told = event_text(None, JobStatus.PENDING)
    tx.tell_by(
        _TELL_POSTGRESQL if tx.is_postgresql else _TELL, **part, kind=EventKind.SUBMITTED.value, at=moment, data=told
    )


def _admit_one_by_one(tx: Transaction, rows: Sequence[Row[Any]], now: datetime) -> None:
    ledger = Ledger(tx, by_cursor=True)
    states = [raw_state(row) for row in rows]
    for state in states:
        ledger.know(state, Batch.PUBLISHED)
    for state in states:
        admit(ledger, state, now)
    spread(ledger, now)


def _discard(tx: Transaction, batch: int, project_id: int, now: datetime, limit: int) -> int:
    ledger = Ledger(tx)
    states = [raw_state(row) for row in tx.all(_STATES, id=batch, cursor=0, limit=limit)]
    for state in states:
        ledger.know(state, Batch.HIDDEN)
    erase(ledger, states, now, tell_children=False, count=False, keep_events=False)
    if len(states) < limit:
        _end(tx, batch, project_id)
    return len(states) + 1


def _end(tx: Transaction, batch: int, project_id: int) -> None:
    tx.stop_counting(project_id, submission_id=batch)
    tx.run(_UNCOUNT, {"project": project_id, "at": batch})
    tx.run(_END, {"at": batch})
