"""Scenarios of housekeeping, transactions and the limits of values."""

from __future__ import annotations

import threading
from datetime import UTC, timedelta

import pytest

from whatsnext_core.errors import InvalidError, NotFoundError, StorageError
from whatsnext_core.model import Cause, Condition, JobSpec, JobStatus, RetryPolicy
from whatsnext_core.model.limits import MAX_DEPTH, MAX_ID, MAX_NAME, MAX_PARAMETERS, MAX_PRIORITY
from whatsnext_core.storage import EventFilter, JobQuery, Page, Writer
from whatsnext_core.testing.storage.base import Reopen, StorageFixtures
from whatsnext_core.testing.storage.claiming import run_together
from whatsnext_core.testing.storage.story import LEASE, STEADY, Story

S = JobStatus


class HousekeepingScenarios(StorageFixtures):
    """H: housekeeping; T: transactions; X: limits."""

    def test_settle_does_so_much_and_tells_what_is_left(self, story: Story) -> None:
        """H01 (Writer.settle): small steps, and when to come again."""
        task = story.task(retry=STEADY)
        jobs = story.jobs(task, 7)
        story.client()
        taken = story.claim(cpu=7)
        story.end(taken[0], Cause.EXIT)
        nothing = story.write(lambda writer: writer.settle(story.now, 3))
        assert (nothing.steps, nothing.more) == (0, False)
        assert nothing.next_at == story.now + timedelta(seconds=10)
        story.tick(90)
        steps = 0
        while (settled := story.write(lambda writer: writer.settle(story.now, 3))).more:
            assert settled.steps <= 3
            steps += settled.steps
        assert steps + settled.steps >= 7
        assert settled.next_at is None
        assert story.ready() == list(jobs)
        assert [story.see(job).losses for job in jobs] == [0, *[1] * 6]

    def test_settle_tells_the_next_time(self, story: Story) -> None:
        """H02 (Settled.next_at): the first lease or back-off, whichever comes first."""
        task = story.task(retry=STEADY)
        story.jobs(task, 2)
        story.client()
        first, _ = story.claim()
        assert story.settle().next_at == story.now + LEASE
        story.end(first, Cause.EXIT)
        assert story.settle().next_at == story.now + timedelta(seconds=10)

    def test_old_ended_jobs_are_pruned(self, story: Story) -> None:
        """H03 (Writer.prune): those that ended first, with attempts and events; no event tells of it."""
        task = story.task()
        jobs = story.jobs(task, 5)
        for job in (jobs[2], jobs[0], jobs[1]):
            story.tick(10)
            story.finish(job, S.CANCELLED if job == jobs[1] else S.COMPLETED)
        waiting = story.job(task, after=[jobs[1]])
        before = story.now

        def prune(limit: int) -> int:
            return story.write(lambda writer: writer.prune(before, limit))

        assert prune(0) == 0
        assert prune(1) == 1
        assert prune(10) == 1
        assert prune(10) == 0
        left = story.found()
        assert left == [jobs[1], jobs[3], jobs[4], waiting]
        assert {event.job_id for event in story.events()} == set(left)
        counts = story.counts(task.project_id)
        assert (counts[S.COMPLETED], counts[S.CANCELLED], counts[S.BLOCKED]) == (0, 1, 1)

    def test_job_that_somebody_waits_for_is_not_pruned(self, story: Story) -> None:
        """H04 (Writer.prune): not even by a job of an unpublished batch; what was met stays met."""
        task = story.task()
        awaited, hidden, free, missed = story.jobs(task, 4)
        for job in (awaited, hidden, free):
            story.finish(job)
        story.finish(missed, S.FAILED)
        child = story.job(task, after=[awaited])
        done = story.job(task, after=[free])
        story.finish(done)
        lost = story.job(task, after=[missed])
        story.cancel(lost)
        number = story.open(task)
        story.submit(JobSpec(name="late", task_id=task.id, depends={hidden: Condition.SUCCESS}), submission=number)
        later = story.now + timedelta(seconds=1)
        assert story.write(lambda writer: writer.prune(later, 100)) == 4
        left = story.found()
        assert left == [awaited, hidden, child]
        assert story.ready() == [child]
        story.publish(number)
        story.settle()
        assert len(story.ready()) == 2

    def test_events_of_pruned_jobs_go_out_of_the_midst_of_others(self, story: Story) -> None:
        """H06 (Writer.prune): those of other jobs of their batch stay as they are."""
        jobs = story.jobs(story.task(), 600)
        story.cancel(*jobs)
        before = story.events()
        pruned = {*jobs[3:5], *jobs[250:270], jobs[599]}
        story.tick(10)
        story.retry(*(job for job in jobs if job not in pruned))
        later = story.events()
        story.tick(10)
        assert story.write(lambda writer: writer.prune(story.now, 1_000)) == len(pruned)
        assert story.events() == [event for event in later if event.job_id not in pruned]
        assert len(later) == len(before) + 577
        for job in (jobs[2], jobs[5], jobs[270], jobs[598]):
            found = story.read(lambda reader, job=job: reader.events(0, 9, EventFilter(job_ids={job})))  # type: ignore[misc]
            assert found == [event for event in later if event.job_id == job]
        for job in (jobs[3], jobs[599]):
            assert story.read(lambda reader, job=job: reader.events(0, 9, EventFilter(job_ids={job}))) == []  # type: ignore[misc]

    def test_some_events_of_a_deleted_job_are_old_before_others(self, story: Story) -> None:
        """H07 (Writer.prune): each goes in its time, and nobody else's with it."""
        jobs = story.jobs(story.task(), 20)
        story.tick(10)
        between = story.now
        story.tick(10)
        story.cancel(*jobs[5:10])
        story.tick(10)
        later = story.now
        story.delete(*jobs[5:15])
        for moment in (between, later, story.now + timedelta(seconds=1)):
            left = [event for event in story.events() if event.job_id not in jobs[5:15] or event.at >= moment]
            story.write(lambda writer, before=moment: writer.prune(before, 10))  # type: ignore[misc]
            assert story.events() == left
        assert [event.job_id for event in story.events()] == [*jobs[:5], *jobs[15:]]

    def test_events_of_deleted_jobs_are_pruned_with_time(self, story: Story) -> None:
        """H05 (Writer.prune): once they are old."""
        task = story.task()
        gone, there = story.jobs(task, 2)
        story.delete(gone)
        assert story.write(lambda writer: writer.prune(story.now, 10)) == 0
        assert len(story.events(gone)) == 2
        later = story.now + timedelta(seconds=1)
        assert story.write(lambda writer: writer.prune(later, 10)) == 0
        assert (len(story.events(gone)), len(story.events(there))) == (0, 1)

    def test_transaction_that_fails_leaves_no_trace(self, story: Story) -> None:
        """T01 (Storage.write): and shows nothing to others before it ends."""
        task = story.task()
        job = story.job(task)
        story.client()
        before = story.read(lambda reader: reader.jobs(JobQuery())), story.events()

        def fail(writer: Writer) -> None:
            writer.create_project("half", "", story.now)
            writer.submit(task.project_id, [JobSpec(name="half", task_id=task.id)], story.now)
            writer.cancel([job], story.now)
            assert writer.job(job).status is S.CANCELLED
            assert len(writer.jobs(JobQuery())) == 2
            writer.delete_jobs([job], story.now)
            writer.delete_client("worker", story.now)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            story.write(fail)
        assert (story.read(lambda reader: reader.jobs(JobQuery())), story.events()) == before
        assert story.read(lambda reader: len(reader.projects(Page()))) == 1
        assert [each.job.id for each in story.claim()] == [job]

    def test_savepoint_undoes_its_own_block_only(self, story: Story) -> None:
        """T02 (Writer.savepoint): nested ones too."""
        task = story.task()
        job = story.job(task)

        def fail_inside(writer: Writer) -> None:
            with writer.savepoint():
                writer.cancel([job], story.now)
                with writer.savepoint():
                    writer.create_project("innermost", "", story.now)
                raise ZeroDivisionError

        def fail_by_call(writer: Writer) -> None:
            with writer.savepoint():
                writer.create_project("undone", "", story.now)
                writer.cancel([job, 999_999], story.now)

        with story.storage.write() as writer:
            writer.create_project("before", "", story.now)
            with writer.savepoint():
                writer.create_project("inside", "", story.now)
                with pytest.raises(ZeroDivisionError):
                    fail_inside(writer)
            with pytest.raises(NotFoundError):
                fail_by_call(writer)
            writer.create_project("after", "", story.now)
        names = [project.name for project in story.read(lambda reader: reader.projects(Page()))]
        assert names == ["project of task", "before", "inside", "after"]
        assert story.status(job) is S.PENDING

    def test_refused_call_leaves_the_transaction_whole(self, story: Story) -> None:
        """T03 (storage.protocol): errors come before writes, also without a savepoint."""
        task = story.task()
        with story.storage.write() as writer:
            writer.create_project("kept", "", story.now)
            with pytest.raises(NotFoundError):
                writer.cancel([999_999], story.now)
            with pytest.raises(InvalidError):
                writer.submit(task.project_id, [JobSpec(name="bad", task_id=999)], story.now)
            writer.submit(task.project_id, [JobSpec(name="good", task_id=task.id)], story.now)
        assert [job.name for job in story.read(lambda reader: reader.jobs(JobQuery()))] == ["good"]
        assert story.read(lambda reader: reader.project_named("kept")).name == "kept"

    def test_reader_never_sees_part_of_a_transaction(self, story: Story) -> None:
        """T04 (Storage.read): whatever the moment; and its view stays the same."""
        task = story.task()
        stop = threading.Event()
        odd: list[object] = []

        def look() -> None:
            while not stop.is_set():
                with story.storage.read() as reader:
                    first = len(reader.jobs(JobQuery()))
                    second = sum(reader.counts(task.project_id).values())
                    if first % 2 or first != second:
                        odd.append((first, second))

        def submit(writer: Writer) -> None:
            spec = JobSpec(name="job", task_id=task.id)
            writer.submit(task.project_id, [spec], story.now)
            (second,) = writer.submit(task.project_id, [spec], story.now)
            if second % 3 == 0:
                writer.delete_jobs([second - 1, second], story.now)

        def work() -> None:
            try:
                for _ in range(30):
                    story.write(submit)
            finally:
                stop.set()

        run_together([look, look, work])
        assert odd == []

    def test_what_was_committed_is_there_after_reopening(self, story: Story, reopen: Reopen | None) -> None:
        """T05 (Storage.write): all of it, and nothing else; leases and back-offs go on."""
        if reopen is None:
            pytest.skip("this storage keeps nothing")
        task = story.task(retry=STEADY)
        done, held, waiting = story.jobs(task, 3)
        story.finish(done)
        taken = story.take()

        def fail(writer: Writer) -> None:
            writer.cancel([waiting], story.now)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            story.write(fail)
        before = story.read(lambda reader: reader.jobs(JobQuery())), story.events()
        again = Story(reopen())
        assert (again.read(lambda reader: reader.jobs(JobQuery())), again.events()) == before
        assert again.ready() == [waiting]
        assert again.settle().next_at == story.now + LEASE
        assert again.end(taken).accepted
        assert again.status(held) is S.COMPLETED
        assert again.job(again.read(lambda reader: reader.task(task.id))) > waiting

    def test_closed_storage_says_so(self, story: Story) -> None:
        """T06 (Storage.check, clock, close): and an open one answers and knows the time."""
        story.storage.check()
        assert story.storage.clock().utcoffset() == timedelta(0)
        assert story.storage.clock().tzinfo is UTC
        first = story.storage.clock()
        assert story.storage.clock() >= first
        story.storage.close()
        with pytest.raises(StorageError):
            story.storage.check()

    def test_values_at_their_limits_are_kept(self, story: Story) -> None:
        """X01 (model.limits): names, parameters, priorities, ids and policies at their bounds."""
        name = "ü" * (MAX_NAME - 1) + "🚀"
        policy = RetryPolicy(retries=1_000, delay=0, max_losses=1_000)
        project = story.project(name)
        task = story.task(name, project=project, retry=policy, cpu=65_536, accelerators=4_096, memory=2**60)
        filler = "x" * (MAX_PARAMETERS - len('{"x":""}'))
        high = story.job(task, name=name, parameters={"x": filler}, priority=MAX_PRIORITY)
        deep: object = "bottom"
        for _ in range(MAX_DEPTH - 1):
            deep = [deep]
        numbers = [2**64 - 1, -(2**63), 1e-300, 1.7976931348623157e308, 0.1, -0.0, 10**15, True]
        odd = {"": "\u2028\u007f\\\"'%s;--", "deep": deep, "numbers": numbers, "%(x)s": ":colon ?"}
        low = story.job(task, parameters=odd, priority=-MAX_PRIORITY)
        assert story.see(high).parameters == {"x": filler}
        seen = story.see(low)
        assert seen.parameters == odd
        assert [*map(repr, seen.parameters["numbers"])] == [*map(repr, numbers)]
        assert (story.see(high).name, seen.task_name) == (name, name)
        assert story.ready() == []
        (first, second) = story.claim(None, session=None, lease=None, ignore=True)
        assert (first.job.id, second.job.id, first.job.priority) == (high, low, MAX_PRIORITY)
        assert first.allocation.memory == 2**60
        assert story.end(first, Cause.EXIT, session=None, exit_code=2**32 - 1, message="💥" * 65_536).accepted
        assert story.see(high).message == "💥" * 65_536
        assert story.see(high).exit_code == 2**32 - 1

    def test_values_are_copied_as_json(self, story: Story) -> None:
        """X03 (model.limits.dump_parameters): a tuple comes back as a list; later changes of a value are no matter."""
        inner: list[int] = []
        parameters = {"pair": (1, (2.0, None)), "inner": inner}
        job = story.job(story.task(options={"x": (1,)}), parameters=parameters)
        inner.append(1)
        expected = {"pair": [1, [2.0, None]], "inner": []}
        assert story.see(job).parameters == expected
        taken = story.take()
        assert (taken.job.parameters, taken.task.options) == (expected, {"x": [1]})
        story.end(taken, result=(1, 2))
        assert story.see(job).result == [1, 2]

    def test_ids_of_64_bits_are_only_unknown(self, story: Story) -> None:
        """X02 (model.limits.MAX_ID): no error of the database."""
        task = story.task()
        for ask in (
            lambda reader: reader.project(MAX_ID),
            lambda reader: reader.task(MAX_ID),
            lambda reader: reader.job(MAX_ID),
            lambda reader: reader.log(MAX_ID, MAX_ID, "stdout", MAX_ID, MAX_ID),
        ):
            with pytest.raises(NotFoundError):
                story.read(ask)
        with pytest.raises(InvalidError):
            story.job(task, after=[MAX_ID])
        query = JobQuery(project_id=MAX_ID, after_id=MAX_ID, before_id=MAX_ID, page=Page(skip=MAX_ID))
        assert list(story.read(lambda reader: reader.jobs(query))) == []
        assert (
            list(
                story.read(
                    lambda reader: reader.events(
                        MAX_ID, 10, EventFilter(project_id=MAX_ID, job_ids={MAX_ID}), until=MAX_ID
                    )
                )
            )
            == []
        )
        assert story.delete(MAX_ID) == 0
