"""Attempts in memory: claimed, started, renewed, ended, lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice

from attrs import evolve

from whatsnext_core.errors import InvalidError
from whatsnext_core.memory.graph import move, spread
from whatsnext_core.memory.state import State, plain
from whatsnext_core.memory.tables import Halt, Ready, Reservation, Row
from whatsnext_core.model import (
    Allocation,
    Assignment,
    Attempt,
    AttemptEnd,
    AttemptNote,
    AttemptRef,
    AttemptStart,
    AttemptStatus,
    Cause,
    EndOutcome,
    EventKind,
    JobStatus,
    ProjectStatus,
)
from whatsnext_core.references import lacking, refers, results_needed, with_results
from whatsnext_core.scheduling import AHEAD, CLAIM_ROUNDS, RESERVATION_HOLDS, Line, ends_in_time, longest, plan_claim
from whatsnext_core.states import (
    GIVEN_BACK_BY_CLIENT,
    Standing,
    Verdict,
    after_failure,
    after_loss,
    after_release,
    after_success,
    end_attempt,
    event_kind,
    lose_attempt,
)
from whatsnext_core.storage import ClaimRequest, Renewal


def claim(state: State, request: ClaimRequest, now: datetime) -> Sequence[Assignment]:
    """Give ready jobs to a client, best first."""
    client = None if request.client_id is None else state.client(request.client_id)
    if client is not None and (client.draining or not client.is_active):
        return []
    if request.session_id is not None and request.request is not None:
        earlier = state.attempts.of_request.keys((request.session_id, request.request))
        if earlier:
            return _with_results(state, _assignments(state, earlier), now)
    elsewhere = set() if client is None else _reserved_by_others(state, client.id, now)
    given: list[Assignment] = []
    offer, reserve = request.offer, None
    for _ in range(CLAIM_ROUNDS):
        plan = plan_claim(
            _lines(state, request),
            offer,
            now=now,
            reserve_after=request.reserve_after,
            reserved_elsewhere=elsewhere,
        )
        reserve = plan.reserve
        taken = [give(state, state.jobs[pick.job_id], pick.allocation, now, request) for pick in plan.picks]
        good = _with_results(state, taken, now)
        given += good
        if len(good) == len(taken):
            break
        offer = offer.without([each.allocation for each in good])
    if client is not None:
        state.reservations.drop(client.id)
        if reserve is not None:
            state.reservations.put(client.id, Reservation(reserve, now))
    return given


def _with_results(state: State, taken: Sequence[Assignment], now: datetime) -> list[Assignment]:
    """Return assignments with results of other jobs in their parameters; a job that lacks one fails."""
    found = []
    for each in taken:
        job = each.job
        if job.depends and refers(job.parameters):
            rows = {parent: state.seen(parent) for parent in results_needed(job)}
            results = {parent: row.job.result for parent, row in rows.items() if row is not None}
            try:
                job = with_results(job, results)
            except InvalidError as error:
                held = state.jobs[job.id], state.attempts[job.id, each.fence]
                end_by_report(state, *held, lacking(job, each.fence, error), now)
                continue
        found.append(evolve(each, job=job))
    if len(found) < len(taken):
        spread(state, now)
    return found


def _lines(state: State, request: ClaimRequest) -> Iterable[Line]:
    for (project_id, _), line in state.ready.lines.items():
        project = state.projects.get(project_id)
        wanted = request.project_ids is None or project_id in request.project_ids
        if wanted and project is not None and project.status is ProjectStatus.ACTIVE:
            heads = list(islice(_in_time(state, line.keys, request.offer.time_left), request.offer.limit))
            if heads:
                yield Line(requirement=heads[0].requirement, jobs=[ready.job for ready in heads])


def _in_time(state: State, line: Sequence[tuple[int, int]], time_left: float | None) -> Iterable[Ready]:
    """Yield the jobs of a line, best first; for a client that will be taken away, those that end before."""
    if time_left is None:
        yield from (state.ready[-negative] for _, negative in reversed(line))
        return
    for _, negative in line[: -AHEAD - 1 : -1]:
        job = state.jobs[-negative].job
        if ends_in_time(longest(job.timeout, state.tasks[job.task_id]), time_left):
            yield state.ready[-negative]


def _reserved_by_others(state: State, client_id: str, now: datetime) -> set[int]:
    found = set()
    for other in state.reservations:
        client, reservation = state.clients[other], state.reservations[other]
        holds = client.is_active and not client.draining and now - reservation.at <= RESERVATION_HOLDS
        if other != client_id and holds:
            found.add(reservation.job_id)
    return found


def _assignments(state: State, keys: Iterable[tuple[int, int]]) -> list[Assignment]:
    found = []
    for job_id, fence in keys:
        row, attempt = state.seen(job_id), state.attempts[job_id, fence]
        if row is not None and attempt.status.is_live:
            found.append(_assignment(state, row, attempt))
    return sorted(found, key=lambda assignment: (-assignment.job.priority, assignment.job.id))


def _assignment(state: State, row: Row, attempt: Attempt) -> Assignment:
    task = state.tasks[row.job.task_id]
    return Assignment(job=state.view(row), task=task, fence=attempt.fence, allocation=attempt.allocation)


def give(
    state: State, row: Row, allocation: Allocation, now: datetime, request: ClaimRequest | None = None
) -> Assignment:
    """Begin a new attempt of a ready job; without a request it has no client and no lease."""
    client_id, lease = (request.client_id, request.lease) if request else (None, None)
    attempt = Attempt(
        job_id=row.job.id,
        fence=row.job.attempt + 1,
        status=AttemptStatus.CLAIMED,
        client_id=client_id,
        session_id=request.session_id if request else None,
        allocation=allocation,
        claimed_at=now,
        expires_at=now + lease if lease is not None else None,
        request=request.request if request else None,
    )
    state.attempts.put((attempt.job_id, attempt.fence), attempt)
    row = move(
        state,
        row,
        EventKind.CLAIMED,
        now,
        {"fence": attempt.fence, "client": client_id},
        status=JobStatus.QUEUED,
        attempt=attempt.fence,
        client_id=client_id,
        started_at=None,
        finished_at=None,
    )
    return _assignment(state, row, attempt)


def newest(state: State, row: Row) -> Attempt:
    """Return the newest attempt of a job that has one."""
    return state.attempts[row.job.id, row.job.attempt]


def _held(state: State, job_id: int, fence: int, session_id: str | None) -> tuple[Row, Attempt] | None:
    row, attempt = state.seen(job_id), state.attempts.get((job_id, fence))
    if row is None or attempt is None or not attempt.status.is_live or attempt.session_id != session_id:
        return None
    return row, attempt


def start(state: State, starts: Sequence[AttemptStart], session_id: str, now: datetime) -> Sequence[AttemptRef]:
    """Note that attempts run, and return those that the session does not hold."""
    gone = []
    for each in starts:
        held = _held(state, each.job_id, each.fence, session_id)
        if held is None:
            gone.append(AttemptRef(job_id=each.job_id, fence=each.fence))
            continue
        row, attempt = held
        if each.handle is not None:
            attempt = evolve(attempt, handle=plain(each.handle))
            state.attempts.put((each.job_id, each.fence), attempt)
        if attempt.status is AttemptStatus.CLAIMED:
            run(state, row, attempt, now)
    return gone


def run(state: State, row: Row, attempt: Attempt, now: datetime) -> None:
    """Note that a claimed attempt runs."""
    attempt = evolve(attempt, status=AttemptStatus.RUNNING, started_at=now, message="")
    state.attempts.put((attempt.job_id, attempt.fence), attempt)
    move(
        state,
        row,
        EventKind.STARTED,
        now,
        {"fence": attempt.fence, "client": attempt.client_id},
        status=JobStatus.RUNNING,
        started_at=now,
    )


def renew(state: State, refs: Sequence[AttemptRef], session_id: str, lease: timedelta, now: datetime) -> Renewal:
    """Renew the leases of a session's attempts."""
    renewed, gone, cancel = [], [], []
    for ref in refs:
        key = (ref.job_id, ref.fence)
        held = _held(state, *key, session_id)
        if held is None:
            gone.append(key)
            continue
        row, attempt = held
        state.attempts.put(key, evolve(attempt, expires_at=now + lease))
        renewed.append(key)
        if row.job.cancel_requested:
            cancel.append(key)
    return Renewal(renewed=tuple(renewed), gone=tuple(gone), cancel=tuple(cancel))


def note(state: State, notes: Sequence[AttemptNote], session_id: str) -> None:
    """Keep what engines say of claimed attempts that wait there."""
    for each in notes:
        held = _held(state, each.job_id, each.fence, session_id)
        if held is None or each.message is None:
            continue
        _, attempt = held
        if attempt.status is AttemptStatus.CLAIMED and attempt.message != each.message:
            state.attempts.put((each.job_id, each.fence), evolve(attempt, message=each.message))


def adopt(
    state: State, refs: Sequence[AttemptRef], client_id: str, session_id: str, lease: timedelta, now: datetime
) -> Renewal:
    """Hand attempts of a client's earlier sessions to its new one, and renew them."""
    for ref in refs:
        key = (ref.job_id, ref.fence)
        attempt = state.attempts.get(key)
        if attempt is None or attempt.client_id != client_id or not attempt.status.is_live:
            continue
        if attempt.session_id not in {None, session_id}:
            state.attempts.put(key, evolve(attempt, session_id=session_id, request=None))
    return renew(state, refs, session_id, lease, now)


def release(state: State, refs: Sequence[AttemptRef], session_id: str, now: datetime) -> Sequence[AttemptRef]:
    """Give back what a session holds, and return what it does not hold."""
    gone = []
    for ref in refs:
        held = _held(state, ref.job_id, ref.fence, session_id)
        if held is None:
            gone.append(ref)
        else:
            give_back(state, *held, GIVEN_BACK_BY_CLIENT, now)
    spread(state, now)
    return gone


def give_back(state: State, row: Row, attempt: Attempt, message: str, now: datetime) -> None:
    """End a live attempt whose job goes back to the queue."""
    verdict = after_release(Standing.of(row.job, row.counts.impossible))
    conclude(state, row, lose_attempt(attempt, verdict.cause, message, now), verdict, now)


def finish(state: State, ends: Sequence[AttemptEnd], session_id: str | None, now: datetime) -> Sequence[EndOutcome]:
    """Take in how attempts ended."""
    outcomes = [_finish(state, end, session_id, now) for end in ends]
    spread(state, now)
    return outcomes


def _finish(state: State, end: AttemptEnd, session_id: str | None, now: datetime) -> EndOutcome:
    held = _held(state, end.job_id, end.fence, session_id)
    if held is not None:
        row = end_by_report(state, *held, end, now)
        return EndOutcome(job_id=end.job_id, fence=end.fence, accepted=True, status=row.job.status)
    found, attempt = state.seen(end.job_id), state.attempts.get((end.job_id, end.fence))
    if found is None:
        return EndOutcome(job_id=end.job_id, fence=end.fence, accepted=False, reason=f"Job {end.job_id} is gone.")
    repeated = (
        attempt is not None
        and attempt.session_id == session_id
        and not attempt.status.is_live
        and attempt.status is not AttemptStatus.LOST
    )
    reason = f"Attempt {end.fence} of job {end.job_id} is not, or no longer, held by this session."
    return EndOutcome(
        job_id=end.job_id,
        fence=end.fence,
        accepted=repeated,
        status=found.job.status,
        reason="" if repeated else reason,
    )


def end_by_report(state: State, row: Row, attempt: Attempt, end: AttemptEnd, now: datetime) -> Row:
    """End a live attempt as it was reported, and do with its job what follows."""
    standing = Standing.of(row.job, row.counts.impossible)
    if end.succeeded:
        verdict = after_success(standing)
    else:
        verdict = after_failure(standing, end.cause or Cause.EXIT, state.tasks[row.job.task_id].retry)
    if end.stop_siblings and verdict.status is JobStatus.FAILED:
        state.halts.put(row.job.id, Halt())
    return conclude(state, row, end_attempt(attempt, end, verdict, now), verdict, now, result=plain(end.result))


def lose(state: State, row: Row, attempt: Attempt, message: str, now: datetime) -> Row:
    """End a live attempt that is lost, and do with its job what follows."""
    verdict = after_loss(Standing.of(row.job, row.counts.impossible), state.tasks[row.job.task_id].retry)
    return conclude(state, row, lose_attempt(attempt, Cause.LOST, message, now), verdict, now)


def conclude(state: State, row: Row, attempt: Attempt, verdict: Verdict, now: datetime, result: object = None) -> Row:
    """Write an attempt that ended, and do with its job what the verdict says."""
    state.attempts.put((attempt.job_id, attempt.fence), attempt)
    details = {
        "fence": attempt.fence,
        "client": attempt.client_id,
        "cause": verdict.cause,
        "exit_code": attempt.exit_code,
        "delay": verdict.delay,
    }
    return move(
        state,
        row,
        event_kind(verdict),
        now,
        details,
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
        result=result,
    )
