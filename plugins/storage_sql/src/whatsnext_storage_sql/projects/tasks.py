"""Tasks and the requirement classes that they are interned to."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, text, update

from whatsnext_core.converters import to_json
from whatsnext_core.errors import ConflictError, DuplicateError, NotFoundError
from whatsnext_core.model import JobStatus, Requirement, Task, TaskSpec
from whatsnext_core.states import needed
from whatsnext_core.storage import Page
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.errors import UniquenessError
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.rows import task_of, task_values
from whatsnext_storage_sql.projects.projects import lock_project
from whatsnext_storage_sql.tables import COUNTER, REQUIREMENT_CLASS, TASK

_ALL = select(TASK).where(~TASK.c.deleted).order_by(TASK.c.id)
_BY_ID = _ALL.where(TASK.c.id == bindparam("id"))
_ONE = Query(_BY_ID)
_LOCKED = Query(_BY_ID.with_for_update())
_SOME = _ALL.where(among(TASK.c.id, "ids"))
_MANY = Query(_SOME)
KEPT = Query(_SOME.with_for_update(read=True, key_share=True))
"""Selects tasks, none of which is deleted before this transaction ends."""
_NAMED = Query(_ALL.where(TASK.c.project_id == bindparam("project_id"), TASK.c.name == bindparam("name")))
_CLASS = Query(select(REQUIREMENT_CLASS.c.id).where(REQUIREMENT_CLASS.c.key == bindparam("key")))
_RECLASS = text(
    "INSERT INTO reclassing (task_id, cursor) VALUES (:task, 0) ON CONFLICT (task_id) DO UPDATE SET cursor = 0"
)
_UNENDED = select(func.sum(COUNTER.c.number)).where(
    COUNTER.c.project_id == bindparam("project_id"),
    COUNTER.c.task_id == bindparam("task_id"),
    COUNTER.c.status.in_([status.value for status in JobStatus if not status.is_final]),
)


def task(tx: Transaction, task_id: int) -> Task:
    """Return the task of an id."""
    return task_of(_found(tx.first(_ONE, id=task_id), task_id))


def task_named(tx: Transaction, project_id: int, name: str) -> Task:
    """Return the task of a name in a project."""
    row = tx.first(_NAMED, project_id=project_id, name=name)
    if row is None:
        raise NotFoundError(f"Task {name!r} not found in project {project_id}.")
    return task_of(row)


def tasks(tx: Transaction, page: Page, project_id: int | None) -> Sequence[Task]:
    """Return tasks by id."""
    statement = _ALL if project_id is None else _ALL.where(TASK.c.project_id == project_id)
    return [task_of(row) for row in tx.all(statement.limit(page.limit).offset(page.skip))]


def lock_tasks(tx: Transaction, task_ids: Collection[int]) -> Mapping[int, Row[Any]]:
    """Return the rows of those tasks that exist; none of them is deleted before this transaction ends."""
    rows = tx.all(KEPT, ids=sorted(task_ids))
    return {row.id: row for row in rows}


def tasks_by_id(tx: Transaction, task_ids: Collection[int]) -> Mapping[int, Task]:
    """Return those of the tasks that exist."""
    return {row.id: task_of(row) for row in tx.all(_MANY, ids=sorted(task_ids))}


def create_task(tx: Transaction, project_id: int, spec: TaskSpec, now: datetime) -> Task:
    """Create a task."""
    lock_project(tx, project_id)
    if tx.first(_NAMED, project_id=project_id, name=spec.name) is not None:
        raise _duplicate(spec.name)
    values = task_values(spec) | {
        "project_id": project_id,
        "class_id": class_of(tx, spec.requirement),
        "created_at": now,
        "updated_at": now,
        "deleted": False,
    }
    with tx.unique(_duplicate(spec.name)):
        return task_of(tx.run(insert(TASK).returning(TASK), values).one())


def class_of(tx: Transaction, requirement: Requirement) -> int:
    """Return the number of the class of a requirement, a new one if nobody needed the same before."""
    key = requirement.key
    found = tx.scalar(_CLASS, key=key)
    if found is None:
        values = {"key": key, "requirement": json.dumps(to_json(requirement))}
        try:
            with tx.savepoint():
                found = tx.run(insert(REQUIREMENT_CLASS).returning(REQUIREMENT_CLASS.c.id), values).scalar_one()
        except UniquenessError:
            found = tx.scalar(_CLASS, key=key)
    return int(found)


def class_after(tx: Transaction, needs: Task, ooms: int) -> int:
    """Return the class of a job of this task after so many attempts ran out of memory."""
    return class_of(tx, needed(needs.requirement, needs.retry, ooms))


def update_task(tx: Transaction, task_id: int, spec: TaskSpec, now: datetime) -> Task:
    """Replace what a person said of a task, and note that its ready jobs may stand in the wrong line then."""
    old = task_of(_found(tx.first(_LOCKED, id=task_id), task_id))
    if spec.name != old.name and tx.first(_NAMED, project_id=old.project_id, name=spec.name) is not None:
        raise _duplicate(spec.name)
    class_id = class_of(tx, spec.requirement)
    values = task_values(spec) | {"class_id": class_id, "updated_at": now}
    with tx.unique(_duplicate(spec.name)):
        tx.run(update(TASK).where(TASK.c.id == task_id).values(values))
    new = task(tx, task_id)
    if new.requirement != old.requirement or new.retry.memory_factor != old.retry.memory_factor:
        tx.run(_RECLASS, {"task": task_id})
    return new


def delete_task(tx: Transaction, task_id: int) -> None:
    """Make a task and its ended jobs unseen; ``clearing`` removes the rows."""
    row = _found(tx.first(_LOCKED, id=task_id), task_id)
    number = int(tx.scalar(_UNENDED, project_id=row.project_id, task_id=task_id) or 0)
    number += sum(
        change
        for (_, _, counted, status), change in tx.uncounted(row.project_id)
        if counted == task_id and not JobStatus(status).is_final
    )
    if number:
        raise ConflictError(
            f"Task {row.name!r} has {number} job{'s' * (number > 1)} that {'have' if number > 1 else 'has'} not ended; "
            f"wait for them, cancel or delete them first."
        )
    tx.run(update(TASK).where(TASK.c.id == task_id).values(deleted=True))


def _found(row: Row[Any] | None, task_id: int) -> Row[Any]:
    if row is None:
        raise NotFoundError(f"Task with id {task_id} not found.")
    return row


def _duplicate(name: str) -> DuplicateError:
    return DuplicateError(
        f"There is already a task named {name!r} in this project; choose another name, or use that one."
    )
