"""Scenarios of attempts: started, renewed, ended."""

from __future__ import annotations

from datetime import timedelta
from operator import methodcaller
from typing import Any

from whatsnext_core.model import (
    AttemptEnd,
    AttemptRef,
    AttemptStart,
    AttemptStatus,
    Cause,
    EventKind,
    JobStatus,
    RetryPolicy,
)
from whatsnext_core.states import backoff
from whatsnext_core.storage import JobQuery
from whatsnext_core.testing.storage.base import StorageFixtures
from whatsnext_core.testing.storage.story import STEADY, Story, ref_of

S = JobStatus


class AttemptScenarios(StorageFixtures):
    """A: attempts that start, go on and end."""

    def test_start_is_noted_once(self, story: Story) -> None:
        """A01 (Writer.start): a repeat changes nothing but the handle."""
        job = story.job(story.task())
        taken = story.take()
        story.tick(1)
        began = story.now
        assert story.start(taken) == []
        story.tick(1)
        start = AttemptStart(job_id=job, fence=1, handle={"pid": 17, "since": 1.5})
        assert story.write(lambda writer: writer.start([start], "session", story.now)) == []
        assert story.start(taken) == []
        seen = story.see(job)
        assert (seen.status, seen.started_at, seen.updated_at) == (S.RUNNING, began, began)
        (attempt,) = story.attempts(job)
        assert (attempt.status, attempt.started_at) == (AttemptStatus.RUNNING, began)
        assert attempt.handle == {"pid": 17, "since": 1.5}
        event = story.events(job)[-1]
        assert (event.kind, event.at) == (EventKind.STARTED, began)
        assert event.data == {"from": "QUEUED", "to": "RUNNING", "fence": 1, "client": "worker"}
        assert len(story.events(job)) == 3

    def test_session_is_told_which_attempts_are_not_its_own(self, story: Story) -> None:
        """A02 (Writer.start, renew): those of another session, unknown, ended or with an old fence."""
        task = story.task()
        mine, ended, _ = story.jobs(task, 3)
        story.client()
        first, second = story.claim(limit=2)
        (other,) = story.claim(session="other")
        story.end(second)
        strange = [
            AttemptRef(job_id=999_999, fence=1),
            AttemptRef(job_id=mine, fence=2),
            AttemptRef(job_id=ended, fence=1),
            ref_of(other),
        ]
        assert story.start(strange[0], first, *strange[1:]) == strange
        refs = [*strange, ref_of(first)]
        story.tick(1)
        renewal = story.renew(*refs)
        assert renewal.renewed == ((mine, 1),)
        assert renewal.gone == tuple((ref.job_id, ref.fence) for ref in strange)
        assert renewal.cancel == ()

    def test_renewal_lengthens_the_lease(self, story: Story) -> None:
        """A03 (Writer.renew): from now on, for as long as it says."""
        job = story.job(story.task())
        taken = story.take()
        before = story.see(job)
        story.tick(80)
        lease = timedelta(seconds=200)
        story.write(lambda writer: writer.renew([ref_of(taken)], "session", lease, story.now))
        (attempt,) = story.attempts(job)
        assert attempt.expires_at == story.now + lease
        assert story.settle().next_at == story.now + lease
        story.tick(199)
        assert story.settle().steps == 0
        assert story.see(job) == before

    def test_success_completes_the_job(self, story: Story) -> None:
        """A04 (Writer.finish): with all that was reported."""
        job = story.job(story.task())
        taken = story.take()
        story.start(taken)
        began = story.now
        story.tick(5)
        result = {"loss": 0.5, "whole": 1.0, "names": ["ü", None]}
        outcome = story.end(
            taken, exit_code=0, message="fine", peak_memory=2**60, cpu_seconds=1.25, duration=99, result=result
        )
        assert (outcome.job_id, outcome.fence, outcome.accepted, outcome.status) == (job, 1, True, S.COMPLETED)
        seen = story.see(job)
        assert (seen.status, seen.cause, seen.message, seen.exit_code) == (S.COMPLETED, None, "fine", 0)
        assert (seen.started_at, seen.finished_at, seen.updated_at) == (began, story.now, story.now)
        assert (seen.result, type(seen.result["whole"])) == (result, float)
        (attempt,) = story.attempts(job)
        assert (attempt.status, attempt.exit_code, attempt.cause) == (AttemptStatus.COMPLETED, 0, None)
        assert (attempt.started_at, attempt.finished_at, attempt.expires_at) == (began, story.now, None)
        assert (attempt.peak_memory, attempt.cpu_seconds, attempt.message) == (2**60, 1.25, "fine")
        assert story.read(lambda reader: reader.live_attempts("worker")) == []
        event = story.events(job)[-1]
        assert event.kind is EventKind.COMPLETED
        assert event.data == {"from": "RUNNING", "to": "COMPLETED", "fence": 1, "client": "worker", "exit_code": 0}

    def test_unreported_start_is_worked_out(self, story: Story) -> None:
        """A05 (states.end_attempt): from the duration, at the earliest from the claim."""
        task = story.task()
        jobs = story.jobs(task, 3)
        story.client()
        taken = story.claim()
        claimed = story.now
        story.tick(10)
        for each, duration in zip(taken, (4.5, 11.0, None), strict=True):
            story.end(each, duration=duration)
        starts = [story.see(job).started_at for job in jobs]
        assert starts == [story.now - timedelta(seconds=4.5), claimed, None]
        assert [story.attempts(job)[0].started_at for job in jobs] == starts

    def test_stale_end_changes_nothing(self, story: Story) -> None:
        """A06 (Writer.finish): an old fence, another session, a job that is gone."""
        task = story.task()
        job, gone = story.jobs(task, 2)
        story.client()
        first, second = story.claim()
        story.tick(100)
        story.settle()
        story.delete(gone)
        (again,) = story.claim()
        before = story.see(job), story.events()
        for ref, session, status in (
            (ref_of(first), "session", S.QUEUED),
            (ref_of(again), "other", S.QUEUED),
            (ref_of(again), None, S.QUEUED),
            (AttemptRef(job_id=job, fence=3), "session", S.QUEUED),
            (ref_of(second), "session", None),
            (AttemptRef(job_id=999_999, fence=1), "session", None),
        ):
            outcome = story.end(ref, session=session)
            assert (outcome.accepted, outcome.status) == (False, status)
            assert str(ref.job_id) in outcome.reason
        assert (story.see(job), story.events()) == before
        assert story.end(again).accepted

    def test_repeated_end_is_accepted_without_effect(self, story: Story) -> None:
        """A07 (Writer.finish): whatever it says the second time."""
        task = story.task(retry=STEADY)
        done, failed = story.jobs(task, 2)
        story.client()
        first, second = story.claim()
        story.end(first, result="first")
        story.end(second, Cause.EXIT)
        before = story.see(done), story.see(failed), story.events()
        story.tick(1)
        again = story.end(first, Cause.EXIT, result="second")
        assert (again.accepted, again.status, again.reason) == (True, S.COMPLETED, "")
        assert story.end(second).status is S.PENDING
        assert (story.see(done), story.see(failed), story.events()) == before
        assert not story.end(first, session="other").accepted

    def test_ends_are_taken_in_in_their_order(self, story: Story) -> None:
        """A08 (Writer.finish): good, bad, stale and twice the same in one call."""
        task = story.task()
        one, two = story.jobs(task, 2)
        child = story.job(task, after=[one])
        story.client()
        story.claim()
        ends = [
            AttemptEnd(job_id=two, fence=1, succeeded=False, cause=Cause.EXIT, exit_code=3),
            AttemptEnd(job_id=999_999, fence=1, succeeded=True),
            AttemptEnd(job_id=one, fence=1, succeeded=True),
            AttemptEnd(job_id=one, fence=1, succeeded=False, cause=Cause.EXIT),
        ]
        outcomes = story.write(lambda writer: writer.finish(ends, "session", story.now))
        assert [(outcome.job_id, outcome.accepted, outcome.status) for outcome in outcomes] == [
            (two, True, S.FAILED),
            (999_999, False, None),
            (one, True, S.COMPLETED),
            (one, True, S.COMPLETED),
        ]
        assert story.ready() == [child]

    def test_each_end_of_a_call_keeps_what_is_its_own(self, story: Story) -> None:
        """A23 (Writer.finish): however much it is like the ones around it."""
        policy = RetryPolicy(retries=1, delay=100, jitter=0.5)
        task = story.task(retry=policy)
        jobs = story.jobs(task, 9)
        story.client(cpu=9)
        story.claim(cpu=9)
        story.tick(10)
        story.cancel(jobs[2])
        given: list[dict[str, Any]] = [
            {"message": "first", "duration": 1.0, "result": {"x": 1}, "peak_memory": 5},
            {"message": "second", "duration": 2.0, "result": {"x": 1.0}, "cpu_seconds": 0.5},
            {},
            {"result": True},
            {"exit_code": 3},
            {"cause": Cause.EXIT, "exit_code": 3, "message": "broken"},
            {"cause": Cause.EXIT, "exit_code": 3},
            {"cause": Cause.OOM, "exit_code": 3},
            {"exit_code": 3},
        ]
        ends = [
            AttemptEnd(job_id=job, fence=1, succeeded="cause" not in end, **end)
            for job, end in zip(jobs, given, strict=True)
        ]
        outcomes = story.write(lambda writer: writer.finish(ends, "session", story.now))
        statuses = [S.COMPLETED, S.COMPLETED, S.CANCELLED, S.COMPLETED, S.COMPLETED, *[S.PENDING] * 3, S.COMPLETED]
        assert [(outcome.job_id, outcome.status) for outcome in outcomes] == list(zip(jobs, statuses, strict=True))
        seen = [story.see(job) for job in jobs]
        assert [job.status for job in seen] == statuses
        assert [job.message for job in seen] == [end.message for end in ends]
        assert [job.exit_code for job in seen] == [end.exit_code for end in ends]
        assert [repr(job.result) for job in seen] == [repr(end.result) for end in ends]
        assert [(job.failures, job.ooms) for job in seen[4:]] == [(0, 0), (1, 0), (1, 0), (1, 1), (0, 0)]
        starts = [story.now - timedelta(seconds=1), story.now - timedelta(seconds=2), *[None] * 7]
        assert [job.started_at for job in seen] == starts
        waits = [story.now + timedelta(seconds=backoff(policy, job, 1)) for job in jobs[5:8]]
        assert [job.not_before for job in seen] == [*[None] * 5, *waits, None]
        (tried,) = zip(*(story.attempts(job) for job in jobs), strict=True)
        assert [(each.started_at, each.message) for each in tried] == list(
            zip(starts, [end.message for end in ends], strict=True)
        )
        assert [each.peak_memory for each in tried] == [5, *[None] * 8]
        assert [each.cpu_seconds for each in tried] == [None, 0.5, *[None] * 7]
        told = story.events()[-len(jobs) :]
        assert [(event.job_id, event.data["to"]) for event in told] == list(zip(jobs, statuses, strict=True))
        assert [event.data.get("exit_code") for event in told] == [end.exit_code for end in ends]
        assert len({event.data["delay"] for event in told[5:8]}) == 3
        counts = story.counts(task.project_id)
        for status in {*statuses}:
            query = JobQuery(project_id=task.project_id, statuses={status})
            listed = {job.id for job in story.read(methodcaller("jobs", query))}
            assert listed == {job.id for job in seen if job.status is status}
            assert counts[status] == len(listed)

    def test_failed_job_is_tried_again_by_its_policy(self, story: Story) -> None:
        """A09 (states.after_failure): back-off, then FAILED; each attempt is kept."""
        job = story.job(story.task(retry=STEADY))
        story.client()
        for failures, delay in ((1, 10), (2, 20)):
            (taken,) = story.claim()
            assert taken.fence == failures
            story.start(taken)
            outcome = story.end(taken, Cause.EXIT, exit_code=7, message="broken")
            assert outcome.status is S.PENDING
            seen = story.see(job)
            assert (seen.failures, seen.cause, seen.exit_code, seen.message) == (failures, Cause.EXIT, 7, "broken")
            assert seen.not_before == story.now + timedelta(seconds=delay)
            assert (seen.attempt, seen.client_id, seen.finished_at) == (failures, "worker", story.now)
            event = story.events(job)[-1]
            assert event.kind is EventKind.RETRYING
            assert event.data == {
                "from": "RUNNING",
                "to": "PENDING",
                "fence": failures,
                "client": "worker",
                "cause": "exit",
                "exit_code": 7,
                "delay": delay,
            }
            story.tick(delay)
            story.settle()
        (taken,) = story.claim()
        seen = story.see(job)
        assert (seen.started_at, seen.finished_at, seen.cause) == (None, None, Cause.EXIT)
        assert story.end(taken, Cause.TIMEOUT, exit_code=-15).status is S.FAILED
        seen = story.see(job)
        assert (seen.failures, seen.cause, seen.exit_code, seen.not_before) == (3, Cause.TIMEOUT, -15, None)
        attempts = story.attempts(job)
        assert [(attempt.fence, attempt.status, attempt.cause) for attempt in attempts] == [
            (1, AttemptStatus.FAILED, Cause.EXIT),
            (2, AttemptStatus.FAILED, Cause.EXIT),
            (3, AttemptStatus.FAILED, Cause.TIMEOUT),
        ]
        assert story.kinds(job)[-1] is EventKind.FAILED

    def test_cause_that_is_not_retried_fails_the_job_at_once(self, story: Story) -> None:
        """A10 (RetryPolicy.causes): and a policy without delay tries again at once."""
        policy = RetryPolicy(retries=5, delay=0, causes=frozenset({Cause.EXIT}))
        job = story.job(story.task(retry=policy))
        assert story.end(story.take(), Cause.EXIT).status is S.PENDING
        assert (story.ready(), story.see(job).not_before) == ([job], None)
        assert story.end(story.take(), Cause.FORMAT_ERROR).status is S.FAILED
        assert story.see(job).cause is Cause.FORMAT_ERROR

    def test_memory_grows_after_running_out_of_it(self, story: Story) -> None:
        """A11 (states.needed): the job moves to the line of the larger requirement; a retry by a person forgets it."""
        policy = RetryPolicy(retries=3, delay=0, memory_factor=1.5)
        job = story.job(story.task(retry=policy, memory=1_000))
        for memory in (1_000, 1_500, 2_250):
            taken = story.take()
            assert taken.allocation.memory == memory
            story.end(taken, Cause.OOM)
        assert story.see(job).ooms == 3
        story.client()
        assert story.change(job, status=S.QUEUED).status is S.QUEUED
        assert story.attempts(job)[-1].allocation.memory == 3_375
        story.change(job, status=S.FAILED)
        story.retry(job)
        assert story.see(job).ooms == 0
        assert story.take().allocation.memory == 1_000
