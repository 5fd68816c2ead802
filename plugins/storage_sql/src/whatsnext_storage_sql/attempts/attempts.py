"""Attempts: how one begins, runs and ends, and what its end means for the job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import define, evolve, field
from sqlalchemy import and_, select, text

from whatsnext_core.model import Attempt, AttemptEnd, AttemptStatus, Cause, EventKind, JobStatus
from whatsnext_core.states import (
    Verdict,
    after_failure,
    after_loss,
    after_release,
    after_success,
    end_attempt,
    event_kind,
    lose_attempt,
)
from whatsnext_storage_sql.connection.bulk import plain
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.graph import load, move
from whatsnext_storage_sql.jobs.jobstate import LOCKED, UNLOCKED, JobState
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.rows import ATTEMPT_COLUMNS, allocation_text, attempt_of
from whatsnext_storage_sql.models.types import to_micros, write_json
from whatsnext_storage_sql.tables import ATTEMPT, LEASE

_HELD = select(*ATTEMPT_COLUMNS).join(LEASE, and_(LEASE.c.job_id == ATTEMPT.c.job_id, LEASE.c.fence == ATTEMPT.c.fence))
_HELD_OF = Query(_HELD.where(among(LEASE.c.job_id, "ids")))
_FORMER = select(ATTEMPT.c.job_id, ATTEMPT.c.fence, ATTEMPT.c.session_id, ATTEMPT.c.status).where(
    among(ATTEMPT.c.job_id, "ids")
)
_HALT = text("INSERT INTO halt (job_id) VALUES (:job) ON CONFLICT (job_id) DO UPDATE SET child_id = 0, parent_id = 0")
_KEYS = ("job_id", "fence")
_END_COLUMNS = ("status", "started_at", "finished_at", "exit_code", "cause", "message", "peak_memory", "cpu_seconds")
_ATTEMPT_COLUMNS = ("job_id", "fence", "status", "client_id", "session_id", "request", "allocation", "claimed_at")
_LEASE_COLUMNS = ("job_id", "fence", "client_id", "session_id", "expires_at")


@define
class Holds:
    """The live attempts of the jobs that a command works on; ``flush`` writes what it did with them."""

    ledger: Ledger
    _live: dict[int, Attempt] = field(factory=dict)
    _begun: list[Attempt] = field(factory=list)
    _ran: list[tuple[Any, ...]] = field(factory=list)
    _handles: list[tuple[Any, ...]] = field(factory=list)
    _ended: list[Attempt] = field(factory=list)
    _halted: list[int] = field(factory=list)

    def load(self, job_ids: Iterable[int], *, may_end: bool = True, free: bool = False) -> None:
        """Load and lock the jobs, then their live attempts.

        ``may_end`` unless no job will begin or cease to be over; ``free`` passes over jobs that others have locked.
        """
        wanted = list(dict.fromkeys(job_ids))
        if not wanted:
            return
        query, held = UNLOCKED if free else LOCKED, (_HELD_OF, {"ids": wanted})
        rows = load(self.ledger, wanted, query, held) if may_end else self.ledger.load(wanted, query, after=[held])[-1]
        for row in rows:
            self._live[row.job_id] = attempt_of(row)

    def held(self, job_id: int, fence: int, session_id: str | None) -> tuple[JobState, Attempt] | None:
        """Return job and attempt if the attempt is live, of the session, and its job is there to be seen."""
        state, attempt = self.ledger.seen(job_id), self._live.get(job_id)
        if state is None or attempt is None or attempt.fence != fence or attempt.session_id != session_id:
            return None
        return state, attempt

    def find(self, job_id: int) -> Attempt | None:
        """Return the live attempt of a job, if it has one."""
        return self._live.get(job_id)

    def of(self, job_id: int) -> Attempt:
        """Return the live attempt of a job that has one."""
        return self._live[job_id]

    # -- what happens to an attempt ------------------------------------------------------------------------------------

    def begin(self, state: JobState, attempt: Attempt, now: datetime) -> JobState:
        """Begin an attempt of a ready job."""
        self._begun.append(attempt)
        self._live[attempt.job_id] = attempt
        return move(
            self.ledger,
            state,
            EventKind.CLAIMED,
            now,
            {"fence": attempt.fence, "client": attempt.client_id},
            status=JobStatus.QUEUED,
            attempt=attempt.fence,
            client_id=attempt.client_id,
            started_at=None,
            finished_at=None,
        )

    def run(self, state: JobState, attempt: Attempt, now: datetime) -> JobState:
        """Note that a claimed attempt runs."""
        self._live[attempt.job_id] = evolve(attempt, status=AttemptStatus.RUNNING, started_at=now, message="")
        self._ran.append((AttemptStatus.RUNNING.value, to_micros(now), "", attempt.job_id, attempt.fence))
        return move(
            self.ledger,
            state,
            EventKind.STARTED,
            now,
            {"fence": attempt.fence, "client": attempt.client_id},
            status=JobStatus.RUNNING,
            started_at=now,
        )

    def note_handle(self, attempt: Attempt, handle: Any) -> None:
        """Note what finds an attempt again on its engine."""
        self._handles.append((write_json(handle), attempt.job_id, attempt.fence))

    def end(self, state: JobState, attempt: Attempt, end: AttemptEnd, now: datetime) -> JobState:
        """End an attempt as it was reported, and do with its job what follows."""
        if end.succeeded:
            verdict = after_success(state.standing)
        else:
            verdict = after_failure(state.standing, end.cause or Cause.EXIT, self.ledger.task(state.task_id).retry)
        if end.stop_siblings and verdict.status is JobStatus.FAILED:
            self._halted.append(state.id)
        return self.conclude(state, end_attempt(attempt, end, verdict, now), verdict, now, result=end.result)

    def lose(self, state: JobState, attempt: Attempt, message: str, now: datetime) -> JobState:
        """End an attempt that is lost, and do with its job what follows."""
        verdict = after_loss(state.standing, self.ledger.task(state.task_id).retry)
        return self.conclude(state, lose_attempt(attempt, Cause.LOST, message, now), verdict, now)

    def give_back(self, state: JobState, attempt: Attempt, message: str, now: datetime) -> JobState:
        """End an attempt whose job goes back to the queue."""
        verdict = after_release(state.standing)
        return self.conclude(state, lose_attempt(attempt, verdict.cause, message, now), verdict, now)

    def conclude(
        self, state: JobState, attempt: Attempt, verdict: Verdict, now: datetime, result: Any = None
    ) -> JobState:
        """Take in an attempt that ended, and do with its job what the verdict says."""
        self.close(attempt)
        details = {
            "fence": attempt.fence,
            "client": attempt.client_id,
            "cause": verdict.cause,
            "exit_code": attempt.exit_code,
            "delay": verdict.delay,
        }
        return move(
            self.ledger,
            state,
            event_kind(verdict),
            now,
            details,
            more={"result": write_json(result)},
            status=verdict.status,
            failures=verdict.failures,
            losses=verdict.losses,
            ooms=verdict.ooms,
            cause=verdict.cause,
            message=attempt.message,
            exit_code=attempt.exit_code,
            not_before=now + timedelta(seconds=verdict.delay) if verdict.delay else None,
            cancel_requested=False,
            started_at=attempt.started_at,
            finished_at=attempt.finished_at,
        )

    def close(self, attempt: Attempt) -> None:
        """Take in an attempt that ended."""
        del self._live[attempt.job_id]
        self._ended.append(attempt)

    # -- writing -------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write the attempts and leases that changed; the ledger writes the jobs."""
        tx = self.ledger.tx
        tx.insert(ATTEMPT, _ATTEMPT_COLUMNS, [_begun_row(attempt) for attempt in self._begun])
        tx.insert(LEASE, _LEASE_COLUMNS, [_lease_row(attempt) for attempt in self._begun])
        tx.update(ATTEMPT, ("status", "started_at", "message"), _KEYS, self._ran)
        tx.update(ATTEMPT, ("handle",), _KEYS, self._handles)
        tx.update(ATTEMPT, _END_COLUMNS, _KEYS, [_end_row(attempt) for attempt in self._ended])
        tx.delete(LEASE, ("job_id",), [(attempt.job_id,) for attempt in self._ended])
        if self._halted:
            tx.run(_HALT, [{"job": job_id} for job_id in self._halted])
        for changes in (self._begun, self._ran, self._handles, self._ended, self._halted):
            changes.clear()


def former_attempts(tx: Transaction, job_ids: Sequence[int]) -> dict[tuple[int, int], tuple[str | None, AttemptStatus]]:
    """Return session and status of all attempts of jobs."""
    rows = tx.all(_FORMER, ids=job_ids)
    return {(row.job_id, row.fence): (row.session_id, AttemptStatus(row.status)) for row in rows}


def _begun_row(attempt: Attempt) -> tuple[Any, ...]:
    return (
        attempt.job_id,
        attempt.fence,
        attempt.status._value_,
        attempt.client_id,
        attempt.session_id,
        attempt.request,
        allocation_text(attempt.allocation),
        to_micros(attempt.claimed_at),
    )


def _lease_row(attempt: Attempt) -> tuple[Any, ...]:
    expires = None if attempt.expires_at is None else to_micros(attempt.expires_at)
    return (attempt.job_id, attempt.fence, attempt.client_id, attempt.session_id, expires)


def _end_row(attempt: Attempt) -> tuple[Any, ...]:
    return (*(plain(getattr(attempt, name)) for name in _END_COLUMNS), attempt.job_id, attempt.fence)
