"""Claims: which of the ready jobs a client gets, and how it gets them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from attrs import evolve
from sqlalchemy import Row, bindparam, delete, select

from whatsnext_core.errors import InvalidError
from whatsnext_core.model import Allocation, Assignment
from whatsnext_core.references import lacking, refers, results_needed, with_results
from whatsnext_core.scheduling import CLAIM_ROUNDS, RESERVATION_HOLDS, Offer, Pick, Plan, plan_claim
from whatsnext_core.storage import ClaimRequest
from whatsnext_storage_sql.attempts.attempts import Holds
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.graph import spread
from whatsnext_storage_sql.jobs.jobs import EDGES, by_child, jobs_by_id
from whatsnext_storage_sql.jobs.jobstate import COLUMNS, UNLOCKED_STATES
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.rows import JOB_COLUMNS, JOB_FIELDS, allocation_of, jobs_with, task_of
from whatsnext_storage_sql.models.types import to_micros
from whatsnext_storage_sql.projects.clients import unknown
from whatsnext_storage_sql.projects.tasks import tasks_by_id
from whatsnext_storage_sql.queue.lines import Choice
from whatsnext_storage_sql.tables import ATTEMPT, CLIENT, JOB, LEASE, RESERVATION, TASK

_ASKING = Query(select(CLIENT.c.is_active, CLIENT.c.draining).where(CLIENT.c.id == bindparam("client")))
_RESERVED = Query(
    select(
        RESERVATION.c.client_id, RESERVATION.c.job_id, RESERVATION.c.made_at, CLIENT.c.is_active, CLIENT.c.draining
    ).join(CLIENT, CLIENT.c.id == RESERVATION.c.client_id)
)
_UNRESERVE = delete(RESERVATION).where(RESERVATION.c.client_id == bindparam("client"))
_CLAIMED = Query(
    select(ATTEMPT.c.job_id, ATTEMPT.c.fence, ATTEMPT.c.allocation, LEASE.c.fence.label("held"))
    .outerjoin(LEASE, (LEASE.c.job_id == ATTEMPT.c.job_id) & (LEASE.c.fence == ATTEMPT.c.fence))
    .where(ATTEMPT.c.session_id == bindparam("session"), ATTEMPT.c.request == bindparam("number"))
    .where(ATTEMPT.c.request.is_not(None))
)
_RESULTS = Query(
    select(JOB.c.id, JOB.c.result).join(TASK, TASK.c.id == JOB.c.task_id).where(among(JOB.c.id, "ids"), ~TASK.c.deleted)
)
_BESIDE = [name for name in JOB_FIELDS if name not in COLUMNS]
_SHARED = [name for name in JOB_FIELDS if name in COLUMNS]
_WHOLE = Query(UNLOCKED_STATES.add_columns(*(JOB_COLUMNS[JOB_FIELDS.index(name)] for name in _BESIDE)), by_column=True)
_TASKS_OF = Query(select(TASK).where(TASK.c.id.in_(select(JOB.c.task_id).where(among(JOB.c.id, "ids")))))


def claim(tx: Transaction, request: ClaimRequest, now: datetime) -> Sequence[Assignment]:
    """Give ready jobs to a client, best first."""
    own, elsewhere = False, set[int]()
    if request.client_id is not None or request.request is not None:
        client, earlier, reserved = tx.ask(
            (_ASKING, {"client": request.client_id}),
            (_CLAIMED, {"session": request.session_id, "number": request.request}),
            (_RESERVED, {}),
        )
        if request.client_id is not None:
            if not client:
                raise unknown(request.client_id)
            if client[0].draining or not client[0].is_active:
                return []
            own, elsewhere = _reservations(reserved, request.client_id, now)
        if earlier:
            held = {row.job_id: (row.fence, allocation_of(row.allocation)) for row in earlier if row.held}
            return _with_results(tx, _assignments(tx, held), now)
    given: list[Assignment] = []
    offer, reserve = request.offer, None
    for _ in range(CLAIM_ROUNDS):
        choice = Choice(tx, offer, request.project_ids)
        plan = _plan(choice, offer, request, now, elsewhere)
        if choice.look_again(len(plan.picks)):
            plan = _plan(choice, offer, request, now, elsewhere)
        reserve = plan.reserve
        taken = _give(tx, plan.picks, request, now)
        choice.taken({assignment.job.id for assignment in taken})
        good = _with_results(tx, taken, now)
        given += good
        if len(good) == len(taken):
            break
        offer = offer.without([assignment.allocation for assignment in good])
    if request.client_id is not None:
        _reserve(tx, request.client_id, reserve, now, known=own)
    return given


def _plan(choice: Choice, offer: Offer, request: ClaimRequest, now: datetime, elsewhere: set[int]) -> Plan:
    return plan_claim(
        choice.lines,
        offer,
        now=now,
        reserve_after=request.reserve_after,
        reserved_elsewhere=elsewhere,
        read=choice.read,
    )


def _reservations(rows: Sequence[Row[Any]], client_id: str, now: datetime) -> tuple[bool, set[int]]:
    """Return whether the client has a reservation, and the jobs that others drain for."""
    elsewhere = {
        row.job_id
        for row in rows
        if row.client_id != client_id and row.is_active and not row.draining and now - row.made_at <= RESERVATION_HOLDS
    }
    return any(row.client_id == client_id for row in rows), elsewhere


def _reserve(tx: Transaction, client_id: str, job_id: int | None, now: datetime, *, known: bool) -> None:
    if known:
        tx.run(_UNRESERVE, {"client": client_id})
    if job_id is not None:
        tx.insert(RESERVATION, ("client_id", "job_id", "made_at"), [(client_id, job_id, to_micros(now))])


def _give(tx: Transaction, picks: Sequence[Pick], request: ClaimRequest, now: datetime) -> Sequence[Assignment]:
    if not picks:
        return []
    holds, ids = Holds(Ledger(tx)), {"ids": [pick.job_id for pick in picks]}
    found, edges, tasks = holds.ledger.load(ids["ids"], _WHOLE, after=[(EDGES, ids), (_TASKS_OF, ids)])
    seen = [(holds.ledger.seen(pick.job_id), pick.allocation) for pick in picks]
    ready = [(state, allocation) for state, allocation in seen if state is not None and state.is_ready]
    if not ready:
        return []
    allocations = [allocation for _, allocation in ready]
    states = holds.begin_all([state for state, _ in ready], allocations, now, request)
    columns = dict(zip(COLUMNS, zip(*states, strict=True), strict=True))
    columns = {name: columns[name] for name in _SHARED}
    columns |= zip(_BESIDE, _in_order(columns["id"], found[0], found[-len(_BESIDE) :]), strict=True)
    task_by_id = {row.id: task_of(row) for row in tasks}
    given = [
        Assignment(job=job, task=task_by_id[job.task_id], fence=job.attempt, allocation=allocation)
        for job, allocation in zip(jobs_with(columns, by_child(edges)), allocations, strict=True)
    ]
    holds.flush()
    spread(holds.ledger, now)
    return given


def _in_order(ids: Sequence[int], found: Sequence[int], columns: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return columns of jobs in the order of these ids, given in the order in which the jobs were found."""
    if ids == found:
        return list(columns)
    place = {job_id: row for row, job_id in enumerate(found)}
    places = [place[job_id] for job_id in ids]
    return [tuple(map(column.__getitem__, places)) for column in columns]


def _with_results(tx: Transaction, taken: Sequence[Assignment], now: datetime) -> Sequence[Assignment]:
    """Return assignments with results of other jobs in their parameters; a job that lacks one fails."""
    asking = {each.job.id for each in taken if each.job.depends and refers(each.job.parameters)}
    if not asking:
        return taken
    needed = {parent for each in taken if each.job.id in asking for parent in results_needed(each.job)}
    results = {row.id: row.result for row in tx.all(_RESULTS, ids=sorted(needed))}
    found, failed = [], []
    for each in taken:
        try:
            found.append(evolve(each, job=with_results(each.job, results)) if each.job.id in asking else each)
        except InvalidError as error:
            failed.append(lacking(each.job, each.fence, error))
    if failed:
        holds = Holds(Ledger(tx))
        holds.load(end.job_id for end in failed)
        for end in failed:
            holds.end(holds.ledger[end.job_id], holds.of(end.job_id), end, now)
        holds.flush()
        spread(holds.ledger, now)
    return found


def _assignments(tx: Transaction, given: dict[int, tuple[int, Allocation]]) -> list[Assignment]:
    """Return assignments by priority descending and then id."""
    jobs = jobs_by_id(tx, given)
    tasks = tasks_by_id(tx, {job.task_id for job in jobs.values()})
    found = [
        Assignment(job=job, task=tasks[job.task_id], fence=given[job.id][0], allocation=given[job.id][1])
        for job in jobs.values()
    ]
    return sorted(found, key=lambda assignment: (-assignment.job.priority, assignment.job.id))
