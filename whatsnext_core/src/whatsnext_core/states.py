"""The states of a job: which changes are legal, and what follows the end of an attempt.

One table, pure functions. The jitter of a back-off is derived from the job and the number of its failures, so that the
same history always gives the same delay.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from whatsnext_core.errors import IllegalTransitionError
from whatsnext_core.model.retry import RetryPolicy
from whatsnext_core.model.status import Cause, JobStatus

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

_REASONS: Final[Mapping[JobStatus, str]] = {
    _S.PENDING: "it waits and no client has claimed it; a client claims it first (QUEUED), or cancel it",
    _S.BLOCKED: "a dependency can never be met; retry that job, change 'depends', or cancel this one",
    _S.QUEUED: "a client has claimed it; it can start, end, or be cancelled",
    _S.RUNNING: "it runs; it can end or be cancelled",
    _S.COMPLETED: "it has completed, which is final; submit a new job to run it again",
    _S.FAILED: "it has failed; retry it (status PENDING) to run it again",
    _S.CANCELLED: "it was cancelled; retry it (status PENDING) to run it again",
}


def check_transition(job_id: int, old: JobStatus, new: JobStatus) -> None:
    """Raise IllegalTransitionError, saying from, to and why, unless ``old`` to ``new`` is in the table."""
    if new not in TRANSITIONS[old]:
        raise IllegalTransitionError(f"Job {job_id} cannot go from {old} to {new}: {_REASONS[old]}.")


@frozen(kw_only=True)
class Standing:
    """The part of a job that decides what follows the end of its attempt."""

    job_id: int
    """The job."""
    failures: int = 0
    """Failed attempts so far."""
    losses: int = 0
    """Lost attempts so far."""
    cancel_requested: bool = False
    """Whether a person asked to cancel it."""
    impossible: int = 0
    """Dependencies that can never be met now (their jobs were retried or changed meanwhile)."""


@frozen(kw_only=True)
class Verdict:
    """What follows the end of an attempt."""

    status: JobStatus
    """The job's new status."""
    failures: int
    """Failed attempts, this one included."""
    losses: int
    """Lost attempts, this one included."""
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

    A cancelled one is CANCELLED; a lost one is judged by ``after_loss``; any other is retried after a back-off while the
    policy names its cause and has retries left, and is FAILED otherwise.
    """
    if standing.cancel_requested or cause is Cause.CANCELLED:
        return _verdict(standing, JobStatus.CANCELLED, Cause.CANCELLED)
    if cause is Cause.LOST:
        return after_loss(standing, policy)
    failures = standing.failures + 1
    if cause in policy.causes and failures <= policy.retries:
        delay = backoff(policy, standing.job_id, failures)
        return Verdict(status=_again(standing), failures=failures, losses=standing.losses, cause=cause, delay=delay)
    return Verdict(status=JobStatus.FAILED, failures=failures, losses=standing.losses, cause=cause)


def after_loss(standing: Standing, policy: RetryPolicy) -> Verdict:
    """Return what follows a lost attempt: PENDING at once, or FAILED when more than ``max_losses`` were lost."""
    if standing.cancel_requested:
        return _verdict(standing, JobStatus.CANCELLED, Cause.CANCELLED)
    losses = standing.losses + 1
    status = JobStatus.FAILED if losses > policy.max_losses else _again(standing)
    return Verdict(status=status, failures=standing.failures, losses=losses, cause=Cause.LOST)


def after_retry(impossible: int) -> JobStatus:
    """Return the status of a job that a person retries: PENDING, or BLOCKED while a dependency can never be met."""
    return JobStatus.BLOCKED if impossible else JobStatus.PENDING


def backoff(policy: RetryPolicy, job_id: int, failures: int) -> float:
    """Return the seconds to wait after the ``failures``-th failure: exponential, spread by jitter, at most max_delay."""
    exponent = min(failures - 1, 1000)
    try:
        delay = min(policy.delay * policy.factor**exponent, policy.max_delay)
    except OverflowError:
        delay = policy.max_delay
    spread = zlib.crc32(f"{job_id}:{failures}".encode()) / 0xFFFFFFFF * 2 - 1
    return min(delay * (1 + policy.jitter * spread), policy.max_delay)


def required_memory(memory: int, policy: RetryPolicy, oom_failures: int) -> int:
    """Return the bytes that an attempt needs after ``oom_failures`` ended for lack of memory."""
    return min(int(memory * policy.memory_factor**oom_failures), 2**60)


def _verdict(standing: Standing, status: JobStatus, cause: Cause | None) -> Verdict:
    return Verdict(status=status, failures=standing.failures, losses=standing.losses, cause=cause)


def _again(standing: Standing) -> JobStatus:
    return after_retry(standing.impossible)
