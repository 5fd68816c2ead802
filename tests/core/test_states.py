"""What follows from what: transitions, back-off, losses, memory."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core import strategies
from tests.core.strategies import NOW
from whatsnext_core.errors import IllegalTransitionError
from whatsnext_core.model import (
    Allocation,
    Attempt,
    AttemptEnd,
    AttemptStatus,
    Cause,
    EventKind,
    Job,
    JobStatus,
    Requirement,
    RetryPolicy,
    event_data,
)
from whatsnext_core.model.limits import MAX_MEMORY
from whatsnext_core.states import (
    REQUESTS,
    TRANSITIONS,
    Standing,
    Verdict,
    after_failure,
    after_loss,
    after_release,
    after_retry,
    after_success,
    attempt_status,
    backoff,
    check_request,
    check_transition,
    end_attempt,
    event_kind,
    lose_attempt,
    needed,
    required_memory,
)

S = JobStatus
standings = st.builds(
    Standing,
    job_id=strategies.ids,
    failures=st.integers(0, 5),
    losses=st.integers(0, 5),
    ooms=st.integers(0, 5),
    cancel_requested=st.booleans(),
    impossible=st.integers(0, 2),
)
causes = st.sampled_from(Cause)
ATTEMPT = Attempt(
    job_id=1,
    fence=2,
    status=AttemptStatus.CLAIMED,
    client_id="c",
    session_id="s",
    allocation=Allocation(),
    claimed_at=NOW,
    expires_at=NOW + timedelta(seconds=90),
)


@pytest.mark.parametrize("old", S)
@pytest.mark.parametrize("new", S)
def test_illegal_transition_says_from_to_and_why(old: JobStatus, new: JobStatus) -> None:
    if new in TRANSITIONS[old]:
        check_transition(7, old, new)
    else:
        with pytest.raises(IllegalTransitionError, match=f"Job 7 cannot go from {old} to {new}: .+"):
            check_transition(7, old, new)


@pytest.mark.parametrize("old", S)
@pytest.mark.parametrize("new", S)
def test_person_may_ask_only_for_legal_transitions(old: JobStatus, new: JobStatus) -> None:
    if new in REQUESTS[old]:
        assert new in TRANSITIONS[old]
        check_request(7, old, new)
    else:
        with pytest.raises(IllegalTransitionError, match=f"Job 7 cannot go from {old} to {new}: .+"):
            check_request(7, old, new)


def test_blocked_cannot_be_set_and_the_message_says_why() -> None:
    with pytest.raises(IllegalTransitionError, match="BLOCKED follows from dependencies"):
        check_request(7, S.PENDING, S.BLOCKED)


@given(strategies.jobs, st.integers(0, 3))
def test_standing_is_that_of_the_job(job: Job, impossible: int) -> None:
    found = Standing.of(job, impossible)
    assert (found.job_id, found.failures, found.losses, found.ooms) == (job.id, job.failures, job.losses, job.ooms)
    assert (found.cancel_requested, found.impossible) == (job.cancel_requested, impossible)


def verdicts_of(standing: Standing, cause: Cause, policy: RetryPolicy) -> list[Verdict]:
    """All that can follow the end of an attempt."""
    return [
        after_success(standing),
        after_failure(standing, cause, policy),
        after_loss(standing, policy),
        after_release(standing),
    ]


@given(standings, causes, strategies.policies)
def test_every_end_of_an_attempt_is_a_legal_transition(standing: Standing, cause: Cause, policy: RetryPolicy) -> None:
    for verdict in verdicts_of(standing, cause, policy):
        assert verdict.status in TRANSITIONS[S.RUNNING]
        assert verdict.status in TRANSITIONS[S.QUEUED]
        assert verdict.failures + verdict.losses <= standing.failures + standing.losses + 1
        assert 0 <= verdict.ooms - standing.ooms <= (cause is Cause.OOM)
        assert (verdict.status is S.BLOCKED) <= (standing.impossible > 0)
        assert (verdict.delay > 0) <= (verdict.status in {S.PENDING, S.BLOCKED})


@given(standings, causes, strategies.policies)
def test_job_that_was_to_be_cancelled_is_whatever_happens(
    standing: Standing, cause: Cause, policy: RetryPolicy
) -> None:
    for verdict in verdicts_of(standing, cause, policy):
        assert (verdict.status is S.CANCELLED) == (
            standing.cancel_requested or (cause is Cause.CANCELLED and verdict.cause is Cause.CANCELLED)
        )
        if verdict.status is S.CANCELLED:
            assert (verdict.failures, verdict.losses) == (standing.failures, standing.losses)


@given(standings, causes, strategies.policies)
def test_failure_is_retried_while_the_policy_allows(standing: Standing, cause: Cause, policy: RetryPolicy) -> None:
    verdict = after_failure(standing, cause, policy)
    if standing.cancel_requested or cause in {Cause.CANCELLED, Cause.LOST}:
        return
    assert verdict.failures == standing.failures + 1
    assert verdict.losses == standing.losses
    again = cause in policy.causes and verdict.failures <= policy.retries
    assert (verdict.status is S.FAILED) == (not again)
    assert verdict.cause is cause


@given(standings, strategies.policies)
def test_loss_never_spends_retries_and_ends_after_max_losses(standing: Standing, policy: RetryPolicy) -> None:
    verdict = after_loss(standing, policy)
    assert verdict == after_failure(standing, Cause.LOST, policy)
    assert (verdict.failures, verdict.delay) == (standing.failures, 0)
    if not standing.cancel_requested:
        assert verdict.losses == standing.losses + 1
        assert (verdict.status is S.FAILED) == (verdict.losses > policy.max_losses)


def test_retried_job_waits_or_is_blocked() -> None:
    assert (after_retry(0), after_retry(1)) == (S.PENDING, S.BLOCKED)


@given(strategies.policies, strategies.ids, st.integers(1, 2_000))
def test_back_off_is_repeatable_and_bounded(policy: RetryPolicy, job_id: int, failures: int) -> None:
    delay = backoff(policy, job_id, failures)
    assert delay == backoff(policy, job_id, failures)
    assert 0 <= delay <= policy.max_delay
    if policy.delay == 0:
        assert delay == 0


def test_back_off_grows_by_its_factor_and_is_spread_by_jitter() -> None:
    sharp = RetryPolicy(delay=10, factor=3, jitter=0, max_delay=1_000)
    assert [round(backoff(sharp, 1, failures)) for failures in (1, 2, 3, 4, 5, 2_000)] == [10, 30, 90, 270, 810, 1_000]
    spread = RetryPolicy(delay=100, jitter=0.5)
    found = {backoff(spread, job_id, 1) for job_id in range(100)}
    assert len(found) == 100
    assert 50 <= min(found) < 60
    assert 140 < max(found) <= 150


@given(strategies.bytes_of_memory, strategies.policies, st.integers(0, 10_000))
def test_memory_grows_with_each_lack_of_it_up_to_the_limit(memory: int, policy: RetryPolicy, ooms: int) -> None:
    found = required_memory(memory, policy, ooms)
    assert memory <= found <= MAX_MEMORY
    assert found <= required_memory(memory, policy, ooms + 1)
    if memory == 0 or ooms == 0 or policy.memory_factor == 1:
        assert found == memory


def test_needs_are_those_of_the_task_with_the_memory_of_the_next_attempt() -> None:
    requirement = Requirement(cpu=2, memory=1_000)
    assert needed(requirement, RetryPolicy(memory_factor=2), 0) is requirement
    assert needed(requirement, RetryPolicy(), 3) is requirement
    assert needed(requirement, RetryPolicy(memory_factor=2), 3) == Requirement(cpu=2, memory=8_000)
    assert required_memory(2**59, RetryPolicy(memory_factor=1.99), 1) == int(2**59 * 1.99)
    assert required_memory(2**59, RetryPolicy(memory_factor=2), 1) == MAX_MEMORY


@given(standings, causes, strategies.policies)
def test_each_verdict_is_one_kind_of_event_and_one_status_of_the_attempt(
    standing: Standing, cause: Cause, policy: RetryPolicy
) -> None:
    kinds = {
        S.COMPLETED: {EventKind.COMPLETED},
        S.FAILED: {EventKind.FAILED},
        S.CANCELLED: {EventKind.CANCELLED},
        S.PENDING: {EventKind.RETRYING, EventKind.LOST, EventKind.RELEASED},
        S.BLOCKED: {EventKind.RETRYING, EventKind.LOST, EventKind.RELEASED},
    }
    ends = {S.COMPLETED: AttemptStatus.COMPLETED, S.CANCELLED: AttemptStatus.CANCELLED}
    for verdict in verdicts_of(standing, cause, policy):
        assert event_kind(verdict) in kinds[verdict.status]
        assert (event_kind(verdict) is EventKind.LOST) <= (verdict.cause is Cause.LOST)
        assert attempt_status(verdict) is ends.get(verdict.status, AttemptStatus.FAILED)
    assert event_kind(after_release(Standing(job_id=1))) is EventKind.RELEASED


@given(strategies.ends)
def test_ended_attempt_keeps_what_was_reported(end: AttemptEnd) -> None:
    now = NOW + timedelta(seconds=60)
    verdict = Verdict(status=S.FAILED, failures=1, losses=0, cause=end.cause)
    found = end_attempt(ATTEMPT, end, verdict, now)
    assert (found.status, found.finished_at, found.expires_at) == (AttemptStatus.FAILED, now, None)
    assert (found.exit_code, found.cause, found.message) == (end.exit_code, end.cause, end.message)
    assert (found.peak_memory, found.cpu_seconds) == (end.peak_memory, end.cpu_seconds)
    if end.duration is None:
        assert found.started_at is None
    else:
        assert found.started_at == max(NOW, now - timedelta(seconds=end.duration))


def test_known_start_is_kept_and_a_lost_attempt_has_no_lease() -> None:
    started = NOW + timedelta(seconds=1)
    end = AttemptEnd(job_id=1, fence=2, succeeded=True, duration=50)
    verdict = Verdict(status=S.COMPLETED, failures=0, losses=0)
    known = Attempt(
        job_id=1,
        fence=2,
        status=AttemptStatus.RUNNING,
        client_id=None,
        session_id=None,
        allocation=Allocation(),
        claimed_at=NOW,
        started_at=started,
    )
    assert end_attempt(known, end, verdict, NOW + timedelta(seconds=60)).started_at == started
    lost = lose_attempt(ATTEMPT, Cause.LOST, "gone", started)
    assert (lost.status, lost.cause, lost.message) == (AttemptStatus.LOST, Cause.LOST, "gone")
    assert (lost.finished_at, lost.expires_at) == (started, None)


def test_data_of_an_event_has_only_keys_with_values() -> None:
    assert event_data() == {}
    found = event_data(S.RUNNING, S.PENDING, fence=3, client="c", cause=Cause.OOM, exit_code=0, delay=1.23456)
    assert list(found.items()) == [
        ("from", "RUNNING"),
        ("to", "PENDING"),
        ("fence", 3),
        ("client", "c"),
        ("cause", "oom"),
        ("exit_code", 0),
        ("delay", 1.235),
    ]
    assert all(type(value) in {str, int, float} for value in found.values())
