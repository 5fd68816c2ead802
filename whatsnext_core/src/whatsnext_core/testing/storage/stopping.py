"""Scenarios of jobs that take their siblings with them when they fail."""

from __future__ import annotations

import pytest

from whatsnext_core.model import Assignment, Cause, Condition, EventKind, JobSpec, JobStatus, RetryPolicy
from whatsnext_core.states import CANCELLED_BY_HAND
from whatsnext_core.testing.storage.base import StorageFixtures
from whatsnext_core.testing.storage.story import Story

S = JobStatus


def promise(story: Story, taken: Assignment) -> None:
    """Report that an attempt ended itself, and wants its siblings to stop."""
    assert story.end(taken, Cause.PROMISED, message="loss is NaN", stop_siblings=True).accepted


class StoppingScenarios(StorageFixtures):
    """B: brothers and sisters."""

    @pytest.mark.parametrize("limit", [1, 2, 100])
    def test_siblings_are_cancelled(self, story: Story, limit: int) -> None:
        """B01 (Writer.finish, Writer.settle): those that wait at once, those that run by order; others go on."""
        task = story.task()
        sweep, other = story.jobs(task, 5), story.job(task)
        best = story.job(task, after=sweep)
        story.client()
        taken = story.claim(limit=3)
        story.start(*taken)
        story.end(taken[2])
        promise(story, taken[0])
        story.settle(limit)
        assert story.statuses(sweep) == [S.FAILED, S.RUNNING, S.COMPLETED, S.CANCELLED, S.CANCELLED]
        failed, running, _, waited, _ = map(story.see, sweep)
        assert (failed.cause, failed.message) == (Cause.PROMISED, "loss is NaN")
        assert running.cancel_requested
        assert (waited.cause, waited.message) == (Cause.CANCELLED, CANCELLED_BY_HAND)
        assert (story.status(best), story.status(other)) == (S.BLOCKED, S.PENDING)
        assert story.kinds(best) == [EventKind.SUBMITTED, EventKind.BLOCKED]
        assert story.kinds(sweep[1])[-1] is EventKind.CANCEL_REQUESTED
        story.end(taken[1], Cause.CANCELLED)
        assert story.status(sweep[1]) is S.CANCELLED
        assert not story.settle().more

    def test_child_that_waits_for_any_end_runs_then(self, story: Story) -> None:
        """B02 (Writer.settle): when the last of the siblings is cancelled."""
        task = story.task()
        sweep = story.jobs(task, 3)
        best = story.job(task, after=sweep, condition=Condition.FINISHED)
        story.client()
        promise(story, story.claim(limit=1)[0])
        story.settle()
        assert story.statuses(sweep) == [S.FAILED, S.CANCELLED, S.CANCELLED]
        assert story.ready() == [best]

    def test_only_a_job_that_failed_for_good_stops_siblings(self, story: Story) -> None:
        """B03 (Writer.finish): not while its policy retries it, nor when it was to be cancelled itself."""
        policy = RetryPolicy(retries=1, delay=0, causes=frozenset({Cause.PROMISED}))
        task = story.task(retry=policy)
        sweep = story.jobs(task, 3)
        story.job(task, after=sweep)
        story.client()
        promise(story, story.claim(limit=1)[0])
        story.settle()
        assert story.statuses(sweep) == [S.PENDING] * 3
        first, second, _ = story.claim()
        story.cancel(second.job.id)
        promise(story, second)
        story.settle()
        assert story.statuses(sweep) == [S.QUEUED, S.CANCELLED, S.QUEUED]
        promise(story, first)
        story.settle()
        assert story.see(sweep[2]).cancel_requested

    def test_job_that_waits_for_the_failed_one_is_no_sibling(self, story: Story) -> None:
        """B04 (Writer.settle): it may be there to clean up; and who waits for nothing common is no sibling either."""
        task = story.task()
        one, two = story.jobs(task, 2)
        cleanup = story.job(task, after=[one], condition=Condition.FAILURE)
        story.job(task, after=[one, two, cleanup], condition=Condition.FINISHED)
        apart = story.job(task)
        story.job(task, after=[apart, two])
        story.client()
        promise(story, story.claim(limit=1)[0])
        story.settle()
        assert story.statuses([two, cleanup, apart]) == [S.CANCELLED, S.PENDING, S.PENDING]
        assert story.ready() == [cleanup, apart]

    def test_siblings_that_wait_for_each_other_are_cancelled_all_the_same(self, story: Story) -> None:
        """B05 (Writer.settle): whatever the size of the steps, none of them is BLOCKED in between."""
        task = story.task()
        one, two = story.jobs(task, 2)
        three = story.job(task, after=[two])
        four = story.job(task, after=[three])
        story.job(task, after=[one, four, three, two])
        story.client()
        promise(story, story.claim(limit=1)[0])
        story.settle(1)
        for job in (two, three, four):
            assert story.kinds(job) == [EventKind.SUBMITTED, EventKind.CANCELLED]

    def test_jobs_that_nobody_waits_for_any_more_are_no_siblings(self, story: Story) -> None:
        """B06 (Writer.finish): the common child was cancelled, or has lost its parents."""
        task = story.task()
        sweep = story.jobs(task, 4)
        cancelled, changed = story.job(task, after=sweep[:2]), story.job(task, after=[sweep[0], *sweep[2:]])
        story.cancel(cancelled)
        story.change(changed, depends={sweep[0]: Condition.FINISHED})
        story.client()
        promise(story, story.claim(limit=1)[0])
        story.settle()
        assert story.statuses(sweep[1:]) == [S.PENDING] * 3

    def test_many_siblings_are_cancelled_in_steps(self, story: Story) -> None:
        """B08 (Writer.settle): all of them in the end, and none of their children before."""
        task = story.task()
        sweep = story.jobs(task, 1_100)
        best = story.job(task, after=sweep, condition=Condition.FINISHED)
        story.client()
        promise(story, story.claim(limit=1)[0])
        assert story.status(best) is S.PENDING
        story.settle(300)
        assert story.counts(task.project_id)[S.CANCELLED] == 1_099
        assert story.ready() == [best]

    def test_siblings_of_a_batch_that_is_not_in_the_queue_yet(self, story: Story) -> None:
        """B07 (Writer.settle): are cancelled as soon as they are published."""
        task = story.task()
        first = story.job(task)
        batch = story.open(task)
        second = story.reserve(1)[0]
        after = dict.fromkeys([first, second], Condition.SUCCESS)
        story.submit(
            JobSpec(name="second", task_id=task.id, id=second),
            JobSpec(name="last", task_id=task.id, depends=after),
            submission=batch,
        )
        story.client()
        taken = story.take()
        story.publish(batch)
        promise(story, taken)
        story.settle()
        assert story.kinds(second) == [EventKind.SUBMITTED, EventKind.CANCELLED]
