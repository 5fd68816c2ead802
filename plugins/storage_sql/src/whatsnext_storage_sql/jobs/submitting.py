"""New jobs, at once or as a batch that stays invisible until it is published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import Row, bindparam, insert, literal_column, or_, select, text, update

from whatsnext_core.dependencies import Counts, Fate, fate, weigh
from whatsnext_core.errors import InvalidError, NotFoundError
from whatsnext_core.model import EventKind, JobSpec, JobStatus, Project
from whatsnext_core.model.limits import shorten
from whatsnext_core.references import check_references, refers
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.direct import Query, Question
from whatsnext_storage_sql.connection.transaction import Batch, Transaction, batch_of
from whatsnext_storage_sql.jobs.graph import spread
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.listing import LISTED, OPEN
from whatsnext_storage_sql.jobs.rows import STATUSES, event_text
from whatsnext_storage_sql.models.types import to_micros, write_json
from whatsnext_storage_sql.projects.projects import SHARED, active_project, lock_active_project
from whatsnext_storage_sql.projects.tasks import KEPT
from whatsnext_storage_sql.queue.lines import enter, enter_by, entering
from whatsnext_storage_sql.tables import EDGE, JOB, LISTING, PROJECT, SUBMISSION, TASK

_NEXT_IDS = Query(
    text(
        "INSERT INTO sequence_value (name, last) VALUES ('job', :count) "
        "ON CONFLICT (name) DO UPDATE SET last = last + excluded.last RETURNING last"
    )
)
_NEXT_IDS_POSTGRESQL = Query(text("SELECT nextval('job_id') FROM generate_series(1, :count)"))
_TAKEN = Query(select(JOB.c.id).where(among(JOB.c.id, "ids")).order_by(JOB.c.id).limit(1))
_PARENTS = Query(
    select(JOB.c.id, JOB.c.project_id, JOB.c.submission_id, JOB.c.status, JOB.c.name)
    .join(TASK, TASK.c.id == JOB.c.task_id)
    .where(among(JOB.c.id, "ids"), ~TASK.c.deleted)
    .order_by(JOB.c.id)
    .with_for_update(of=JOB, read=True)
)
_PARENT = JOB.alias("parent")
_OPEN = Query(
    select(SUBMISSION)
    .join(PROJECT, PROJECT.c.id == SUBMISSION.c.project_id)
    .where(SUBMISSION.c.id == bindparam("id"), SUBMISSION.c.state == "open", ~PROJECT.c.deleted)
    .with_for_update(of=SUBMISSION)
)
_SET_STATE = update(SUBMISSION).where(SUBMISSION.c.id == bindparam("at")).values(state=bindparam("new_state"))
_ORPHAN = Query(
    select(JOB.c.name, EDGE.c.parent_id, EDGE.c.parent_name)
    .join(EDGE, EDGE.c.child_id == JOB.c.id)
    .outerjoin(_PARENT, _PARENT.c.id == EDGE.c.parent_id)
    .outerjoin(TASK, TASK.c.id == _PARENT.c.task_id)
    .where(JOB.c.submission_id == bindparam("id"), JOB.c.submission_id > literal_column("0"))
    .where(or_(_PARENT.c.id.is_(None), TASK.c.deleted))
    .order_by(JOB.c.id, EDGE.c.parent_id)
    .limit(1)
)
_TASK_IS_GOING = Query(select(TASK.c.id).where(TASK.c.project_id == bindparam("project_id"), TASK.c.deleted).limit(1))

_JOB_COLUMNS = (
    "id",
    "project_id",
    "task_id",
    "submission_id",
    "class_id",
    "status",
    "priority",
    "unmet",
    "impossible",
    "created_at",
    "updated_at",
    "timeout",
    "name",
    "parameters",
)
EDGE_COLUMNS = ("child_id", "parent_id", "condition", "parent_name", "fate")
_LISTING_COLUMNS = ("project_id", "status", "job_id", "neg_priority")

MANY = 20
"""Rows from which the database copies quicker from one table to others than it takes them in once more."""
_OF_SPAN = "FROM job WHERE id >= :first AND id <= :last"
_LIST = Query(
    text(
        "INSERT INTO listing (project_id, status, job_id, neg_priority) "
        f"SELECT project_id, CASE status WHEN 'PENDING' THEN '{OPEN}' ELSE status END, id, -priority {_OF_SPAN} "
        "ORDER BY id"
    )
)
_ENTER = entering(_OF_SPAN)
_TASK_AND_STATUS = itemgetter(2, 5)
_SHOWN = {status: status.value for status in JobStatus}
_LISTED = {status.value: listed for status, listed in LISTED.items()}
_NO_EDGES = Counts()

Parent: TypeAlias = tuple[JobStatus, str]
"""Status and name of a job that others depend on."""


def reserve_job_ids(tx: Transaction, count: int) -> Sequence[int]:
    """Return new ids, ascending."""
    if count < 1:
        return range(0)
    return _ids_in(tx, tx.all(_next_ids(tx), count=count), count)


def _next_ids(tx: Transaction) -> Query:
    return _NEXT_IDS_POSTGRESQL if tx.is_postgresql else _NEXT_IDS


def _ids_in(tx: Transaction, rows: Sequence[Row[Any]], count: int) -> Sequence[int]:
    """Return the new ids in what ``_next_ids`` found."""
    if tx.is_postgresql:
        return [int(row[0]) for row in rows]
    last = int(rows[0][0]) if rows else 0
    return range(last - count + 1, last + 1)


def submit(
    tx: Transaction, project_id: int, specs: Sequence[JobSpec], now: datetime, submission: int | None
) -> Sequence[int]:
    """Write new jobs and return their ids in the order given."""
    given = {spec.id: spec for spec in specs if spec.id is not None}
    tasks = sorted({spec.task_id for spec in specs})
    count = sum(spec.id is None for spec in specs)
    numbering: list[Question] = [(_next_ids(tx), {"count": count})] if count else []
    projects, known, *numbers = tx.ask((SHARED, {"id": project_id}), (KEPT, {"ids": tasks}), *numbering)
    project = active_project(projects, project_id)
    if submission is not None and _open_submission(tx, submission).project_id != project_id:
        raise InvalidError(f"Submission {submission} is not one of project {project_id}.")
    _check_ids(tx, specs, given)
    classes = check_tasks(known, project, ((spec.task_id, spec.name) for spec in specs))
    edges = ((parent, spec.name) for spec in specs for parent in spec.depends if parent not in given)
    parents = check_parents(tx, project_id, edges, submission or 0)
    names = {number: spec.name for number, spec in given.items()}
    for spec in specs:
        if refers(spec.parameters):
            named = {parent: names.get(parent) or parents[parent][1] for parent in spec.depends}
            check_references(spec.parameters, named, f"job {shorten(spec.name)}")
    fresh = iter(_ids_in(tx, numbers[0], count) if numbers else ())
    ids = [next(fresh) if spec.id is None else spec.id for spec in specs]
    blocked = _write(tx, project_id, list(zip(ids, specs, strict=True)), classes, parents, names, now, submission or 0)
    if blocked:
        ledger = Ledger(tx)
        ledger.load(blocked)
        ledger.ripples.update(dict.fromkeys(blocked))
        spread(ledger, now)
    return ids


def _write(
    tx: Transaction,
    project_id: int,
    specs: Sequence[tuple[int, JobSpec]],
    classes: Mapping[int, int],
    parents: Mapping[int, Parent],
    names: Mapping[int, str],
    now: datetime,
    submission: int,
) -> list[int]:
    """Write the rows of new jobs, whose parents of the same call count as PENDING; return the BLOCKED ones."""
    moment = to_micros(now)
    rows, edges = [], []
    statuses: dict[JobStatus, list[int]] = {}
    for number, spec in specs:
        status, unmet, impossible = JobStatus.PENDING, 0, 0
        if spec.depends:
            counts = _NO_EDGES
            for parent, condition in spec.depends.items():
                parent_status, name = parents[parent] if parent not in names else (JobStatus.PENDING, names[parent])
                found = fate(condition, parent_status)
                counts += weigh(Fate.MET, found)
                edges.append((number, parent, condition.value, name, found.value))
            unmet, impossible = counts.unmet, counts.impossible
            if not submission:
                status = counts.status
        statuses.setdefault(status, []).append(number)
        rows.append(
            (
                number,
                project_id,
                spec.task_id,
                submission,
                classes[spec.task_id],
                _SHOWN[status],
                spec.priority,
                unmet,
                impossible,
                moment,
                moment,
                spec.timeout,
                spec.name,
                write_json(spec.parameters),
            )
        )
    for (task_id, shown), jobs in Counter(map(_TASK_AND_STATUS, rows)).items():
        tx.count((project_id, submission, task_id, shown), jobs)
    tx.insert(JOB, _JOB_COLUMNS, rows)
    tx.insert(EDGE, EDGE_COLUMNS, edges)
    span = _span(rows)
    if span is not None:
        tx.note(_LIST, **span)
    else:
        tx.insert(LISTING, _LISTING_COLUMNS, [(project_id, _LISTED[row[5]], row[0], -row[6]) for row in rows])
    if submission:
        return []
    ready = ((project_id, row[4], -row[6], row[0]) for row in rows if not row[7])
    if span is not None:
        enter_by(tx, _ENTER, {**span, "since": moment}, ready)
    else:
        enter(tx, list(ready), moment)
    for status, same in statuses.items():
        tx.tell_of_all(project_id, same, EventKind.SUBMITTED, now, event_text(None, status))
    return statuses.get(JobStatus.BLOCKED, [])


def _span(rows: Sequence[tuple[Any, ...]]) -> Mapping[str, int] | None:
    """Return the first and the last id of new jobs, if they are many and have all ids between these two."""
    first, last = min(rows, default=(0,))[0], max(rows, default=(0,))[0]
    return {"first": first, "last": last} if len(rows) == last - first + 1 >= MANY else None


def _check_ids(tx: Transaction, specs: Sequence[JobSpec], given: Mapping[int, JobSpec]) -> None:
    if len(given) < sum(spec.id is not None for spec in specs):
        raise InvalidError("Two jobs of the batch have the same id; reserve an id for each.")
    taken = tx.scalar(_TAKEN, ids=list(given)) if given else None
    if taken is not None:
        name = shorten(given[taken].name)
        raise InvalidError(f"Job {name} has the id {taken}, which another job has already; reserve a new one.")


def check_tasks(known: Iterable[Row[Any]], project: Project, specs: Iterable[tuple[int, str]]) -> Mapping[int, int]:
    """Return the class of each task, from the rows of those that are known. The names are those of jobs.

    InvalidError unless all are tasks of the project.
    """
    rows = {row.id: row for row in known}
    wanted: dict[int, str] = {}
    for task_id, name in specs:
        wanted.setdefault(task_id, name)
    for task_id, name in wanted.items():
        if task_id not in rows or rows[task_id].project_id != project.id:
            raise InvalidError(
                f"Job {shorten(name)} names the task {task_id}, which project {shorten(project.name)} does not have."
            )
    return {task_id: row.class_id for task_id, row in rows.items()}


def check_parents(
    tx: Transaction, project_id: int, edges: Iterable[tuple[int, str]], submission: int = 0
) -> Mapping[int, Parent]:
    """Return status and name of each parent; InvalidError unless all are of the project, and visible or of the batch.

    They keep their statuses until this transaction ends. The names in ``edges`` are those of the children.
    """
    wanted: dict[int, str] = {}
    for parent, name in edges:
        wanted.setdefault(parent, name)
    if not wanted:
        return {}
    rows = tx.all(_PARENTS, ids=sorted(wanted))
    batches = tx.batches({row.submission_id for row in rows if row.submission_id})
    found = {
        row.id: row
        for row in rows
        if batch_of(row.id, batches.get(row.submission_id)) is not Batch.HIDDEN
        or (submission and row.submission_id == submission)
    }
    for parent, name in wanted.items():
        what = f"Job {shorten(name)} depends on job {parent}"
        if parent not in found:
            raise InvalidError(f"{what}, which does not exist; remove that dependency.")
        if found[parent].project_id != project_id:
            raise InvalidError(f"{what}, which is one of another project; remove that dependency.")
    return {parent: (STATUSES[row.status], row.name) for parent, row in found.items()}


def open_submission(tx: Transaction, project_id: int, now: datetime) -> int:
    """Begin a batch and return its number."""
    lock_active_project(tx, project_id)
    values = {"project_id": project_id, "state": "open", "created_at": now, "cursor": 0, "orphaned": False}
    return int(tx.run(insert(SUBMISSION).returning(SUBMISSION.c.id), values).scalar_one())


def publish_submission(tx: Transaction, number: int) -> None:
    """Make all jobs of a batch visible."""
    batch = _open_submission(tx, number)
    lock_active_project(tx, batch.project_id)
    suspect = batch.orphaned or tx.first(_TASK_IS_GOING, project_id=batch.project_id) is not None
    orphan = tx.first(_ORPHAN, id=number) if suspect else None
    if orphan is not None:
        raise InvalidError(
            f"Job {shorten(orphan.name)} depends on job {orphan.parent_id} ({shorten(orphan.parent_name)}), which was "
            f"deleted meanwhile; submit the batch again without that dependency."
        )
    tx.run(_SET_STATE, {"at": number, "new_state": "published"})


def discard_submission(tx: Transaction, number: int) -> None:
    """Give a batch up."""
    _open_submission(tx, number)
    tx.run(_SET_STATE, {"at": number, "new_state": "discarded"})


def _open_submission(tx: Transaction, number: int) -> Row[Any]:
    row = tx.first(_OPEN, id=number)
    if row is None:
        raise NotFoundError(f"Submission {number} not found, or not open any more.")
    return row
