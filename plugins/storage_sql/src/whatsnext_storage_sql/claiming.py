"""Claims: the lines of ready jobs, which of them a client gets, and how it gets them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, select, text

from whatsnext_core.model import Allocation, Assignment, Attempt, AttemptStatus, Requirement
from whatsnext_core.resources import Room
from whatsnext_core.scheduling import RESERVATION_HOLDS, Line, Offer, Pick, ReadyJob, plan_claim
from whatsnext_core.storage import ClaimRequest
from whatsnext_storage_sql.attempts import Holds
from whatsnext_storage_sql.clients import client
from whatsnext_storage_sql.graph import spread
from whatsnext_storage_sql.jobs import jobs_by_id
from whatsnext_storage_sql.jobstate import JobState
from whatsnext_storage_sql.ledger import Ledger
from whatsnext_storage_sql.models.types import from_micros, to_micros
from whatsnext_storage_sql.rows import allocation_of, requirement_of
from whatsnext_storage_sql.tables import ATTEMPT, CLIENT, LEASE, RESERVATION
from whatsnext_storage_sql.tasks import tasks_by_id
from whatsnext_storage_sql.transaction import Transaction

FEW_PROJECTS = 8
"""Up to how many projects a claim looks for lines one project at a time."""

# Steps from line to line: each step is one search in the key of ``ready``, however many jobs stand in the lines.
_LINES = text(
    """
    WITH RECURSIVE line (project_id, class_id) AS (
        SELECT project_id, class_id FROM (
            SELECT project_id, class_id FROM ready ORDER BY project_id, class_id LIMIT 1
        ) AS first
        UNION ALL
        SELECT
            (SELECT r.project_id FROM ready AS r WHERE (r.project_id, r.class_id) > (line.project_id, line.class_id)
             ORDER BY r.project_id, r.class_id LIMIT 1),
            (SELECT r.class_id FROM ready AS r WHERE (r.project_id, r.class_id) > (line.project_id, line.class_id)
             ORDER BY r.project_id, r.class_id LIMIT 1)
        FROM line WHERE line.project_id IS NOT NULL
    )
    SELECT line.project_id, line.class_id, requirement_class.requirement FROM line
    JOIN project ON project.id = line.project_id
    JOIN requirement_class ON requirement_class.id = line.class_id
    WHERE project.status = 'ACTIVE' AND NOT project.deleted
    """
)
_LINES_OF = text(
    """
    WITH RECURSIVE line (class_id) AS (
        SELECT class_id FROM (
            SELECT class_id FROM ready WHERE project_id = :project ORDER BY class_id LIMIT 1
        ) AS first
        UNION ALL
        SELECT (SELECT r.class_id FROM ready AS r WHERE r.project_id = :project AND r.class_id > line.class_id
                ORDER BY r.class_id LIMIT 1)
        FROM line WHERE line.class_id IS NOT NULL
    )
    SELECT project.id AS project_id, line.class_id, requirement_class.requirement FROM line
    JOIN requirement_class ON requirement_class.id = line.class_id
    JOIN project ON project.id = :project AND project.status = 'ACTIVE' AND NOT project.deleted
    """
)
_HEAD = text(
    "SELECT project_id, class_id, neg_priority, job_id, since FROM ready "
    "WHERE project_id = :project AND class_id = :class ORDER BY neg_priority, job_id LIMIT :number"
)
# The rows are locked inside of a materialized expression, so that no plan locks more than it returns.
_HEADS_POSTGRESQL = text(
    """
    WITH head AS MATERIALIZED (
        SELECT found.* FROM unnest(
            CAST(:projects AS bigint[]), CAST(:classes AS bigint[]), CAST(:numbers AS bigint[])
        ) AS line (project_id, class_id, number)
        CROSS JOIN LATERAL (
            SELECT r.project_id, r.class_id, r.neg_priority, r.job_id, r.since FROM ready AS r
            WHERE r.project_id = line.project_id AND r.class_id = line.class_id
            ORDER BY r.neg_priority, r.job_id LIMIT line.number FOR UPDATE SKIP LOCKED
        ) AS found
    )
    SELECT * FROM head ORDER BY project_id, class_id, neg_priority, job_id
    """
)
_RESERVED = select(RESERVATION.c.client_id, RESERVATION.c.job_id, RESERVATION.c.made_at, CLIENT).join(
    CLIENT, CLIENT.c.id == RESERVATION.c.client_id
)
_UNRESERVE = delete(RESERVATION).where(RESERVATION.c.client_id == bindparam("client"))
_CLAIMED = (
    select(ATTEMPT.c.job_id, ATTEMPT.c.fence, ATTEMPT.c.allocation, LEASE.c.fence.label("held"))
    .outerjoin(LEASE, (LEASE.c.job_id == ATTEMPT.c.job_id) & (LEASE.c.fence == ATTEMPT.c.fence))
    .where(ATTEMPT.c.session_id == bindparam("session"), ATTEMPT.c.request == bindparam("number"))
    .where(ATTEMPT.c.request.is_not(None))
)


def claim(tx: Transaction, request: ClaimRequest, now: datetime) -> Sequence[Assignment]:
    """Give ready jobs to a client, best first."""
    if request.client_id is not None:
        asking = client(tx, request.client_id)
        if asking.draining or not asking.is_active:
            return []
    if request.session_id is not None and request.request is not None:
        earlier = tx.all(_CLAIMED, session=request.session_id, number=request.request)
        if earlier:
            held = {row.job_id: (row.fence, allocation_of(row.allocation)) for row in earlier if row.held}
            return _assignments(tx, held)
    own, elsewhere = _reservations(tx, request.client_id, now)
    plan = plan_claim(
        _lines(tx, request),
        request.offer,
        now=now,
        reserve_after=request.reserve_after,
        reserved_elsewhere=elsewhere,
    )
    if request.client_id is not None:
        _reserve(tx, request.client_id, plan.reserve, now, known=own)
    return _give(tx, plan.picks, request, now)


def _lines(tx: Transaction, request: ClaimRequest) -> Iterator[Line]:
    """Come to each line whose head fits what the client has, with as many of its jobs as could be claimed."""
    offer = request.offer
    total = Room(offer.total, ignore_cpu=offer.ignore_cpu, ignore_accelerators=offer.ignore_accelerators)
    wanted: list[tuple[int, int, int]] = []
    requirements: dict[tuple[int, int], Requirement] = {}
    for row in _line_rows(tx, request.project_ids):
        requirement = requirement_of(row.requirement)
        if total.find(requirement) is not None:
            key = (row.project_id, row.class_id)
            requirements[key] = requirement
            wanted.append((*key, min(offer.limit, at_most(requirement, offer) + 1)))
    heads: defaultdict[tuple[int, int], list[ReadyJob]] = defaultdict(list)
    for row in _heads(tx, wanted):
        ready = ReadyJob(job_id=row.job_id, priority=-row.neg_priority, since=from_micros(row.since))
        heads[row.project_id, row.class_id].append(ready)
    for key, jobs in heads.items():
        yield Line(requirement=requirements[key], jobs=jobs)


def at_most(requirement: Requirement, offer: Offer) -> int:
    """Return a number of jobs with this requirement that is never exceeded by those that fit what is free."""
    found, free = offer.limit, offer.free
    if requirement.cpu and not offer.ignore_cpu:
        found = min(found, free.cpu // requirement.cpu)
    if requirement.memory and free.memory is not None:
        found = min(found, free.memory // requirement.memory)
    if requirement.accelerator_millis and not offer.ignore_accelerators:
        found = min(found, sum(device.free for device in free.devices) // requirement.accelerator_millis)
    return found


def _line_rows(tx: Transaction, project_ids: Collection[int] | None) -> Iterator[Row[Any]]:
    if project_ids is not None and len(project_ids) <= FEW_PROJECTS:
        for project_id in dict.fromkeys(project_ids):
            yield from tx.all(_LINES_OF, project=project_id)
        return
    for row in tx.all(_LINES):
        if project_ids is None or row.project_id in project_ids:
            yield row


def _heads(tx: Transaction, lines: Sequence[tuple[int, int, int]]) -> Iterator[Row[Any]]:
    if not lines:
        return
    if tx.is_postgresql:
        projects, classes, numbers = (list(values) for values in zip(*lines, strict=True))
        yield from tx.all(_HEADS_POSTGRESQL, projects=projects, classes=classes, numbers=numbers)
        return
    for project_id, class_id, number in lines:
        yield from tx.all(_HEAD, **{"project": project_id, "class": class_id, "number": number})


def _reservations(tx: Transaction, client_id: str | None, now: datetime) -> tuple[bool, set[int]]:
    """Return whether the client has a reservation, and the jobs that others drain for."""
    if client_id is None:
        return False, set()
    rows = tx.all(_RESERVED)
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
    holds = Holds(Ledger(tx))
    holds.ledger.load((pick.job_id for pick in picks), free=True)
    given: dict[int, tuple[int, Allocation]] = {}
    for pick in picks:
        found = holds.ledger.seen(pick.job_id)
        if found is not None and found.is_ready:
            attempt = new_attempt(found, pick.allocation, now, request)
            holds.begin(found, attempt, now)
            given[pick.job_id] = (attempt.fence, pick.allocation)
    holds.flush()
    spread(holds.ledger, now)
    assignments = {found.job.id: found for found in _assignments(tx, given)}
    return [assignments[job_id] for job_id in given]


def new_attempt(state: JobState, allocation: Allocation, now: datetime, request: ClaimRequest | None = None) -> Attempt:
    """Return the next attempt of a job; without a request it has no client and no lease."""
    lease = request.lease if request else None
    return Attempt(
        job_id=state.id,
        fence=state.attempt + 1,
        status=AttemptStatus.CLAIMED,
        client_id=request.client_id if request else None,
        session_id=request.session_id if request else None,
        allocation=allocation,
        claimed_at=now,
        expires_at=now + lease if lease is not None else None,
        request=request.request if request else None,
    )


def _assignments(tx: Transaction, given: dict[int, tuple[int, Allocation]]) -> list[Assignment]:
    """Return assignments by priority descending and then id."""
    jobs = jobs_by_id(tx, given)
    tasks = tasks_by_id(tx, {job.task_id for job in jobs.values()})
    found = [
        Assignment(job=job, task=tasks[job.task_id], fence=given[job.id][0], allocation=given[job.id][1])
        for job in jobs.values()
    ]
    return sorted(found, key=lambda assignment: (-assignment.job.priority, assignment.job.id))
