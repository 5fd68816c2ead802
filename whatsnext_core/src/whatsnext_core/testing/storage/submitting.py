"""Scenarios of submitting jobs, at once and as batches that stay invisible."""

from __future__ import annotations

import pytest

from whatsnext_core.errors import ConflictError, InvalidError, NotFoundError
from whatsnext_core.model import (
    Condition,
    EventKind,
    JobSpec,
    JobStatus,
    ProjectChanges,
    ProjectStatus,
)
from whatsnext_core.storage import SUBMISSION_LASTS, JobQuery, Page, Writer
from whatsnext_core.testing.storage.base import StorageFixtures
from whatsnext_core.testing.storage.story import STEADY, Story

S = JobStatus


class SubmissionScenarios(StorageFixtures):
    """S: new jobs."""

    def test_job_is_read_back_whole(self, story: Story) -> None:
        """S01 (Writer.submit, Reader.job): every field, the parameters in their order; with one event."""
        task = story.task()
        parent = story.job(task, name="parent")
        parameters = {"z": 1, "a": 1.0, "list": [True, None, {"x": "ü"}], "1": "text"}
        spec = JobSpec(
            name="Grüße 🚀",
            task_id=task.id,
            parameters=parameters,
            priority=-7,
            depends={parent: Condition.FINISHED},
            timeout=1.5,
        )
        (job_id,) = story.submit(spec)
        job = story.see(job_id)
        assert (job.id, job.name, job.project_id) == (job_id, "Grüße 🚀", task.project_id)
        assert (job.task_id, job.task_name, job.priority, job.timeout) == (task.id, "task", -7, 1.5)
        assert list(job.parameters.items()) == list(parameters.items())
        assert [type(value) for value in job.parameters.values()] == [int, float, list, str]
        assert (job.depends, job.conditions) == ({parent: "parent"}, {parent: Condition.FINISHED})
        assert (job.status, job.created_at, job.updated_at) == (S.PENDING, story.now, story.now)
        assert (job.attempt, job.failures, job.losses, job.ooms) == (0, 0, 0, 0)
        assert (job.cause, job.message, job.exit_code, job.not_before, job.result) == (None, "", None, None, None)
        assert (job.client_id, job.started_at, job.finished_at, job.cancel_requested) == (None, None, None, False)
        assert story.attempts(job_id) == []
        (event,) = story.events(job_id)
        assert (event.kind, event.at, event.data) == (EventKind.SUBMITTED, story.now, {"to": "PENDING"})
        assert event.project_id == task.project_id

    def test_ids_ascend_and_reserved_ones_are_kept_free(self, story: Story) -> None:
        """S02 (Writer.reserve_job_ids): no id is ever given twice, not even one that was given up."""
        task = story.task()
        first = story.job(task)
        reserved = list(story.reserve(3))
        second = story.job(task)
        assert [first, *reserved, second] == sorted({first, *reserved, second})
        used = story.submit(JobSpec(name="late", task_id=task.id, id=reserved[1]))
        assert list(used) == [reserved[1]]
        story.delete(second)
        assert story.job(task) > second
        assert story.found()[:2] == [first, reserved[1]]

    def test_many_jobs_of_two_calls_may_take_turns_with_their_ids(self, story: Story) -> None:
        """S17 (Writer.submit): each call writes its own, also where those of the other lie between them."""
        task = story.task()
        numbers = story.reserve(60)
        for part in (numbers[::2], numbers[1::2]):
            story.submit(*(JobSpec(id=number, name="job", task_id=task.id) for number in part))
        assert story.found() == story.found(statuses={S.PENDING}) == story.ready() == list(numbers)
        assert story.counts(task.project_id)[S.PENDING] == 60

    def test_many_jobs_of_higher_priority_come_before_those_that_wait(self, story: Story) -> None:
        """S18 (Writer.submit, Writer.publish_submission): also for a server that has just looked at the queue."""
        task = story.task()
        story.client()
        story.jobs(task, 30)
        assert len(story.claim(limit=1)) == 1
        urgent = story.submit(*(JobSpec(name="urgent", task_id=task.id, priority=1) for _ in range(30)))
        assert [each.job.id for each in story.claim(limit=1)] == [urgent[0]]
        number = story.open(task)
        specs = [JobSpec(name="most urgent", task_id=task.id, priority=2) for _ in range(30)]
        most_urgent = story.submit(*specs, submission=number)
        story.publish(number)
        story.settle()
        assert [each.job.id for each in story.claim(limit=1)] == [most_urgent[0]]

    def test_submission_is_refused_as_a_whole(self, story: Story) -> None:
        """S03 (Writer.submit): one bad job, and none is written."""
        task, stranger = story.task("task"), story.task("stranger")
        there, elsewhere = story.job(task), story.job(stranger)
        one, two = story.reserve(2)
        good = JobSpec(name="good", task_id=task.id)
        for bad, words in (
            (JobSpec(name="bad", task_id=999), "999"),
            (JobSpec(name="bad", task_id=stranger.id), "task"),
            (JobSpec(name="bad", task_id=task.id, depends={999_999: Condition.SUCCESS}), "999999"),
            (JobSpec(name="bad", task_id=task.id, depends={elsewhere: Condition.SUCCESS}), "project"),
            (JobSpec(name="bad", task_id=task.id, id=there), str(there)),
        ):
            with pytest.raises(InvalidError, match=words):
                story.submit(good, bad, good)
        with pytest.raises(InvalidError, match="same id"):
            story.submit(*(JobSpec(name="twin", task_id=task.id, id=one) for _ in range(2)))
        assert [job.id for job in story.read(lambda reader: reader.jobs(JobQuery(project_id=task.project_id)))] == [
            there
        ]
        assert story.ready() == [there, elsewhere]
        assert story.submit(JobSpec(name="late", task_id=task.id, id=two)) == [two]

    def test_jobs_of_one_call_depend_on_each_other_in_any_order(self, story: Story) -> None:
        """S04 (Writer.submit): by reserved ids."""
        task = story.task()
        outer = story.job(task, name="outer")
        a, b, c = story.reserve(3)
        ids = story.submit(
            JobSpec(name="last", task_id=task.id, id=c, depends={a: Condition.SUCCESS, b: Condition.FINISHED}),
            JobSpec(name="free", task_id=task.id),
            JobSpec(name="first", task_id=task.id, id=a, depends={outer: Condition.SUCCESS}),
            JobSpec(name="middle", task_id=task.id, id=b, depends={a: Condition.SUCCESS}),
        )
        assert [ids[0], *ids[2:]] == [c, a, b]
        assert story.see(c).depends == {a: "first", b: "middle"}
        order = []
        while ready := story.ready():
            order.append(ready)
            for job in ready:
                story.finish(job)
        assert order == [[outer, ids[1]], [a], [b], [c]]

    def test_new_job_counts_what_its_parents_are_already(self, story: Story) -> None:
        """S05 (Writer.submit): met, open or impossible from the first."""
        task = story.task()
        done, failed, waiting = story.jobs(task, 3)
        story.finish(done)
        story.finish(failed, S.FAILED)
        ready, blocked = story.job(task, after=[done]), story.job(task, after=[done, failed])
        waits = story.job(task, after=[done, waiting])
        assert story.statuses([ready, blocked, waits]) == [S.PENDING, S.BLOCKED, S.PENDING]
        assert story.ready() == [waiting, ready]
        assert [event.data for event in story.events(blocked)] == [{"to": "BLOCKED"}]

    def test_batch_passes_on_what_blocks_one_of_its_jobs(self, story: Story) -> None:
        """S06 (Writer.submit): jobs of one call begin as PENDING for each other."""
        task = story.task()
        failed = story.job(task)
        story.finish(failed, S.FAILED)
        a, b, c = story.reserve(3)
        story.submit(
            JobSpec(name="c", task_id=task.id, id=c, depends={b: Condition.FAILURE}),
            JobSpec(name="b", task_id=task.id, id=b, depends={a: Condition.SUCCESS}),
            JobSpec(name="a", task_id=task.id, id=a, depends={failed: Condition.SUCCESS}),
        )
        story.settle()
        assert story.statuses([a, b, c]) == [S.BLOCKED] * 3
        assert story.kinds(a) == [EventKind.SUBMITTED]
        assert story.kinds(b) == story.kinds(c) == [EventKind.SUBMITTED, EventKind.BLOCKED]

    def test_unpublished_jobs_are_nowhere_to_be_seen(self, story: Story) -> None:
        """S07 (Writer.open_submission): not read, listed, counted, claimed, changed or depended on."""
        task = story.task()
        parent = story.job(task, name="parent")
        number = story.open(task)
        hidden, child = story.reserve(2)
        story.submit(
            JobSpec(name="hidden", task_id=task.id, id=hidden),
            JobSpec(name="child", task_id=task.id, id=child, depends={parent: Condition.SUCCESS}),
            submission=number,
        )
        story.settle()
        for job in (hidden, child):
            for act in (
                lambda writer, job=job: writer.job(job),
                lambda writer, job=job: writer.dependencies(job),
                lambda writer, job=job: writer.children(job, Page()),
                lambda writer, job=job: writer.attempts(job),
                lambda writer, job=job: writer.cancel([job], story.now),
                lambda writer, job=job: writer.retry([job], story.now),
            ):
                with pytest.raises(NotFoundError):
                    story.write(act)
            with pytest.raises(NotFoundError):
                story.change(job, priority=1)
            with pytest.raises(InvalidError):
                story.job(task, after=[job])
        assert story.delete(hidden, child) == 0
        assert story.found() == [parent]
        assert story.counts(task.project_id)[S.PENDING] == 1
        assert story.read(lambda reader: reader.children(parent, Page())) == []
        assert {event.job_id for event in story.events()} == {parent}
        assert story.ready() == [parent]
        with pytest.raises(ConflictError):
            story.write(lambda writer: writer.delete_task(task.id))
        assert story.write(lambda writer: writer.clear_queue(task.project_id, story.now, 100)) == 1

    def test_published_batch_shows_at_once_and_enters_the_queue_with_settle(self, story: Story) -> None:
        """S08 (Writer.publish_submission): later calls may depend on jobs of earlier ones."""
        task = story.task()
        number = story.open(task)
        first = story.submit(*(JobSpec(name="first", task_id=task.id) for _ in range(5)), submission=number)
        story.tick(1)
        depends = dict.fromkeys(first, Condition.SUCCESS)
        (last,) = story.submit(JobSpec(name="last", task_id=task.id, depends=depends), submission=number)
        story.tick(1)
        story.publish(number)
        everything = [*first, last]
        assert story.found() == everything
        assert story.statuses(everything) == [S.PENDING] * 6
        assert story.counts(task.project_id)[S.PENDING] == 6
        assert story.read(lambda reader: reader.children(first[0], Page())) == [last]
        story.settle(limit=2)
        assert story.ready() == list(first)
        assert story.counts(task.project_id)[S.PENDING] == 6
        for job in everything:
            (event,) = story.events(job)
            assert (event.kind, event.at, event.data) == (EventKind.SUBMITTED, story.now, {"to": "PENDING"})
        for job in first:
            story.finish(job)
        assert story.ready() == [last]
        assert story.settle().steps == 0

    def test_published_job_can_be_dealt_with_before_settle_has_seen_it(self, story: Story) -> None:
        """S09 (Writer.publish_submission): cancelled, changed, deleted like any other."""
        task = story.task()
        number = story.open(task)
        specs = [JobSpec(name=f"job {index}", task_id=task.id) for index in range(4)]
        cancelled, changed, deleted, taken = story.submit(*specs, submission=number)
        story.publish(number)
        story.cancel(cancelled)
        story.change(changed, priority=9)
        story.delete(deleted)
        story.change(taken, status=S.QUEUED)
        story.settle()
        assert story.statuses([cancelled, changed, taken]) == [S.CANCELLED, S.PENDING, S.QUEUED]
        assert story.ready() == [changed]
        assert story.kinds(cancelled) == [EventKind.SUBMITTED, EventKind.CANCELLED]
        assert story.kinds(deleted) == [EventKind.SUBMITTED, EventKind.DELETED]
        counts = story.counts(task.project_id)
        assert (counts[S.PENDING], counts[S.CANCELLED], counts[S.QUEUED]) == (1, 1, 1)

    def test_job_may_go_or_change_in_the_transaction_that_brings_it_into_the_queue(self, story: Story) -> None:
        """S15 (Writer.settle): what happened to it is told whole and in order, and nothing of what was undone."""
        task = story.task()
        number = story.open(task)
        specs = [JobSpec(name=f"job {index}", task_id=task.id) for index in range(30)]
        deleted, cancelled, *others = story.submit(*specs, submission=number)
        story.publish(number)

        def fail(writer: Writer) -> None:
            with writer.savepoint():
                writer.settle(story.now, 1_000)
                raise ZeroDivisionError

        with story.storage.write() as writer:
            with pytest.raises(ZeroDivisionError):
                fail(writer)
            writer.settle(story.now, 1_000)
            writer.cancel([cancelled], story.now)
            writer.delete_jobs([deleted], story.now)
        assert story.kinds(deleted) == [EventKind.SUBMITTED, EventKind.DELETED]
        assert story.kinds(cancelled) == [EventKind.SUBMITTED, EventKind.CANCELLED]
        assert {tuple(story.kinds(job)) for job in others} == {(EventKind.SUBMITTED,)}
        assert story.ready() == others
        counts = story.counts(task.project_id)
        assert (counts[S.PENDING], counts[S.CANCELLED]) == (28, 1)

    def test_jobs_that_stood_in_different_places_may_come_to_the_same(self, story: Story) -> None:
        """S16 (Writer.cancel): each leaves the place where it stood, also where one call moves all of them."""
        task = story.task(retry=STEADY)
        resting, claimed, ready = story.jobs(task, 3)
        for job in (resting, claimed):
            story.change(job, status=S.QUEUED)
        story.change(resting, status=S.FAILED)
        story.cancel(resting, claimed, ready)
        assert story.statuses([resting, claimed, ready]) == [S.CANCELLED] * 3
        assert story.ready() == []
        counts = story.counts(task.project_id)
        assert (counts[S.PENDING], counts[S.QUEUED], counts[S.CANCELLED]) == (0, 0, 3)
        assert story.found(statuses={S.CANCELLED}) == [resting, claimed, ready]
        story.tick(3600)
        assert story.settle().steps == 0

    def test_batch_knows_what_happened_outside_while_it_was_hidden(self, story: Story) -> None:
        """S10 (Writer.publish_submission): a parent that succeeded or failed meanwhile."""
        task = story.task()
        good, bad = story.jobs(task, 2)
        number = story.open(task)
        ready, blocked, behind = story.reserve(3)
        story.submit(
            JobSpec(name="ready", task_id=task.id, id=ready, depends={good: Condition.SUCCESS}),
            JobSpec(name="behind", task_id=task.id, id=behind, depends={blocked: Condition.SUCCESS}),
            JobSpec(name="blocked", task_id=task.id, id=blocked, depends={bad: Condition.SUCCESS}),
            submission=number,
        )
        story.finish(good)
        story.finish(bad, S.FAILED)
        story.publish(number)
        story.settle()
        assert story.statuses([ready, blocked, behind]) == [S.PENDING, S.BLOCKED, S.BLOCKED]
        assert story.kinds(blocked) == story.kinds(behind) == [EventKind.SUBMITTED, EventKind.BLOCKED]
        assert story.ready() == [ready]

    def test_batch_cannot_be_published_if_a_dependency_was_deleted(self, story: Story) -> None:
        """S11 (Writer.publish_submission): nothing is shown, and it can be given up."""
        task = story.task()
        parent = story.job(task)
        number = story.open(task)
        spec = JobSpec(name="child", task_id=task.id, depends={parent: Condition.SUCCESS})
        (child,) = story.submit(spec, submission=number)
        story.delete(parent)
        with pytest.raises(InvalidError, match=str(parent)):
            story.publish(number)
        with pytest.raises(NotFoundError):
            story.see(child)
        story.discard(number)
        story.settle()

    def test_only_an_open_batch_can_be_written_published_or_discarded(self, story: Story) -> None:
        """S12 (Writer.submit, publish_submission, discard_submission): and only in its own, active project."""
        task, other = story.task("task"), story.task("other")
        published, discarded, foreign, late = (story.open(each) for each in (task, task, other, task))
        spec = JobSpec(name="job", task_id=task.id)
        (hidden,) = story.submit(spec, submission=discarded)
        story.publish(published)
        story.discard(discarded)
        for number in (published, discarded, 999):
            for act in (story.publish, story.discard):
                with pytest.raises(NotFoundError):
                    act(number)
            with pytest.raises(NotFoundError):
                story.submit(spec, submission=number)
        with pytest.raises(InvalidError):
            story.submit(spec, submission=foreign)
        story.settle()
        with pytest.raises(NotFoundError):
            story.see(hidden)
        archived = ProjectChanges(status=ProjectStatus.ARCHIVED)
        story.write(lambda writer: writer.update_project(task.project_id, archived, story.now))
        with pytest.raises(ConflictError):
            story.publish(late)
        story.write(lambda writer: writer.delete_project(task.project_id))
        with pytest.raises(NotFoundError):
            story.publish(late)
        story.discard(foreign)
        assert story.settle().next_at is None

    def test_abandoned_batch_is_discarded_in_time(self, story: Story) -> None:
        """S13 (Writer.settle): after SUBMISSION_LASTS."""
        task = story.task()
        number = story.open(task)
        story.submit(JobSpec(name="job", task_id=task.id), submission=number)
        assert story.settle().next_at == story.now + SUBMISSION_LASTS
        story.tick(SUBMISSION_LASTS.total_seconds())
        story.settle()
        with pytest.raises(NotFoundError):
            story.publish(number)
        story.write(lambda writer: writer.delete_task(task.id))
        assert story.settle().next_at is None

    def test_nothing_may_be_submitted_or_reserved(self, story: Story) -> None:
        """S14 (Writer.submit, reserve_job_ids): an empty list is a list; so is an empty batch."""
        task = story.task()
        assert list(story.write(lambda writer: writer.submit(task.project_id, [], story.now))) == []
        assert list(story.reserve(0)) == []
        number = story.open(task)
        story.publish(number)
        story.settle()
        assert story.events() == []
