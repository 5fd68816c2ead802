"""Scenarios of attempts that are lost, handed on, given back or cancelled."""

from __future__ import annotations

from datetime import timedelta

import pytest

from whatsnext_core.model import AttemptRef, AttemptStatus, Cause, EventKind, JobStatus, RetryPolicy
from whatsnext_core.states import CLIENT_DELETED, GIVEN_BACK_BY_CLIENT, LEASE_LAPSED
from whatsnext_core.testing.storage.base import StorageFixtures
from whatsnext_core.testing.storage.story import LEASE, STEADY, Story, ref_of

S = JobStatus


class LossScenarios(StorageFixtures):
    """A: attempts that do not end by themselves."""

    def test_lapsed_lease_returns_the_job_at_once(self, story: Story) -> None:
        """A12 (states.after_loss): a loss is no failure."""
        job = story.job(story.task(retry=RetryPolicy(delay=10)))
        taken = story.take()
        story.start(taken)
        story.tick(89)
        assert story.settle().next_at == story.now + timedelta(seconds=1)
        story.tick(1)
        assert story.status(job) is S.RUNNING
        assert story.settle().next_at is None
        seen = story.see(job)
        assert (seen.status, seen.failures, seen.losses) == (S.PENDING, 0, 1)
        assert (seen.cause, seen.message, seen.not_before) == (Cause.LOST, LEASE_LAPSED, None)
        (attempt,) = story.attempts(job)
        assert (attempt.status, attempt.cause, attempt.message) == (AttemptStatus.LOST, Cause.LOST, LEASE_LAPSED)
        assert (attempt.finished_at, attempt.expires_at) == (story.now, None)
        event = story.events(job)[-1]
        assert event.kind is EventKind.LOST
        assert event.data == {"from": "RUNNING", "to": "PENDING", "fence": 1, "client": "worker", "cause": "lost"}
        assert story.ready() == [job]
        assert not story.end(taken).accepted
        assert story.take().fence == 2

    def test_too_many_losses_fail_the_job(self, story: Story) -> None:
        """A13 (RetryPolicy.max_losses): lost once more than that."""
        job = story.job(story.task(retry=RetryPolicy(max_losses=2)))
        for losses in (1, 2):
            story.take()
            story.tick(90)
            story.settle()
            assert (story.see(job).losses, story.status(job)) == (losses, S.PENDING)
        story.take()
        story.tick(90)
        story.settle()
        seen = story.see(job)
        assert (seen.status, seen.cause, seen.losses, seen.failures) == (S.FAILED, Cause.LOST, 3, 0)
        assert story.kinds(job)[-1] is EventKind.FAILED
        story.retry(job)
        assert story.see(job).losses == 0

    def test_loss_that_the_client_reports_counts_as_one(self, story: Story) -> None:
        """A14 (states.after_failure): and its report can be repeated."""
        job = story.job(story.task())
        taken = story.take()
        assert story.end(taken, Cause.LOST, message="node down").status is S.PENDING
        seen = story.see(job)
        assert (seen.failures, seen.losses, seen.message) == (0, 1, "node down")
        assert story.attempts(job)[0].status is AttemptStatus.FAILED
        assert story.kinds(job)[-1] is EventKind.LOST
        assert story.end(taken, Cause.LOST).accepted
        assert story.see(job) == seen

    def test_late_client_keeps_its_attempt_until_settle_has_seen_the_lapse(self, story: Story) -> None:
        """A15 (Writer.settle): a renewal or an end that comes before still counts."""
        task = story.task()
        renewed, ended = story.jobs(task, 2)
        story.client()
        first, second = story.claim()
        story.tick(500)
        renewal = story.renew(ref_of(first))
        assert renewal.renewed == ((renewed, 1),)
        assert story.end(second).accepted
        story.settle()
        assert story.statuses([renewed, ended]) == [S.QUEUED, S.COMPLETED]

    def test_new_session_adopts_what_still_runs(self, story: Story) -> None:
        """A16 (Writer.adopt): only attempts of the same client; the old session has lost them."""
        task = story.task()
        jobs = story.jobs(task, 4)
        story.client()
        story.client("other")
        mine, ended = story.claim(limit=2, session="old", request=1)
        (foreign,) = story.claim("other", limit=1, session="old")
        story.end(ended, session="old")
        refs = [ref_of(each) for each in (mine, ended, foreign)]
        story.tick(50)
        renewal = story.write(lambda writer: writer.adopt(refs, "worker", "new", LEASE, story.now))
        assert (renewal.renewed, renewal.gone) == (((mine.job.id, 1),), ((ended.job.id, 1), (foreign.job.id, 1)))
        (attempt,) = story.attempts(mine.job.id)
        assert (attempt.session_id, attempt.request) == ("new", None)
        assert attempt.expires_at == story.now + LEASE
        again = story.write(lambda writer: writer.adopt(refs[:1], "worker", "new", LEASE, story.now))
        assert again.renewed == ((mine.job.id, 1),)
        assert not story.end(mine, session="old").accepted
        assert [each.job.id for each in story.claim(session="new", request=1)] == [jobs[3]]
        assert story.end(mine, session="new").accepted

    def test_session_gives_back_what_it_did_not_start(self, story: Story) -> None:
        """A17 (Writer.release): neither a failure nor a loss; one that was to be cancelled is."""
        task = story.task()
        job, cancelled = story.jobs(task, 2)
        story.client()
        taken = [ref_of(each) for each in story.claim()]
        story.cancel(cancelled)
        strange = AttemptRef(job_id=job, fence=9)
        assert story.write(lambda writer: writer.release([strange, *taken], "session", story.now)) == [strange]
        seen = story.see(job)
        assert (seen.status, seen.failures, seen.losses, seen.cause) == (S.PENDING, 0, 0, None)
        (attempt,) = story.attempts(job)
        assert (attempt.status, attempt.message, attempt.cause) == (AttemptStatus.LOST, GIVEN_BACK_BY_CLIENT, None)
        assert story.events(job)[-1].kind is EventKind.RELEASED
        assert story.events(job)[-1].data == {"from": "QUEUED", "to": "PENDING", "fence": 1, "client": "worker"}
        assert story.status(cancelled) is S.CANCELLED
        assert story.ready() == [job]
        assert not story.end(taken[0]).accepted

    def test_deleted_client_loses_its_attempts(self, story: Story) -> None:
        """A18 (Writer.delete_client): those without a lease too; jobs and attempts remember it."""
        task = story.task()
        leased, unleased, other = story.jobs(task, 3)
        story.client()
        story.client("other")
        story.claim(limit=1)
        story.claim(limit=1, session=None, lease=None)
        story.claim("other")
        story.write(lambda writer: writer.delete_client("worker", story.now))
        assert story.statuses([leased, unleased, other]) == [S.PENDING, S.PENDING, S.QUEUED]
        for job in (leased, unleased):
            seen = story.see(job)
            assert (seen.losses, seen.message, seen.client_id) == (1, CLIENT_DELETED, "worker")
            (attempt,) = story.attempts(job)
            assert (attempt.status, attempt.client_id) == (AttemptStatus.LOST, "worker")

    def test_no_lease_lapses_right_after_a_time_without_server(self, story: Story) -> None:
        """A20 (Writer.attend): those who hold one get one whole lease to be heard."""
        assert story.attend(gap=100) is None
        heard, silent, later = story.jobs(story.task(), 3)
        story.client()
        first, second = story.claim(limit=2)
        story.tick(1_000)
        assert story.attend(gap=100) == timedelta(seconds=1_000)
        back = story.now
        assert story.attend(gap=100) is None
        assert story.settle().next_at == back + LEASE
        story.tick(89)
        story.attend(gap=100)
        assert story.settle().next_at == back + LEASE
        assert story.renew(ref_of(first)).renewed == ((heard, 1),)
        (third,) = story.claim(lease=timedelta(seconds=5))
        story.tick(1)
        story.attend(gap=100)
        assert story.settle().next_at == story.now + timedelta(seconds=4)
        assert story.statuses([heard, silent, later]) == [S.QUEUED, S.PENDING, S.QUEUED]
        assert (story.end(second).accepted, story.end(third).accepted) == (False, True)

    def test_leases_lapse_while_a_server_is_there(self, story: Story) -> None:
        """A21 (attendance.attend): an absence that is not longer than the gap puts nothing off."""
        story.attend()
        job = story.job(story.task())
        story.take()
        for _ in range(3):
            story.tick(30)
            assert story.attend() is None
        assert story.settle().next_at is None
        assert story.status(job) is S.PENDING

    def test_clock_that_was_set_back_is_no_absence(self, story: Story) -> None:
        """A22 (attendance.attend): and what is noted then goes by the new time."""
        story.attend()
        story.tick(-1_000)
        assert story.attend() is None
        story.tick(31)
        assert story.attend() == timedelta(seconds=31)

    @pytest.mark.parametrize("end", ["cancelled", "succeeded", "failed", "lapsed"])
    def test_cancelled_attempt_ends_its_job_however_it_ends(self, story: Story, end: str) -> None:
        """A19 (Writer.cancel): the job is CANCELLED when the client confirms, or its lease lapses."""
        task = story.task(retry=STEADY)
        job = story.job(task)
        child = story.job(task, after=[job])
        taken = story.take()
        story.start(taken)
        story.tick(1)
        (seen,) = story.cancel(job)
        assert (seen.status, seen.cancel_requested, seen.updated_at) == (S.RUNNING, True, story.now)
        event = story.events(job)[-1]
        assert (event.kind, event.data) == (EventKind.CANCEL_REQUESTED, {"fence": 1, "client": "worker"})
        story.tick(1)
        story.cancel(job)
        assert story.see(job) == seen
        renewal = story.renew(ref_of(taken))
        assert renewal.cancel == renewal.renewed == ((job, 1),)
        if end == "lapsed":
            story.tick(90)
            story.settle()
        else:
            cause = {"cancelled": Cause.CANCELLED, "failed": Cause.EXIT, "succeeded": None}[end]
            assert story.end(taken, cause).status is S.CANCELLED
        seen = story.see(job)
        assert (seen.status, seen.cause, seen.cancel_requested) == (S.CANCELLED, Cause.CANCELLED, False)
        assert (seen.failures, seen.losses, seen.finished_at) == (0, 0, story.now)
        assert story.kinds(job)[-1] is EventKind.CANCELLED
        (attempt,) = story.attempts(job)
        assert attempt.status is (AttemptStatus.LOST if end == "lapsed" else AttemptStatus.CANCELLED)
        assert story.status(child) is S.BLOCKED
