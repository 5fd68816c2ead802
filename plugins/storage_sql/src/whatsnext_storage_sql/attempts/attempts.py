"""Attempts: how one begins, runs and ends, and what its end means for the job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

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
from whatsnext_storage_sql.jobs.graph import load, move, move_all
from whatsnext_storage_sql.jobs.jobstate import COLUMNS, LOCKED, UNLOCKED, JobState
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
_UNKNOWN = (None, None, None)
"""Exit code, peak memory and CPU time of an attempt of which nobody reported any."""

Reported: TypeAlias = tuple[JobState, Held, AttemptEnd]
"""A job, its live attempt, and how that ended."""
_held: Final[Callable[[Iterable[Any]], Held]] = partial(tuple.__new__, Held)
_standing = itemgetter(
    *map(COLUMNS.index, ("status", "failures", "losses", "ooms", "cancel_requested", "impossible", "task_id"))
)
_holder = itemgetter(Held._fields.index("fence"), Held._fields.index("client_id"))


def _new_attempt(pair: tuple[JobState, Allocation]) -> tuple[JobStatus, int]:
    """Return what jobs share whose next attempts begin alike."""
    return pair[0].status, pair[0].attempt


def _judged(reported: Reported) -> tuple[Any, ...]:
    """Return what reports share that lead to the same verdict, and to events that say the same.

    What follows a failure depends on the number of the job, too: its back-off.
    """
    state, attempt, end = reported
    return (None if end.succeeded else state.id, end.exit_code, *_standing(state), *_holder(attempt))


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
        self._live.update((row.job_id, _held(row)) for row in rows)

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
        return self.begin_all([state], [allocation], now, request)[0]

    def begin_all(
        self,
        states: Sequence[JobState],
        allocations: Sequence[Allocation],
        now: datetime,
        request: ClaimRequest | None = None,
    ) -> list[JobState]:
        """Begin the next attempts of ready jobs, as ``begin`` does, and return these in the same order."""
        begun: list[JobState] = []
        for _, alike in groupby(zip(states, allocations, strict=True), key=_new_attempt):
            begun += self._begin(list(alike), now, request)
        return begun

    def _begin(
        self, pairs: Sequence[tuple[JobState, Allocation]], now: datetime, request: ClaimRequest | None
    ) -> list[JobState]:
        """Begin attempts of the same number."""
        states, allocations = zip(*pairs, strict=True)
        fence, claimed, until = states[0].attempt + 1, AttemptStatus.CLAIMED.value, None
        client_id = session_id = number = None
        if request is not None:
            client_id, session_id, number = request.client_id, request.session_id, request.request
            until = now + request.lease if request.lease is not None else None
        texts = {key: allocation_text(each) for key, each in {id(each): each for each in allocations}.items()}
        ids, at, lapses = [state.id for state in states], to_micros(now), plain(until)
        self._begun += [
            (job_id, fence, claimed, client_id, session_id, number, texts[id(each)], at)
            for job_id, each in zip(ids, allocations, strict=True)
        ]
        self._leased += [(job_id, fence, client_id, session_id, lapses) for job_id in ids]
        rest = (fence, claimed, client_id, session_id, now, None, until)
        self._live.update((job_id, _held((job_id, *rest))) for job_id in ids)
        return move_all(
            self.ledger,
            states,
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
        return self.end_all([(state, attempt, end)], now)[0]

    def end_all(self, reported: Iterable[Reported], now: datetime) -> list[JobState]:
        """End attempts of different jobs as ``end`` does, and return the jobs in the same order."""
        ended: list[JobState] = []
        for _, alike in groupby(reported, key=_judged):
            ended += self._end(list(alike), now)
        return ended

    def _end(self, reported: Sequence[Reported], now: datetime) -> list[JobState]:
        """End attempts of jobs of which all get the same verdict."""
        states, attempts, ends = zip(*reported, strict=True)
        state, end = states[0], ends[0]
        if end.succeeded:
            verdict = after_success(state.standing)
        else:
            verdict = after_failure(state.standing, end.cause or Cause.EXIT, self.ledger.task(state.task_id).retry)
        if verdict.status is JobStatus.FAILED:
            self._halted += [each.job_id for each in ends if each.stop_siblings]
        pairs = list(zip(attempts, ends, strict=True))
        begins = [started_before(each, old.started_at, old.claimed_at, now) for old, each in pairs]
        status, cause, at = attempt_status(verdict)._value_, plain(verdict.cause), to_micros(now)
        self._ended += [
            (
                *(status, cause, each.message, begin and to_micros(begin), at),
                *(each.exit_code, each.peak_memory, each.cpu_seconds, old.job_id, old.fence),
            )
            for (old, each), begin in zip(pairs, begins, strict=True)
        ]
        for old in attempts:
            del self._live[old.job_id]
        messages, results = [each.message for each in ends], [write_json(each.result) for each in ends]
        return self._conclude(states, attempts[0], verdict, now, end.exit_code, begins, messages, results)

    def lose(self, state: JobState, attempt: Held, message: str, now: datetime) -> JobState:
        """End an attempt that is lost, and do with its job what follows."""
        verdict = after_loss(state.standing, self.ledger.task(state.task_id).retry)
        self.close(attempt, AttemptStatus.LOST, Cause.LOST, message, now)
        return self._conclude([state], attempt, verdict, now, None, [attempt.started_at], [message], [None])[0]

    def give_back(self, state: JobState, attempt: Held, message: str, now: datetime) -> JobState:
        """End an attempt whose job goes back to the queue."""
        verdict = after_release(state.standing)
        self.close(attempt, AttemptStatus.LOST, verdict.cause, message, now)
        return self._conclude([state], attempt, verdict, now, None, [attempt.started_at], [message], [None])[0]

    def close(self, attempt: Held, status: AttemptStatus, cause: Cause | None, message: str, now: datetime) -> None:
        """Take in how an attempt ended of which nobody reported more."""
        del self._live[attempt.job_id]
        times = (plain(attempt.started_at), to_micros(now))
        self._ended.append((status._value_, plain(cause), message, *times, *_UNKNOWN, attempt.job_id, attempt.fence))

    def _conclude(
        self,
        states: Sequence[JobState],
        attempt: Held,
        verdict: Verdict,
        now: datetime,
        exit_code: int | None,
        begins: Sequence[datetime | None],
        messages: Sequence[str],
        results: Sequence[str | None],
    ) -> list[JobState]:
        """Do with jobs whose attempts ended, all of the number and client of this one, what the verdict says."""
        details = {
            "fence": attempt.fence,
            "client": attempt.client_id,
            "cause": verdict.cause,
            "exit_code": exit_code,
            "delay": verdict.delay,
        }
        return move_all(
            self.ledger,
            states,
            event_kind(verdict),
            now,
            details,
            own={"message": messages, "started_at": begins},
            more={"result": results},
            status=verdict.status,
            failures=verdict.failures,
            losses=verdict.losses,
            ooms=verdict.ooms,
            cause=verdict.cause,
            exit_code=exit_code,
            not_before=now + timedelta(seconds=verdict.delay) if verdict.delay else None,
            cancel_requested=False,
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
