"""What people do to jobs as wholes: cancel and retry them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from whatsnext_core.errors import IllegalTransitionError
from whatsnext_core.model import AttemptStatus, Cause, EventKind, Job, JobStatus
from whatsnext_core.states import CANCELLED_BY_HAND, after_retry, check_request
from whatsnext_storage_sql.attempts.attempts import Holds
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.graph import admit, move, spread
from whatsnext_storage_sql.jobs.jobs import jobs_by_id
from whatsnext_storage_sql.jobs.jobstate import JobState
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.rows import event_text


def touch(tx: Transaction, job_ids: Sequence[int], now: datetime) -> tuple[Holds, list[JobState]]:
    """Load visible jobs that a person names, each once, and bring them into the queue; NotFoundError if one is not."""
    holds = Holds(Ledger(tx))
    wanted = list(dict.fromkeys(job_ids))
    holds.load(wanted)
    states = [holds.ledger.row(job_id) for job_id in wanted]
    return holds, [admit(holds.ledger, state, now) for state in states]


def cancel(tx: Transaction, job_ids: Sequence[int], now: datetime) -> Sequence[Job]:
    """Cancel jobs."""
    holds, states = touch(tx, job_ids, now)
    due = [state for state in states if state.status is not JobStatus.CANCELLED]
    for state in due:
        check_request(state.id, state.status, JobStatus.CANCELLED)
    for state in due:
        cancel_one(holds, state, now)
    return _done(tx, holds, job_ids, now)


def cancel_one(holds: Holds, state: JobState, now: datetime) -> None:
    """Cancel a job that may be cancelled: at once, or by asking its client to."""
    ledger = holds.ledger
    attempt = holds.of(state.id) if state.status.is_live else None
    if attempt is not None and attempt.expires_at is not None:
        if not state.cancel_requested:
            ledger.put(state._replace(cancel_requested=True, updated_at=now))
            text = event_text(fence=attempt.fence, client=attempt.client_id)
            ledger.tell(state, EventKind.CANCEL_REQUESTED, now, text)
        return
    details: dict[str, Any] = {"cause": Cause.CANCELLED}
    if attempt is not None:
        details |= {"fence": attempt.fence, "client": attempt.client_id}
        holds.close(attempt, AttemptStatus.CANCELLED, Cause.CANCELLED, CANCELLED_BY_HAND, now)
    move(
        ledger,
        state,
        EventKind.CANCELLED,
        now,
        details,
        status=JobStatus.CANCELLED,
        cause=Cause.CANCELLED,
        message=CANCELLED_BY_HAND,
        not_before=None,
        finished_at=now,
    )


def retry(tx: Transaction, job_ids: Sequence[int], now: datetime) -> Sequence[Job]:
    """Bring FAILED and CANCELLED jobs back."""
    holds, states = touch(tx, job_ids, now)
    for state in states:
        if not state.status.is_final:
            raise IllegalTransitionError(
                f"Job {state.id} cannot be retried: it is {state.status}; only FAILED and CANCELLED jobs can."
            )
        check_request(state.id, state.status, JobStatus.PENDING)
    for state in states:
        retry_one(holds.ledger, state, now)
    return _done(tx, holds, job_ids, now)


def retry_one(ledger: Ledger, state: JobState, now: datetime) -> JobState:
    """Bring an ended job back."""
    return move(
        ledger,
        state,
        EventKind.RETRIED,
        now,
        {},
        more={"result": None},
        status=after_retry(state.impossible),
        failures=0,
        losses=0,
        ooms=0,
        cause=None,
        message="",
        exit_code=None,
        started_at=None,
        finished_at=None,
    )


def _done(tx: Transaction, holds: Holds, job_ids: Sequence[int], now: datetime) -> Sequence[Job]:
    holds.flush()
    spread(holds.ledger, now)
    found = jobs_by_id(tx, job_ids)
    return [found[job_id] for job_id in job_ids]
