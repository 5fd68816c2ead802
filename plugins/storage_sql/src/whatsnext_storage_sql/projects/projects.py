"""Projects: reading, creating and changing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
from sqlalchemy import Row, bindparam, insert, literal, or_, select, union_all, update

from whatsnext_core.errors import ConflictError, DuplicateError, NotFoundError
from whatsnext_core.model import JobStatus, Project, ProjectChanges, ProjectStatus
from whatsnext_core.storage import Page
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.rows import STATUSES, project_of
from whatsnext_storage_sql.tables import COUNTER, PROJECT, SUBMISSION, TASK

_ALL = select(PROJECT).where(~PROJECT.c.deleted).order_by(PROJECT.c.id)
_BY_ID = _ALL.where(PROJECT.c.id == bindparam("id"))
_ONE = Query(_BY_ID)
_LOCKED = Query(_BY_ID.with_for_update())
SHARED = Query(_BY_ID.with_for_update(read=True, key_share=True))
"""Selects a project that is neither deleted nor archived before this transaction ends."""
_NAMED = Query(_ALL.where(PROJECT.c.name == bindparam("name")))
_HIDDEN = select(SUBMISSION.c.id).where(SUBMISSION.c.state != "published")
_COUNTED = Query(
    select(COUNTER.c.submission_id, COUNTER.c.task_id, COUNTER.c.status, COUNTER.c.number)
    .where(COUNTER.c.project_id == bindparam("id"))
    .where(or_(COUNTER.c.submission_id == 0, COUNTER.c.submission_id.not_in(_HIDDEN.scalar_subquery())))
)
_AROUND = Query(
    union_all(
        select(literal("project").label("what"), PROJECT.c.id).where(
            PROJECT.c.id == bindparam("id"), ~PROJECT.c.deleted
        ),
        select(literal("task"), TASK.c.id).where(TASK.c.project_id == bindparam("id"), TASK.c.deleted),
        select(literal("batch"), SUBMISSION.c.id).where(SUBMISSION.c.state != "published"),
    )
)
"""Selects the project, its tasks that are going, and the batches that nobody may see."""


def project(tx: Transaction, project_id: int) -> Project:
    """Return the project of an id."""
    return project_of(_found(tx.first(_ONE, id=project_id), project_id))


def project_named(tx: Transaction, name: str) -> Project:
    """Return the project of a name."""
    row = tx.first(_NAMED, name=name)
    if row is None:
        raise NotFoundError(f"Project {name!r} not found.")
    return project_of(row)


def projects(tx: Transaction, page: Page, status: ProjectStatus | None) -> Sequence[Project]:
    """Return projects by id."""
    statement = _ALL if status is None else _ALL.where(PROJECT.c.status == status.value)
    return [project_of(row) for row in tx.all(statement.limit(page.limit).offset(page.skip))]


def counts(tx: Transaction, project_id: int) -> Mapping[JobStatus, int]:
    """Return the numbers of a project's jobs by status."""
    asked = {"id": project_id}
    around, counters = tx.ask((_AROUND, asked), (_COUNTED, asked))
    _found(next((row for row in around if row.what == "project"), None), project_id)
    going = {row.id for row in around if row.what == "task"}
    found = dict.fromkeys(JobStatus, 0)
    for row in counters:
        if row.task_id not in going:
            found[STATUSES[row.status]] += row.number
    if tx.holds_back:
        hidden = {row.id for row in around if row.what == "batch"}
        for (_, submission_id, task_id, status), change in tx.uncounted(project_id):
            if submission_id not in hidden and task_id not in going:
                found[STATUSES[status]] += change
    return found


def create_project(tx: Transaction, name: str, description: str, now: datetime) -> Project:
    """Create a project."""
    values = {
        "name": name,
        "description": description,
        "status": ProjectStatus.ACTIVE.value,
        "created_at": now,
        "updated_at": now,
        "deleted": False,
    }
    if tx.first(_NAMED, name=name) is not None:
        raise _duplicate(name)
    with tx.unique(_duplicate(name)):
        row = tx.run(insert(PROJECT).returning(PROJECT), values).one()
    return project_of(row)


def update_project(tx: Transaction, project_id: int, changes: ProjectChanges, now: datetime) -> Project:
    """Change a project."""
    old = project_of(_found(tx.first(_LOCKED, id=project_id), project_id))
    new = {key: value for key, value in attrs.asdict(changes).items() if value is not None}
    project = attrs.evolve(old, **new, updated_at=now)
    if project.name != old.name and tx.first(_NAMED, name=project.name) is not None:
        raise _duplicate(project.name)
    values = {key: getattr(value, "value", value) for key, value in new.items()}
    with tx.unique(_duplicate(project.name)):
        tx.run(update(PROJECT).where(PROJECT.c.id == project_id).values(**values, updated_at=now))
    if project.status is not old.status:
        tx.recall.forget()  # whether its lines are open
    return project


def lock_project(tx: Transaction, project_id: int) -> Project:
    """Return the project; it is neither deleted nor archived before this transaction ends."""
    return project_of(_found(tx.first(SHARED, id=project_id), project_id))


def lock_active_project(tx: Transaction, project_id: int) -> Project:
    """Return the project as ``lock_project`` does; ConflictError if it is archived."""
    return active_project(tx.all(SHARED, id=project_id), project_id)


def active_project(rows: Sequence[Row[Any]], project_id: int) -> Project:
    """Return the project that ``SHARED`` found; NotFoundError if there is none, ConflictError if it is archived."""
    found = project_of(_found(next(iter(rows), None), project_id))
    if found.status is ProjectStatus.ARCHIVED:
        raise ConflictError(
            f"Project {found.name!r} is archived and takes no jobs; set its status to ACTIVE to use it again."
        )
    return found


def delete_project(tx: Transaction, project_id: int) -> None:
    """Make a project and all that it holds unseen; ``clearing`` removes the rows."""
    _found(tx.first(_LOCKED, id=project_id), project_id)
    tx.run(update(PROJECT).where(PROJECT.c.id == project_id).values(deleted=True))
    tx.recall.forget()
    tx.run(update(TASK).where(TASK.c.project_id == project_id).values(deleted=True))


def _found(row: Row[Any] | None, project_id: int) -> Row[Any]:
    if row is None:
        raise NotFoundError(f"Project with id {project_id} not found.")
    return row


def _duplicate(name: str) -> DuplicateError:
    return DuplicateError(f"There is already a project named {name!r}; choose another name, or use that one.")
