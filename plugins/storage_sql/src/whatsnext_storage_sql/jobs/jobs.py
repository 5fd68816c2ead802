"""Reading jobs: one, lists of them, and what surrounds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import evolve
from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, literal_column, or_, select, tuple_, union_all

from whatsnext_core.errors import NotFoundError
from whatsnext_core.model import Attempt, Job, JobStatus
from whatsnext_core.storage import JobOrder, JobQuery, Page
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import ALL_TASKS, Transaction
from whatsnext_storage_sql.jobs.listing import HELD_STATUSES, jobs_in, range_with
from whatsnext_storage_sql.jobs.rows import ATTEMPT_COLUMNS, JOB_COLUMNS, STATUSES, attempt_of, job_of
from whatsnext_storage_sql.tables import ATTEMPT, COUNTER, EDGE, JOB, LEASE, PROJECT, SUBMISSION, TASK

MANY_RANGES = 64
"""From how many statuses of projects a list is sorted from the whole table rather than merged from the ranges."""

_HIDDEN = (
    select(SUBMISSION.c.id)
    .where(SUBMISSION.c.id == JOB.c.submission_id, SUBMISSION.c.state != "published")
    .correlate(JOB)
    .exists()
)
VISIBLE: ColumnElement[bool] = and_(~TASK.c.deleted, or_(JOB.c.submission_id == 0, ~_HIDDEN))
"""Holds for a job that anybody may see; its task is joined.

The batch is looked for by its id. A search through all batches, few as they are, counts for so much on PostgreSQL,
where writers are told to go by keys, that the plans of all else seem to cost the same, and any of them is taken.
"""

_JOB = select(*JOB_COLUMNS).join(TASK, TASK.c.id == JOB.c.task_id).where(VISIBLE)
_ONE = Query(_JOB.where(JOB.c.id == bindparam("id")))
_MANY = Query(_JOB.where(among(JOB.c.id, "ids")))
_EXISTS = Query(select(JOB.c.id).join(TASK, TASK.c.id == JOB.c.task_id).where(VISIBLE, JOB.c.id == bindparam("id")))
EDGES = Query(select(EDGE).where(among(EDGE.c.child_id, "ids")).order_by(EDGE.c.child_id, EDGE.c.parent_id))
"""Selects the edges of children."""
_STATUSES = Query(
    select(JOB.c.id, JOB.c.status).join(TASK, TASK.c.id == JOB.c.task_id).where(~TASK.c.deleted, among(JOB.c.id, "ids"))
)
_CHILDREN = (
    select(EDGE.c.child_id)
    .join(JOB, JOB.c.id == EDGE.c.child_id)
    .join(TASK, TASK.c.id == JOB.c.task_id)
    .where(EDGE.c.parent_id == bindparam("id"), VISIBLE)
    .order_by(EDGE.c.child_id)
)
_ATTEMPT = select(*ATTEMPT_COLUMNS).outerjoin(
    LEASE, and_(LEASE.c.job_id == ATTEMPT.c.job_id, LEASE.c.fence == ATTEMPT.c.fence)
)
_ATTEMPTS = Query(_ATTEMPT.where(ATTEMPT.c.job_id == bindparam("id")).order_by(ATTEMPT.c.fence))
_LIVE = Query(
    select(*ATTEMPT_COLUMNS)
    .join(LEASE, and_(LEASE.c.job_id == ATTEMPT.c.job_id, LEASE.c.fence == ATTEMPT.c.fence))
    .join(JOB, JOB.c.id == LEASE.c.job_id)
    .join(TASK, TASK.c.id == JOB.c.task_id)
    .where(LEASE.c.client_id == bindparam("client_id"), ~TASK.c.deleted)
    .order_by(LEASE.c.job_id)
)
_ANY_HIDDEN = Query(select(SUBMISSION.c.id).where(SUBMISSION.c.state != "published").limit(1))
_ANY_GOING = Query(select(TASK.c.id).where(TASK.c.deleted).limit(1))
_COUNTED = (
    select(COUNTER.c.project_id, COUNTER.c.status)
    .join(PROJECT, PROJECT.c.id == COUNTER.c.project_id)
    .where(COUNTER.c.task_id == literal_column(f"{ALL_TASKS}"), COUNTER.c.number > 0)
)
_WITH_STATUS = (
    _COUNTED.where(COUNTER.c.submission_id == literal_column("0")),
    _COUNTED.where(
        SUBMISSION.c.project_id == PROJECT.c.id,
        SUBMISSION.c.state == "published",
        COUNTER.c.submission_id == literal_column("+submission.id"),  # few: not to be looked for by the counters
    ),
)


def job(tx: Transaction, job_id: int) -> Job:
    """Return the job of an id."""
    rows, edges = tx.ask((_ONE, {"id": job_id}), (EDGES, {"ids": [job_id]}))
    if not rows:
        raise _unknown(job_id)
    return job_of(rows[0], edges)


def jobs_by_id(tx: Transaction, job_ids: Collection[int]) -> Mapping[int, Job]:
    """Return those of the jobs that anybody may see."""
    return {found.id: found for found in _with_edges(tx, tx.all(_MANY, ids=list(job_ids)))}


def check_exists(tx: Transaction, job_id: int) -> None:
    """Raise NotFoundError unless anybody may see the job."""
    if tx.first(_EXISTS, id=job_id) is None:
        raise _unknown(job_id)


def jobs(tx: Transaction, query: JobQuery) -> Sequence[Job]:
    """Return the jobs that a query describes."""
    page, order = query.page, query.order
    ranges = _ranges(tx, query)
    if ranges is None:
        statement = _JOB.where(*_conditions(query, JOB.c.id, -JOB.c.priority)).order_by(
            *_order(order, JOB.c.id, -JOB.c.priority)
        )
        return _with_edges(tx, tx.all(statement.limit(page.limit).offset(page.skip)))
    if not ranges:
        return []
    plainly = tx.first(_ANY_HIDDEN) is None and tx.first(_ANY_GOING) is None
    heads = (_in_range(query, *one, plainly=plainly).limit(page.skip + page.limit).subquery() for one in ranges)
    merged = union_all(*(select(head) for head in heads)).subquery()
    statement = select(merged.c.id).order_by(*_order(order, merged.c.id, merged.c.neg_priority))
    ids = [row.id for row in tx.all(statement.limit(page.limit).offset(page.skip))]
    found = jobs_by_id(tx, ids)
    return [found[job_id] for job_id in ids]


def _ranges(tx: Transaction, query: JobQuery) -> set[tuple[int | None, frozenset[JobStatus]]] | None:
    """Return where to look for what a query asks for; None if the table of jobs serves it better.

    Held jobs are looked for once, not for each project: each look goes through all leases.
    """
    every = not query.statuses or len(query.statuses) == len(JobStatus)
    by_id = every and query.order is not JobOrder.QUEUE and query.project_id is None
    if by_id or query.task_id is not None:
        return None
    wanted = query.statuses or frozenset(JobStatus)
    asked: list[ColumnElement[bool]] = [COUNTER.c.status.in_(sorted(status.value for status in wanted))]
    if query.project_id is not None:
        asked.append(PROJECT.c.id == query.project_id)
    statement = union_all(*(each.where(*asked) for each in _WITH_STATUS)).limit(MANY_RANGES + 1)
    found = {(row.project_id, STATUSES[row.status]) for row in tx.all(statement)}
    found |= {
        (project_id, STATUSES[status])
        for (project_id, _, _, status), change in tx.uncounted(query.project_id)
        if change > 0 and STATUSES[status] in wanted
    }
    if len(found) > MANY_RANGES:
        return None
    ranges = ((project_id, range_with(status, wanted)) for project_id, status in found)
    return {(query.project_id if together <= HELD_STATUSES else each, together) for each, together in ranges}


def _in_range(query: JobQuery, project_id: int | None, statuses: frozenset[JobStatus], *, plainly: bool) -> Select[Any]:
    """Select what a query asks for of one range; ``plainly`` if all of it may be seen, so that nothing is joined."""
    statement, number, neg_priority = jobs_in(project_id, statuses, query.order)
    if not plainly or query.name is not None or query.task_name is not None:
        if number is not JOB.c.id:
            statement = statement.join(JOB, JOB.c.id == number)
        statement = statement.join(TASK, TASK.c.id == JOB.c.task_id).where(VISIBLE)
    conditions = _conditions(evolve(query, project_id=None, statuses=()), number, neg_priority)
    return statement.where(*conditions).order_by(*_order(query.order, number, neg_priority))


def _order(order: JobOrder, number: ColumnElement[int], neg_priority: ColumnElement[int]) -> list[ColumnElement[int]]:
    match order:
        case JobOrder.OLDEST:
            return [number]
        case JobOrder.NEWEST:
            return [number.desc()]
        case JobOrder.QUEUE:
            return [neg_priority, number]


def _conditions(
    query: JobQuery, number: ColumnElement[int], neg_priority: ColumnElement[int]
) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.project_id is not None:
        found.append(JOB.c.project_id == query.project_id)
    if query.statuses:
        found.append(JOB.c.status.in_(sorted(status.value for status in query.statuses)))
    if query.task_id is not None:
        found.append(JOB.c.task_id == query.task_id)
    if query.task_name is not None:
        found.append(TASK.c.name == query.task_name)
    if query.name is not None:
        found.append(JOB.c.name == query.name)
    if query.after_id is not None:
        found.append(number > query.after_id)
    if query.before_id is not None:
        found.append(number < query.before_id)
    if query.behind is not None:
        priority, job_id = query.behind
        found.append(tuple_(neg_priority, number) > tuple_(-priority, job_id))
    return found


def dependencies(tx: Transaction, job_id: int) -> Mapping[int, tuple[str, JobStatus | None]]:
    """Return name and status of each job before this one."""
    check_exists(tx, job_id)
    edges = tx.all(EDGES, ids=[job_id])
    statuses = {row.id: STATUSES[row.status] for row in tx.all(_STATUSES, ids=[edge.parent_id for edge in edges])}
    return {edge.parent_id: (edge.parent_name, statuses.get(edge.parent_id)) for edge in edges}


def children(tx: Transaction, job_id: int, page: Page) -> Sequence[int]:
    """Return the ids of the jobs that depend directly on this one."""
    check_exists(tx, job_id)
    return [row.child_id for row in tx.all(_CHILDREN.limit(page.limit).offset(page.skip), id=job_id)]


def attempts(tx: Transaction, job_id: int) -> Sequence[Attempt]:
    """Return the attempts of a job, oldest first."""
    check_exists(tx, job_id)
    return [attempt_of(row) for row in tx.all(_ATTEMPTS, id=job_id)]


def live_attempts(tx: Transaction, client_id: str) -> Sequence[Attempt]:
    """Return the attempts that a client holds now."""
    return [attempt_of(row) for row in tx.all(_LIVE, client_id=client_id)]


def _with_edges(tx: Transaction, rows: Sequence[Row[Any]]) -> list[Job]:
    edges = by_child(tx.all(EDGES, ids=[row.id for row in rows])) if rows else {}
    return [job_of(row, edges.get(row.id, ())) for row in rows]


def by_child(edges: Sequence[Row[Any]]) -> Mapping[int, Sequence[Row[Any]]]:
    """Return rows of ``EDGES`` by their children."""
    found: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for edge in edges:
        found[edge.child_id].append(edge)
    return found


def _unknown(job_id: int) -> NotFoundError:
    return NotFoundError(f"Job with id {job_id} not found.")
