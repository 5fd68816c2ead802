"""What people delete: jobs, the queue of a project, clients."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, select

from whatsnext_core.model import EventKind
from whatsnext_core.states import CLIENT_DELETED
from whatsnext_storage_sql.attempts.attempts import Holds
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.graph import admit, lock_graph, spread
from whatsnext_storage_sql.jobs.jobs import VISIBLE
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.listing import PENDING
from whatsnext_storage_sql.jobs.rows import event_text
from whatsnext_storage_sql.projects.clients import lock_client
from whatsnext_storage_sql.projects.projects import project
from whatsnext_storage_sql.tables import CLIENT, JOB, LEASE, LISTING, RESERVATION, TASK
from whatsnext_storage_sql.upkeep.erasing import erase

_PENDING = Query(
    select(LISTING.c.job_id)
    .join(JOB, JOB.c.id == LISTING.c.job_id)
    .join(TASK, TASK.c.id == JOB.c.task_id)
    .where(LISTING.c.project_id == bindparam("project_id"), PENDING, VISIBLE)
    .order_by(LISTING.c.job_id.desc())
    .limit(bindparam("limit"))
)
_HELD_BY = Query(select(LEASE.c.job_id).where(LEASE.c.client_id == bindparam("client_id")).order_by(LEASE.c.job_id))
_FORGET = (
    delete(RESERVATION).where(RESERVATION.c.client_id == bindparam("client_id")),
    delete(CLIENT).where(CLIENT.c.id == bindparam("client_id")),
)


def delete_jobs(tx: Transaction, job_ids: Sequence[int], now: datetime) -> int:
    """Delete jobs and return how many there were."""
    wanted = list(dict.fromkeys(job_ids))
    lock_graph(tx, wanted)
    ledger = Ledger(tx)
    ledger.load(wanted)
    states = [admit(ledger, state, now) for job_id in wanted if (state := ledger.seen(job_id)) is not None]
    for state in states:
        ledger.tell(state, EventKind.DELETED, now, event_text(state.status))
    erase(ledger, states, now)
    spread(ledger, now)
    return len(states)


def clear_queue(tx: Transaction, project_id: int, now: datetime, limit: int) -> int:
    """Delete up to ``limit`` PENDING jobs of a project, newest first, and return how many."""
    project(tx, project_id)
    return delete_jobs(tx, [row.job_id for row in tx.all(_PENDING, project_id=project_id, limit=limit)], now)


def delete_client(tx: Transaction, client_id: str, now: datetime) -> None:
    """Delete a client; the attempts that it holds are lost."""
    lock_client(tx, client_id)
    held = [row.job_id for row in tx.all(_HELD_BY, client_id=client_id)]
    holds = Holds(Ledger(tx))
    holds.load(held)
    for job_id in held:
        state, attempt = holds.ledger.seen(job_id), holds.find(job_id)
        if state is not None and attempt is not None and attempt.client_id == client_id:
            holds.lose(state, attempt, CLIENT_DELETED, now)
    holds.flush()
    spread(holds.ledger, now)
    for statement in _FORGET:
        tx.run(statement, {"client_id": client_id})
