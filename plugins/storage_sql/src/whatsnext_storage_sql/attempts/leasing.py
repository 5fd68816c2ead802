"""What a session says of the attempts that it holds: they run, they are still there, they ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from attrs import evolve
from sqlalchemy import select

from whatsnext_core.model import AttemptEnd, AttemptNote, AttemptRef, AttemptStart, AttemptStatus, EndOutcome
from whatsnext_core.states import GIVEN_BACK_BY_CLIENT
from whatsnext_core.storage import Renewal
from whatsnext_storage_sql.attempts.attempts import Holds, former_attempts
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.graph import spread
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.siblings import AT_ONCE, stop_siblings
from whatsnext_storage_sql.models.types import to_micros
from whatsnext_storage_sql.tables import ATTEMPT, JOB, LEASE, TASK

_LEASES = Query(
    select(LEASE, JOB.c.cancel_requested)
    .join(JOB, JOB.c.id == LEASE.c.job_id)
    .join(TASK, TASK.c.id == JOB.c.task_id)
    .where(among(LEASE.c.job_id, "ids"), ~TASK.c.deleted)
    .order_by(LEASE.c.job_id)
    .with_for_update(of=LEASE)
)
_NOTED = Query(
    select(LEASE.c.job_id, LEASE.c.fence, LEASE.c.session_id, ATTEMPT.c.message)
    .join(ATTEMPT, (ATTEMPT.c.job_id == LEASE.c.job_id) & (ATTEMPT.c.fence == LEASE.c.fence))
    .join(JOB, JOB.c.id == LEASE.c.job_id)
    .join(TASK, TASK.c.id == JOB.c.task_id)
    .where(among(LEASE.c.job_id, "ids"), ATTEMPT.c.status == AttemptStatus.CLAIMED.value, ~TASK.c.deleted)
    .order_by(LEASE.c.job_id)
    .with_for_update(of=LEASE)
)


def start(tx: Transaction, starts: Sequence[AttemptStart], session_id: str, now: datetime) -> Sequence[AttemptRef]:
    """Note that attempts run, and return those that the session does not hold."""
    holds = Holds(Ledger(tx))
    holds.load((each.job_id for each in starts), may_end=False)
    gone = []
    for each in starts:
        held = holds.held(each.job_id, each.fence, session_id)
        if held is None:
            gone.append(AttemptRef(job_id=each.job_id, fence=each.fence))
            continue
        state, attempt = held
        if each.handle is not None:
            holds.note_handle(attempt, dict(each.handle))
        if attempt.status == AttemptStatus.CLAIMED:
            holds.run(state, attempt, now)
    holds.flush()
    spread(holds.ledger, now)
    return gone


def release(tx: Transaction, refs: Sequence[AttemptRef], session_id: str, now: datetime) -> Sequence[AttemptRef]:
    """Give back what a session holds, and return what it does not hold."""
    holds = Holds(Ledger(tx))
    holds.load(ref.job_id for ref in refs)
    gone = []
    for ref in refs:
        held = holds.held(ref.job_id, ref.fence, session_id)
        if held is None:
            gone.append(ref)
        else:
            holds.give_back(*held, GIVEN_BACK_BY_CLIENT, now)
    holds.flush()
    spread(holds.ledger, now)
    return gone


def finish(tx: Transaction, ends: Sequence[AttemptEnd], session_id: str | None, now: datetime) -> Sequence[EndOutcome]:
    """Take in how attempts ended."""
    holds = Holds(Ledger(tx))
    holds.load(end.job_id for end in ends)
    outcomes: list[EndOutcome] = []
    stale: list[int] = []
    for part in [ends] if len({end.job_id for end in ends}) == len(ends) else [[end] for end in ends]:
        held = [holds.held(end.job_id, end.fence, session_id) for end in part]
        holds.end_all([(*each, end) for each, end in zip(held, part, strict=True) if each is not None], now)
        for end, each in zip(part, held, strict=True):
            if each is None:
                stale.append(len(outcomes))
            state = holds.ledger.seen(end.job_id)
            status = state and state.status
            outcomes.append(EndOutcome(job_id=end.job_id, fence=end.fence, accepted=each is not None, status=status))
    holds.flush()
    if stale:
        former = former_attempts(tx, [ends[place].job_id for place in stale])
        for place in stale:
            outcomes[place] = _judge(outcomes[place], former, session_id)
    spread(holds.ledger, now)
    if any(end.stop_siblings for end in ends):
        stop_siblings(tx, now, AT_ONCE)
    return outcomes


def _judge(
    outcome: EndOutcome, former: Mapping[tuple[int, int], tuple[str | None, AttemptStatus]], session_id: str | None
) -> EndOutcome:
    """Return what becomes of the report of an attempt that is not held, or not any more."""
    if outcome.status is None:
        return evolve(outcome, reason=f"Job {outcome.job_id} is gone.")
    session, status = former.get((outcome.job_id, outcome.fence), (session_id, AttemptStatus.LOST))
    if session == session_id and not status.is_live and status is not AttemptStatus.LOST:
        return evolve(outcome, accepted=True)
    reason = f"Attempt {outcome.fence} of job {outcome.job_id} is not, or no longer, held by this session."
    return evolve(outcome, reason=reason)


def renew(tx: Transaction, refs: Sequence[AttemptRef], session_id: str, lease: timedelta, now: datetime) -> Renewal:
    """Renew the leases of a session's attempts."""
    if not refs:
        return Renewal()
    rows = {row.job_id: row for row in tx.all(_LEASES, ids=[ref.job_id for ref in refs])}
    renewed, gone, cancel = [], [], []
    for ref in refs:
        key, row = (ref.job_id, ref.fence), rows.get(ref.job_id)
        if row is None or row.fence != ref.fence or row.session_id != session_id:
            gone.append(key)
            continue
        renewed.append(key)
        if row.cancel_requested:
            cancel.append(key)
    if renewed:
        until = to_micros(now + lease)
        tx.update(LEASE, ("expires_at",), ("job_id",), [(until, job_id) for job_id, _ in renewed])
    return Renewal(renewed=tuple(renewed), gone=tuple(gone), cancel=tuple(cancel))


def note(tx: Transaction, notes: Sequence[AttemptNote], session_id: str) -> None:
    """Keep what engines say of claimed attempts that wait there, where it is new."""
    said = {(each.job_id, each.fence): each.message for each in notes if each.message is not None}
    if not said:
        return
    rows = tx.all(_NOTED, ids=[job_id for job_id, _ in said])
    new = [
        (said[row.job_id, row.fence], row.job_id, row.fence)
        for row in rows
        if row.session_id == session_id and said.get((row.job_id, row.fence), row.message) != row.message
    ]
    tx.update(ATTEMPT, ("message",), ("job_id", "fence"), new)


def adopt(
    tx: Transaction, refs: Sequence[AttemptRef], client_id: str, session_id: str, lease: timedelta, now: datetime
) -> Renewal:
    """Hand attempts of a client's earlier sessions to its new one, and renew them."""
    if not refs:
        return Renewal()
    rows = {(row.job_id, row.fence): row for row in tx.all(_LEASES, ids=[ref.job_id for ref in refs])}
    taken = [
        (session_id, ref.job_id, ref.fence)
        for ref in refs
        if (row := rows.get((ref.job_id, ref.fence))) is not None
        and row.client_id == client_id
        and row.session_id not in {None, session_id}
    ]
    tx.update(LEASE, ("session_id",), ("job_id", "fence"), taken)
    tx.update(ATTEMPT, ("session_id", "request"), ("job_id", "fence"), [(new, None, *key) for new, *key in taken])
    return renew(tx, refs, session_id, lease, now)
