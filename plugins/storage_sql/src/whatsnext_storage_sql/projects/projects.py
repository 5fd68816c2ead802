"""Projects: reading, creating and changing them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    bindparam,
    insert,
    literal,
    literal_column,
    select,
    true,
    union_all,
    update,
)

from whatsnext_core.errors import ConflictError, DuplicateError, NotFoundError
from whatsnext_core.model import JobStatus, Project, ProjectChanges, ProjectStatus
from whatsnext_core.storage import Page
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import ALL_TASKS, Transaction
from whatsnext_storage_sql.jobs.rows import STATUSES, project_of
from whatsnext_storage_sql.tables import COUNTER, PROJECT, SUBMISSION, TASK

_ALL = select(PROJECT).where(~PROJECT.c.deleted).order_by(PROJECT.c.id)
_BY_ID = _ALL.where(PROJECT.c.id == bindparam("id"))
_ONE = Query(_BY_ID)
_LOCKED = Query(_BY_ID.with_for_update())
SHARED = Query(_BY_ID.with_for_update(read=True, key_share=True))
"""Selects a project that is neither deleted nor archived before this transaction ends."""
_NAMED = Query(_ALL.where(PROJECT.c.name == bindparam("name")))
_TOTALS = select(COUNTER.c.project_id, COUNTER.c.status, COUNTER.c.number).where(
    COUNTER.c.submission_id == literal_column("0"), COUNTER.c.task_id == literal_column(f"{ALL_TASKS}")
)
_TOTAL = Query(_TOTALS.where(COUNTER.c.project_id == bindparam("id")))
_PENDING = Query(
    _TOTALS.join(PROJECT, PROJECT.c.id == COUNTER.c.project_id).where(
        ~PROJECT.c.deleted, COUNTER.c.status == literal_column(f"'{JobStatus.PENDING.value}'")
    )
)
_APART = Query(
    select(COUNTER.c.project_id, COUNTER.c.submission_id, COUNTER.c.task_id, COUNTER.c.status, COUNTER.c.number).where(
        among(COUNTER.c.project_id, "projects"),
        among(COUNTER.c.submission_id, "batches"),
        among(COUNTER.c.task_id, "tasks"),
    )
)


def _around(projects: ColumnElement[bool], tasks: ColumnElement[bool]) -> Query:
    """Select projects, those of their tasks that are going, and all batches that are not in the queue as a whole."""
    return Query(
        union_all(
            select(literal("project").label("what"), PROJECT.c.id, PROJECT.c.id.label("project_id")).where(projects),
            select(literal("task"), TASK.c.id, TASK.c.project_id).where(TASK.c.deleted, tasks),
            select(SUBMISSION.c.state, SUBMISSION.c.id, SUBMISSION.c.project_id),
        )
    )


# The plus keeps SQLite from going through all tasks of the project.
_AROUND = _around(
    and_(PROJECT.c.id == bindparam("id"), ~PROJECT.c.deleted), literal_column("+task.project_id") == bindparam("id")
)
_AROUND_ALL = _around(PROJECT.c.deleted, true())


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
    around, totals = tx.ask((_AROUND, asked), (_TOTAL, asked))
    _found(next((row for row in around if row.what == "project"), None), project_id)
    found = dict.fromkeys(JobStatus, 0)
    for row in totals:
        found[STATUSES[row.status]] += row.number
    for status, change in _apart(tx, [row for row in around if row.project_id == project_id], project_id):
        found[STATUSES[status]] += change
    return found


def pending(tx: Transaction) -> int:
    """Return how many jobs of all projects are PENDING."""
    around, totals = tx.ask((_AROUND_ALL, {}), (_PENDING, {}))
    gone = {row.id for row in around if row.what == "project"}
    apart = _apart(tx, [row for row in around if row.project_id not in gone], None, gone)
    found: int = sum(row.number for row in totals)
    return found + sum(change for status, change in apart if status == JobStatus.PENDING.value)


def _apart(
    tx: Transaction, around: Sequence[Row[Any]], project_id: int | None, gone: Collection[int] = ()
) -> Iterator[tuple[str, int]]:
    """Yield the statuses and numbers that the totals in the queue lack, or have too many.

    They lack those of batches that are published, and what this transaction has not written yet; those of tasks that
    are going are too many.
    """
    ids: defaultdict[str, set[int]] = defaultdict(set)
    for row in around:
        ids[row.what].add(row.id)
    published, going = ids["published"], ids["task"]
    if published or going:
        asked = {"batches": [0, *published], "tasks": [ALL_TASKS, *going]}
        for row in tx.all(_APART, projects=list({row.project_id for row in around}), **asked):
            if row.task_id != ALL_TASKS or row.submission_id:
                yield row.status, row.number if row.task_id == ALL_TASKS else -row.number
    if tx.holds_back:
        unseen = ids["open"] | ids["discarded"]
        for (project, submission_id, task_id, status), change in tx.uncounted(project_id):
            if project not in gone and submission_id not in unseen and task_id not in going:
                yield status, change


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
