"""Attempts: how one begins, runs and ends, and what its end means for the job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from attrs import define, field
from sqlalchemy import and_, select, text

from whatsnext_core.model import Allocation, AttemptEnd, AttemptStatus, Cause, EventKind, JobStatus
from whatsnext_core.states import (
    Verdict,
    after_failure,
    after_loss,
    after_release,
    after_success,
    attempt_status,
    event_kind,
    started_before,
)
from whatsnext_core.storage import ClaimRequest
from whatsnext_storage_sql.connection.bulk import plain
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.graph import load, move
from whatsnext_storage_sql.jobs.jobstate import LOCKED, UNLOCKED, JobState
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.rows import allocation_text
from whatsnext_storage_sql.models.types import to_micros, write_json
from whatsnext_storage_sql.tables import ATTEMPT, LEASE


class Held(NamedTuple):
    """What commands must know of a live attempt. The fields are columns, the last of its lease, in this order."""

    job_id: int
    fence: int
    status: str
    """The value of an ``AttemptStatus``."""
    client_id: str | None
    session_id: str | None
    claimed_at: datetime
    started_at: datetime | None
    expires_at: datetime | None
    """When its lease lapses; None if it has none."""


_HELD = select(*(ATTEMPT.c[name] for name in Held._fields if name != "expires_at"), LEASE.c.expires_at).join(
    LEASE, and_(LEASE.c.job_id == ATTEMPT.c.job_id, LEASE.c.fence == ATTEMPT.c.fence)
)
_HELD_OF = Query(_HELD.where(among(LEASE.c.job_id, "ids")))
_FORMER = Query(
    select(ATTEMPT.c.job_id, ATTEMPT.c.fence, ATTEMPT.c.session_id, ATTEMPT.c.status).where(
        among(ATTEMPT.c.job_id, "ids")
    )
)
_HALT = text("INSERT INTO halt (job_id) VALUES (:job) ON CONFLICT (job_id) DO UPDATE SET child_id = 0, parent_id = 0")
_KEYS = ("job_id", "fence")
_END_COLUMNS = ("status", "cause", "message", "started_at", "finished_at", "exit_code", "peak_memory", "cpu_seconds")
_ATTEMPT_COLUMNS = ("job_id", "fence", "status", "client_id", "session_id", "request", "allocation", "claimed_at")
_LEASE_COLUMNS = ("job_id", "fence", "client_id", "session_id", "expires_at")


@define
class Holds:
    """The live attempts of the jobs that a command works on; ``flush`` writes what it did with them."""

    ledger: Ledger
    _live: dict[int, Held] = field(factory=dict)
    _begun: list[tuple[Any, ...]] = field(factory=list)
    _leased: list[tuple[Any, ...]] = field(factory=list)
    _ran: list[tuple[Any, ...]] = field(factory=list)
    _handles: list[tuple[Any, ...]] = field(factory=list)
    _ended: list[tuple[Any, ...]] = field(factory=list)
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
            self._live[row.job_id] = Held._make(row)

    def held(self, job_id: int, fence: int, session_id: str | None) -> tuple[JobState, Held] | None:
        """Return job and attempt if the attempt is live, of the session, and its job is there to be seen."""
        state, attempt = self.ledger.seen(job_id), self._live.get(job_id)
        if state is None or attempt is None or attempt.fence != fence or attempt.session_id != session_id:
            return None
        return state, attempt

    def find(self, job_id: int) -> Held | None:
        """Return the live attempt of a job, if it has one."""
        return self._live.get(job_id)

    def of(self, job_id: int) -> Held:
        """Return the live attempt of a job that has one."""
        return self._live[job_id]

    # -- what happens to an attempt ------------------------------------------------------------------------------------

    def begin(
        self, state: JobState, allocation: Allocation, now: datetime, request: ClaimRequest | None = None
    ) -> JobState:
        """Begin the next attempt of a ready job; without a request it has no client and no lease."""
        job_id, fence, claimed, until = state.id, state.attempt + 1, AttemptStatus.CLAIMED.value, None
        client_id = session_id = number = None
        if request is not None:
            client_id, session_id, number = request.client_id, request.session_id, request.request
            until = now + request.lease if request.lease is not None else None
        text = allocation_text(allocation)
        self._begun.append((job_id, fence, claimed, client_id, session_id, number, text, to_micros(now)))
        self._leased.append((job_id, fence, client_id, session_id, plain(until)))
        self._live[job_id] = Held(job_id, fence, claimed, client_id, session_id, now, None, until)
        return move(
            self.ledger,
            state,
            EventKind.CLAIMED,
            now,
            {"fence": fence, "client": client_id},
            status=JobStatus.QUEUED,
            attempt=fence,
            client_id=client_id,
            started_at=None,
            finished_at=None,
        )

    def run(self, state: JobState, attempt: Held, now: datetime) -> JobState:
        """Note that a claimed attempt runs."""
        self._live[attempt.job_id] = attempt._replace(status=AttemptStatus.RUNNING.value, started_at=now)
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

    def note_handle(self, attempt: Held, handle: Any) -> None:
        """Note what finds an attempt again on its engine."""
        self._handles.append((write_json(handle), attempt.job_id, attempt.fence))

    def end(self, state: JobState, attempt: Held, end: AttemptEnd, now: datetime) -> JobState:
        """End an attempt as it was reported, and do with its job what follows."""
        if end.succeeded:
            verdict = after_success(state.standing)
        else:
            verdict = after_failure(state.standing, end.cause or Cause.EXIT, self.ledger.task(state.task_id).retry)
        if end.stop_siblings and verdict.status is JobStatus.FAILED:
            self._halted.append(state.id)
        attempt = attempt._replace(started_at=started_before(end, attempt.started_at, attempt.claimed_at, now))
        used = (end.exit_code, end.peak_memory, end.cpu_seconds)
        self.close(attempt, attempt_status(verdict), verdict.cause, end.message, now, *used)
        return self._conclude(state, attempt, verdict, end.message, now, exit_code=end.exit_code, result=end.result)

    def lose(self, state: JobState, attempt: Held, message: str, now: datetime) -> JobState:
        """End an attempt that is lost, and do with its job what follows."""
        verdict = after_loss(state.standing, self.ledger.task(state.task_id).retry)
        self.close(attempt, AttemptStatus.LOST, Cause.LOST, message, now)
        return self._conclude(state, attempt, verdict, message, now)

    def give_back(self, state: JobState, attempt: Held, message: str, now: datetime) -> JobState:
        """End an attempt whose job goes back to the queue."""
        verdict = after_release(state.standing)
        self.close(attempt, AttemptStatus.LOST, verdict.cause, message, now)
        return self._conclude(state, attempt, verdict, message, now)

    def close(
        self,
        attempt: Held,
        status: AttemptStatus,
        cause: Cause | None,
        message: str,
        now: datetime,
        exit_code: int | None = None,
        peak_memory: int | None = None,
        cpu_seconds: float | None = None,
    ) -> None:
        """Take in how an attempt ended."""
        del self._live[attempt.job_id]
        times = (plain(attempt.started_at), to_micros(now))
        words = (status._value_, plain(cause), message)
        self._ended.append((*words, *times, exit_code, peak_memory, cpu_seconds, attempt.job_id, attempt.fence))

    def _conclude(
        self,
        state: JobState,
        attempt: Held,
        verdict: Verdict,
        message: str,
        now: datetime,
        *,
        exit_code: int | None = None,
        result: Any = None,
    ) -> JobState:
        """Do with the job of an attempt that ended what the verdict says."""
        details = {
            "fence": attempt.fence,
            "client": attempt.client_id,
            "cause": verdict.cause,
            "exit_code": exit_code,
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
            message=message,
            exit_code=exit_code,
            not_before=now + timedelta(seconds=verdict.delay) if verdict.delay else None,
            cancel_requested=False,
            started_at=attempt.started_at,
            finished_at=now,
        )

    # -- writing -------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write the attempts and leases that changed; the ledger writes the jobs."""
        tx = self.ledger.tx
        tx.insert(ATTEMPT, _ATTEMPT_COLUMNS, self._begun)
        tx.insert(LEASE, _LEASE_COLUMNS, self._leased)
        tx.update(ATTEMPT, ("status", "started_at", "message"), _KEYS, self._ran)
        tx.update(ATTEMPT, ("handle",), _KEYS, self._handles)
        tx.update(ATTEMPT, _END_COLUMNS, _KEYS, self._ended)
        tx.delete(LEASE, ("job_id",), [row[-len(_KEYS) : -1] for row in self._ended])
        if self._halted:
            tx.run(_HALT, [{"job": job_id} for job_id in self._halted])
        for changes in (self._begun, self._leased, self._ran, self._handles, self._ended, self._halted):
            changes.clear()


def former_attempts(tx: Transaction, job_ids: Sequence[int]) -> dict[tuple[int, int], tuple[str | None, AttemptStatus]]:
    """Return session and status of all attempts of jobs."""
    rows = tx.all(_FORMER, ids=job_ids)
    return {(row.job_id, row.fence): (row.session_id, AttemptStatus(row.status)) for row in rows}
