"""What readers tell of the reasons why a job stands where it stands: what it waits for, and who holds what."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, case, select, text

from whatsnext_core.dependencies import Fate
from whatsnext_core.storage import Holding, Parent, PastRun
from whatsnext_storage_sql.connection.dialects import among_texts
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.jobs import check_exists
from whatsnext_storage_sql.jobs.rows import ATTEMPT_STATUSES, CAUSES, CONDITIONS, STATUSES, allocation_of
from whatsnext_storage_sql.models.types import MICROSECOND
from whatsnext_storage_sql.tables import ATTEMPT, EDGE, JOB, LEASE, RESERVATION, TASK

_UNMET = Query(
    select(
        EDGE.c.parent_id,
        EDGE.c.parent_name,
        EDGE.c.condition,
        TASK.c.id.label("task_id"),
        JOB.c.status,
        JOB.c.client_id,
        JOB.c.started_at,
        JOB.c.not_before,
        JOB.c.cause,
        JOB.c.exit_code,
        JOB.c.message,
    )
    .outerjoin(JOB, JOB.c.id == EDGE.c.parent_id)
    .outerjoin(TASK, and_(TASK.c.id == JOB.c.task_id, ~TASK.c.deleted))
    .where(EDGE.c.child_id == bindparam("id"), EDGE.c.fate != Fate.MET.value)
    .order_by(case((EDGE.c.fate == Fate.IMPOSSIBLE.value, 0), else_=1), EDGE.c.parent_id)
    .limit(bindparam("limit"))
)
_HELD = (
    select(LEASE.c.job_id, LEASE.c.fence)
    .where(among_texts(LEASE.c.client_id, "clients"))
    .order_by(LEASE.c.job_id)
    .limit(bindparam("limit"))
    .subquery("held")
)
_HOLDINGS = Query(
    select(
        ATTEMPT.c.client_id,
        ATTEMPT.c.job_id,
        ATTEMPT.c.status,
        ATTEMPT.c.allocation,
        ATTEMPT.c.claimed_at,
        ATTEMPT.c.started_at,
        JOB.c.name,
        JOB.c.project_id,
        JOB.c.task_id,
    )
    .join(_HELD, and_(ATTEMPT.c.job_id == _HELD.c.job_id, ATTEMPT.c.fence == _HELD.c.fence))
    .join(JOB, JOB.c.id == ATTEMPT.c.job_id)
    .join(TASK, and_(TASK.c.id == JOB.c.task_id, ~TASK.c.deleted))
    .order_by(ATTEMPT.c.job_id)
)
_RESERVATIONS = Query(select(RESERVATION.c.client_id, RESERVATION.c.job_id, RESERVATION.c.made_at))

# The newest ones are found by the index of jobs by status; only then is each looked up, so that no plan reads all jobs.
_DONE = """
    SELECT job_id FROM listing WHERE project_id = :project AND status = 'COMPLETED' ORDER BY job_id DESC LIMIT :limit
"""
_PAST_RUNS_SQLITE = text(
    f"""
    SELECT job.id, job.task_id, job.finished_at - job.started_at AS micros FROM ({_DONE}) AS done
    CROSS JOIN job ON job.id = done.job_id
    CROSS JOIN task ON task.id = job.task_id AND NOT task.deleted
    WHERE job.task_id IN (SELECT value FROM json_each(:tasks)) AND job.started_at IS NOT NULL
    ORDER BY job.id DESC
    """  # noqa: S608  # of the constant above
)
_PAST_RUNS_POSTGRESQL = text(
    f"""
    SELECT found.id, found.task_id, found.micros FROM ({_DONE}) AS done
    CROSS JOIN LATERAL (
        SELECT id, task_id, finished_at - started_at AS micros FROM job WHERE job.id = done.job_id OFFSET 0
    ) AS found
    JOIN task ON task.id = found.task_id AND NOT task.deleted
    WHERE found.task_id = ANY (CAST(:tasks AS bigint[])) AND found.micros IS NOT NULL
    ORDER BY found.id DESC
    """  # noqa: S608  # as above
)


def unmet(tx: Transaction, job_id: int, limit: int) -> Sequence[Parent]:
    """Return the jobs before this one whose edges to it are not met."""
    check_exists(tx, job_id)
    return [_parent(row) for row in tx.all(_UNMET, id=job_id, limit=limit)]


def _parent(row: Row[Any]) -> Parent:
    known = {"id": row.parent_id, "name": row.parent_name, "condition": CONDITIONS[row.condition]}
    if row.task_id is None:
        return Parent(**known)
    return Parent(
        **known,
        status=STATUSES[row.status],
        task_id=row.task_id,
        client_id=row.client_id,
        started_at=row.started_at,
        not_before=row.not_before,
        cause=CAUSES[row.cause],
        exit_code=row.exit_code,
        message=row.message,
    )


def past_runs(tx: Transaction, project_id: int, task_ids: Collection[int], limit: int) -> Sequence[PastRun]:
    """Return how long the newest completed jobs of these tasks ran."""
    statement = _PAST_RUNS_POSTGRESQL if tx.is_postgresql else _PAST_RUNS_SQLITE
    tasks = list(task_ids) if tx.is_postgresql else f"{list(task_ids)}"
    rows = tx.all(statement, project=project_id, tasks=tasks, limit=limit)
    return [
        PastRun(job_id=row.id, task_id=row.task_id, seconds=(row.micros * MICROSECOND).total_seconds()) for row in rows
    ]


def holdings(tx: Transaction, client_ids: Collection[str], limit: int) -> Sequence[Holding]:
    """Return the attempts that these clients hold now, by job id."""
    return [
        Holding(
            client_id=row.client_id,
            job_id=row.job_id,
            name=row.name,
            project_id=row.project_id,
            task_id=row.task_id,
            status=ATTEMPT_STATUSES[row.status],
            allocation=allocation_of(row.allocation),
            claimed_at=row.claimed_at,
            started_at=row.started_at,
        )
        for row in tx.all(_HOLDINGS, clients=sorted(client_ids), limit=limit)
    ]


def reservations(tx: Transaction) -> Mapping[str, tuple[int, datetime]]:
    """Return the job that each client drains for, and since when that counts."""
    return {row.client_id: (row.job_id, row.made_at) for row in tx.all(_RESERVATIONS)}
