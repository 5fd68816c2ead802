"""The states of a job: which changes are legal, and what follows the end of an attempt.

One table, pure functions. The jitter of a back-off is derived from the job and the number of its failures, so that the
same history always gives the same delay.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from attrs import evolve, frozen

from whatsnext_core.errors import IllegalTransitionError
from whatsnext_core.model.attempt import Attempt, AttemptEnd
from whatsnext_core.model.event import EventKind
from whatsnext_core.model.job import Job
from whatsnext_core.model.limits import MAX_MEMORY
from whatsnext_core.model.requirement import Requirement
from whatsnext_core.model.retry import RetryPolicy
from whatsnext_core.model.status import AttemptStatus, Cause, JobStatus

_S = JobStatus

TRANSITIONS: Final[Mapping[JobStatus, frozenset[JobStatus]]] = {
    _S.PENDING: frozenset({_S.QUEUED, _S.BLOCKED, _S.CANCELLED}),
    _S.BLOCKED: frozenset({_S.PENDING, _S.CANCELLED}),
    _S.QUEUED: frozenset({_S.RUNNING, _S.COMPLETED, _S.PENDING, _S.FAILED, _S.CANCELLED, _S.BLOCKED}),
    _S.RUNNING: frozenset({_S.COMPLETED, _S.PENDING, _S.FAILED, _S.CANCELLED, _S.BLOCKED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset({_S.PENDING, _S.BLOCKED}),
    _S.CANCELLED: frozenset({_S.PENDING, _S.BLOCKED}),
}
"""For each status, those that a job may go to from there."""

REQUESTS: Final[Mapping[JobStatus, frozenset[JobStatus]]] = {
    _S.PENDING: frozenset({_S.QUEUED, _S.CANCELLED}),
    _S.BLOCKED: frozenset({_S.CANCELLED}),
    _S.QUEUED: frozenset({_S.RUNNING, _S.COMPLETED, _S.FAILED, _S.CANCELLED, _S.PENDING}),
    _S.RUNNING: frozenset({_S.COMPLETED, _S.FAILED, _S.CANCELLED, _S.PENDING}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset({_S.PENDING}),
    _S.CANCELLED: frozenset({_S.PENDING}),
}
"""For each status, those that a person may ask for.

The other transitions follow from these and from what attempts do.
"""

MAX_GROWTH: Final = 64
"""The power of two by which any delay has grown beyond all limits."""

LEASE_LAPSED: Final = "The client was not heard of for longer than its lease."
"""The message of an attempt whose lease lapsed."""
CLIENT_DELETED: Final = "The client was deleted while it held the job."
"""The message of an attempt whose client was deleted."""
GIVEN_BACK: Final = "The job was given back to the queue by hand."
"""The message of an attempt whose job was set to PENDING."""
GIVEN_BACK_BY_CLIENT: Final = "The client gave the job back before it started."
"""The message of an attempt that its client released."""
CANCELLED_BY_HAND: Final = "The job was cancelled."
"""The message of a job that was cancelled while no client had to confirm it."""

_REASONS: Final[Mapping[JobStatus, str]] = {
    _S.PENDING: "it waits and no client has claimed it; a client claims it first (QUEUED), or cancel it",
    _S.BLOCKED: "a dependency can never be met; retry that job, change 'depends', or cancel this one",
    _S.QUEUED: "a client has claimed it; it can start, end, or be cancelled",
    _S.RUNNING: "it runs; it can end or be cancelled",
    _S.COMPLETED: "it has completed, which is final; submit a new job to run it again",
    _S.FAILED: "it has failed; retry it (status PENDING) to run it again",
    _S.CANCELLED: "it was cancelled; retry it (status PENDING) to run it again",
}

_KIND_OF_END: Final[Mapping[JobStatus, EventKind]] = {
    _S.COMPLETED: EventKind.COMPLETED,
    _S.CANCELLED: EventKind.CANCELLED,
    _S.FAILED: EventKind.FAILED,
}
_KIND_OF_RETURN: Final[Mapping[Cause | None, EventKind]] = {Cause.LOST: EventKind.LOST, None: EventKind.RELEASED}


def check_transition(job_id: int, old: JobStatus, new: JobStatus) -> None:
    """Raise IllegalTransitionError, saying from, to and why, unless ``old`` to ``new`` is in the table."""
    if new not in TRANSITIONS[old]:
        raise IllegalTransitionError(f"Job {job_id} cannot go from {old} to {new}: {_REASONS[old]}.")


def check_request(job_id: int, old: JobStatus, new: JobStatus) -> None:
    """Raise IllegalTransitionError, saying from, to and why, unless a person may ask for ``old`` to ``new``."""
    if new not in REQUESTS[old]:
        reason = _REASONS[old] if new is not _S.BLOCKED else "BLOCKED follows from dependencies and cannot be set"
        raise IllegalTransitionError(f"Job {job_id} cannot go from {old} to {new}: {reason}.")


class Standing(NamedTuple):
    """The part of a job that decides what follows the end of its attempt. A named tuple, for each end makes one."""

    job_id: int
    """The job."""
    failures: int = 0
    """Failed attempts so far."""
    losses: int = 0
    """Lost attempts so far."""
    ooms: int = 0
    """Attempts among the failures that ran out of memory so far."""
    cancel_requested: bool = False
    """Whether a person asked to cancel it."""
    impossible: int = 0
    """Dependencies that can never be met now (their jobs were retried or changed meanwhile)."""

    @classmethod
    def of(cls, job: Job, impossible: int) -> Standing:
        """Return the standing of a stored job with so many impossible dependencies."""
        return cls(
            job_id=job.id,
            failures=job.failures,
            losses=job.losses,
            ooms=job.ooms,
            cancel_requested=job.cancel_requested,
            impossible=impossible,
        )


@frozen(kw_only=True)
class Verdict:
    """What follows the end of an attempt."""

    status: JobStatus
    """The job's new status."""
    failures: int
    """Failed attempts, this one included."""
    losses: int
    """Lost attempts, this one included."""
    ooms: int = 0
    """Attempts that ran out of memory, this one included; ``needed`` tells what the next one needs."""
    cause: Cause | None = None
    """Why the attempt did not succeed."""
    delay: float = 0.0
    """Seconds before the job may be claimed again, if it is PENDING."""


def after_success(standing: Standing) -> Verdict:
    """Return what follows an attempt that succeeded: COMPLETED, or CANCELLED if that was asked for before."""
    if standing.cancel_requested:
        return _verdict(standing, JobStatus.CANCELLED, Cause.CANCELLED)
    return _verdict(standing, JobStatus.COMPLETED, None)


def after_failure(standing: Standing, cause: Cause, policy: RetryPolicy) -> Verdict:
    """Return what follows an attempt that failed for ``cause``.

    A cancelled one is CANCELLED; a lost one is judged by ``after_loss``; any other is retried after a back-off while
    the policy names its cause and has retries left, and is FAILED otherwise.
    """
    if standing.cancel_requested or cause is Cause.CANCELLED:
        return _verdict(standing, JobStatus.CANCELLED, Cause.CANCELLED)
    if cause is Cause.LOST:
        return after_loss(standing, policy)
    failures = standing.failures + 1
    if cause in policy.causes and failures <= policy.retries:
        status, delay = after_retry(standing.impossible), backoff(policy, standing.job_id, failures)
    else:
        status, delay = JobStatus.FAILED, 0.0
    ooms = standing.ooms + (cause is Cause.OOM)
    return Verdict(status=status, failures=failures, losses=standing.losses, ooms=ooms, cause=cause, delay=delay)


def after_loss(standing: Standing, policy: RetryPolicy) -> Verdict:
    """Return what follows a lost attempt: PENDING at once, or FAILED when more than ``max_losses`` were lost."""
    if standing.cancel_requested:
        return _verdict(standing, JobStatus.CANCELLED, Cause.CANCELLED)
    losses = standing.losses + 1
    status = JobStatus.FAILED if losses > policy.max_losses else after_retry(standing.impossible)
    return Verdict(status=status, failures=standing.failures, losses=losses, ooms=standing.ooms, cause=Cause.LOST)


def after_release(standing: Standing) -> Verdict:
    """Return what follows when a claimed job is given back: it waits again, or is CANCELLED if that was asked for."""
    if standing.cancel_requested:
        return _verdict(standing, JobStatus.CANCELLED, Cause.CANCELLED)
    return _verdict(standing, after_retry(standing.impossible), None)


def after_retry(impossible: int) -> JobStatus:
    """Return the status of a job that a person retries: PENDING, or BLOCKED while a dependency can never be met."""
    return JobStatus.BLOCKED if impossible else JobStatus.PENDING


def backoff(policy: RetryPolicy, job_id: int, failures: int) -> float:
    """Return the seconds to wait after the ``failures``-th failure: exponential, with jitter, at most max_delay."""
    if policy.delay == 0:
        return 0.0
    growth = (failures - 1) * math.log2(policy.factor)
    delay = min(policy.delay * 2**growth, policy.max_delay) if growth < MAX_GROWTH else policy.max_delay
    spread = zlib.crc32(f"{job_id}:{failures}".encode()) / 0xFFFFFFFF * 2 - 1
    return min(delay * (1 + policy.jitter * spread), policy.max_delay)


def attempt_status(verdict: Verdict) -> AttemptStatus:
    """Return the status of a reported attempt that led to this verdict."""
    match verdict.status:
        case JobStatus.COMPLETED:
            return AttemptStatus.COMPLETED
        case JobStatus.CANCELLED:
            return AttemptStatus.CANCELLED
        case _:
            return AttemptStatus.FAILED


def started_before(end: AttemptEnd, started: datetime | None, claimed: datetime, now: datetime) -> datetime | None:
    """Return when an attempt started that ended, if that is known.

    One whose start was never reported started as long ago as it says that it ran, at the earliest when it was claimed.
    """
    if started is None and end.duration is not None:
        return max(claimed, now - timedelta(seconds=end.duration))
    return started


def end_attempt(attempt: Attempt, end: AttemptEnd, verdict: Verdict, now: datetime) -> Attempt:
    """Return the attempt as it is once its reported end has led to this verdict."""
    return evolve(
        attempt,
        status=attempt_status(verdict),
        started_at=started_before(end, attempt.started_at, attempt.claimed_at, now),
        finished_at=now,
        expires_at=None,
        exit_code=end.exit_code,
        cause=verdict.cause,
        message=end.message,
        peak_memory=end.peak_memory,
        cpu_seconds=end.cpu_seconds,
    )


def lose_attempt(attempt: Attempt, cause: Cause | None, message: str, now: datetime) -> Attempt:
    """Return a live attempt as it is once it was lost, or its job was taken from it (then without a cause)."""
    return evolve(attempt, status=AttemptStatus.LOST, finished_at=now, expires_at=None, cause=cause, message=message)


def event_kind(verdict: Verdict) -> EventKind:
    """Return the kind of the one event that tells of this verdict."""
    return _KIND_OF_END.get(verdict.status) or _KIND_OF_RETURN.get(verdict.cause, EventKind.RETRYING)


def needed(requirement: Requirement, policy: RetryPolicy, ooms: int) -> Requirement:
    """Return what an attempt needs after ``ooms`` ran out of memory: the same, with more memory by the policy."""
    memory = required_memory(requirement.memory, policy, ooms)
    return requirement if memory == requirement.memory else evolve(requirement, memory=memory)


def required_memory(memory: int, policy: RetryPolicy, ooms: int) -> int:
    """Return the bytes that an attempt needs after ``ooms`` ended for lack of memory, at most 1 EiB."""
    if not ooms or not memory or policy.memory_factor == 1:
        return memory
    if math.log2(memory) + ooms * math.log2(policy.memory_factor) >= math.log2(MAX_MEMORY):
        return MAX_MEMORY
    return min(int(memory * policy.memory_factor**ooms), MAX_MEMORY)


def _verdict(standing: Standing, status: JobStatus, cause: Cause | None) -> Verdict:
    return _verdict_of(status, cause, standing.failures, standing.losses, standing.ooms)


@lru_cache(maxsize=1024)
def _verdict_of(status: JobStatus, cause: Cause | None, failures: int, losses: int, ooms: int) -> Verdict:
    """Return a verdict; most jobs of a batch get the same."""
    return Verdict(status=status, failures=failures, losses=losses, ooms=ooms, cause=cause)
