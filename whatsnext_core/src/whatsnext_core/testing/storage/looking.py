"""Scenarios of the looks that tell why a job stands where it stands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from whatsnext_core.errors import NotFoundError
from whatsnext_core.model import (
    Allocation,
    AttemptNote,
    AttemptRef,
    AttemptStatus,
    Capacity,
    Cause,
    Condition,
    JobStatus,
    ProjectChanges,
    ProjectStatus,
    Requirement,
    RetryPolicy,
)
from whatsnext_core.storage import Ahead, Holding, Parent, PastRun, Place
from whatsnext_core.testing.storage.base import StorageFixtures
from whatsnext_core.testing.storage.story import Story, ref_of

S = JobStatus


class LookingScenarios(StorageFixtures):
    """Q: questions why a job stands where it stands."""

    def test_unmet_parents_are_told_with_what_became_of_them(self, story: Story) -> None:
        """Q01 (Reader.unmet): the impossible ones first, then by id; what was met is not among them."""
        task = story.task()
        waits, fails, gone, done = (story.job(task, name=name) for name in ("waits", "fails", "gone", "done"))
        edges = {**dict.fromkeys((fails, gone, done), Condition.SUCCESS), waits: Condition.FINISHED}
        child = story.job(task, depends=edges)
        story.finish(done)
        story.client()
        (taken,) = story.claim(limit=1)
        story.start(taken)
        story.tick(5)
        story.change(fails, status=S.QUEUED)
        story.change(fails, status=S.FAILED)
        story.delete(gone)

        found = story.read(lambda reader: reader.unmet(child, 10))
        failed, running = story.see(fails), story.see(waits)
        assert list(found) == [
            Parent(
                id=fails, name="fails", condition=Condition.SUCCESS, status=S.FAILED, task_id=task.id,
                cause=failed.cause, exit_code=failed.exit_code, message=failed.message,
            ),
            Parent(id=gone, name="gone", condition=Condition.SUCCESS),
            Parent(
                id=waits, name="waits", condition=Condition.FINISHED, status=S.RUNNING, task_id=task.id,
                client_id="worker", started_at=running.started_at,
            ),
        ]  # fmt: skip
        assert story.read(lambda reader: reader.unmet(child, 1)) == found[:1]
        assert story.read(lambda reader: reader.unmet(waits, 10)) == []
        with pytest.raises(NotFoundError):
            story.read(lambda reader: reader.unmet(gone, 10))

    def test_place_of_a_ready_job_counts_those_that_are_claimed_before_it(self, story: Story) -> None:
        """Q02 (Reader.place): of all active projects and requirements, by priority and age, up to a bound."""
        narrow, wide = story.task("narrow"), story.task("wide", cpu=3)
        first = story.job(narrow)
        since = story.now
        story.tick(1)
        story.jobs(wide, 3)
        urgent = story.job(narrow, priority=5)
        last = story.jobs(narrow, 2)[-1]
        story.job(wide, priority=-1)
        story.job(wide)

        def place(job: int, limit: int = 100) -> Place | None:
            return story.read(lambda reader: reader.place(job, limit))

        assert place(urgent) == Place(since=story.now)
        before = Ahead(project_id=narrow.project_id, task_id=narrow.id, requirement=Requirement(), number=1)
        assert place(first) == Place(since=since, ahead=(before,))
        wide_ones = Ahead(project_id=wide.project_id, task_id=wide.id, requirement=Requirement(cpu=3), number=3)
        assert place(last) == Place(since=story.now, ahead=(evolve(before, number=3), wide_ones))
        assert place(last, 6) == place(last)
        for limit in (5, 1):
            cut = place(last, limit)
            assert cut is not None
            assert (cut.number, cut.more) == (limit, True)

        archive = ProjectChanges(status=ProjectStatus.ARCHIVED)
        story.write(lambda writer: writer.update_project(wide.project_id, archive, story.now))
        assert place(last) == Place(since=story.now, ahead=(evolve(before, number=3),))

    def test_only_a_ready_job_has_a_place(self, story: Story) -> None:
        """Q03 (Reader.place): not one that waits for another, for its retry, or in an archived project."""
        task = story.task(retry=RetryPolicy(retries=1, delay=60, jitter=0))
        parent = story.job(task)
        child = story.job(task, after=[parent])
        taken = story.take()
        story.end(taken, Cause.EXIT)

        def place(job: int) -> Place | None:
            return story.read(lambda reader: reader.place(job, 10))

        assert [place(parent), place(child)] == [None, None]
        story.tick(61)
        story.settle()
        assert place(parent) == Place(since=story.now)
        archive = ProjectChanges(status=ProjectStatus.ARCHIVED)
        story.write(lambda writer: writer.update_project(task.project_id, archive, story.now))
        assert place(parent) is None
        with pytest.raises(NotFoundError):
            place(999_999)

    def test_memory_that_grew_counts_as_what_the_job_needs(self, story: Story) -> None:
        """Q04 (Reader.place): jobs of one task may stand before another one with different needs, by their keys."""
        task = story.task(memory=600, retry=RetryPolicy(retries=1, delay=0, memory_factor=2))
        job, other = story.jobs(task, 2)
        last = story.job(task)
        free = Capacity(cpu=1, memory=600)
        story.end(story.take(free=free), Cause.OOM)
        found = story.read(lambda reader: reader.place(last, 10))
        assert found is not None
        assert sorted((each.requirement.memory, each.number) for each in found.ahead) == [(600, 1), (1200, 1)]
        keys = [each.requirement.key for each in found.ahead]
        assert keys == sorted(keys)
        assert story.statuses([job, other]) == [S.PENDING, S.PENDING]

    def test_past_runs_are_those_of_the_newest_completed_jobs(self, story: Story) -> None:
        """Q05 (Reader.past_runs): by id descending, of the tasks asked for, among so many of the project."""
        one = story.task("one")
        other = story.task("other", project=story.read(lambda reader: reader.project(one.project_id)))
        jobs = [story.job(task) for task in (one, other, one, one, one)]
        for length, job in enumerate(jobs):
            taken = story.take()
            assert taken.job.id == job
            if job != jobs[2]:
                story.start(taken)
            story.tick(length + 0.5)
            story.end(taken, Cause.EXIT if job == jobs[4] else None)

        def runs(limit: int, *tasks: int) -> list[PastRun]:
            return list(story.read(lambda reader: reader.past_runs(one.project_id, tasks, limit)))

        expected = [
            PastRun(job_id=jobs[3], task_id=one.id, seconds=3.5),
            PastRun(job_id=jobs[1], task_id=other.id, seconds=1.5),
            PastRun(job_id=jobs[0], task_id=one.id, seconds=0.5),
        ]
        assert runs(10, one.id, other.id) == expected
        assert runs(10, one.id) == [expected[0], expected[2]]
        assert runs(3, one.id) == expected[:1]
        assert runs(10) == []
        assert list(story.read(lambda reader: reader.past_runs(999, [one.id], 10))) == []

    def test_holdings_are_the_live_attempts_of_several_clients(self, story: Story) -> None:
        """Q06 (Reader.holdings): by job, up to a bound, each with its part of the client."""
        task = story.task(cpu=2)
        jobs = story.jobs(task, 4)
        for client in ("a", "b", "c"):
            story.client(client)
        first, second = story.claim("b", cpu=4)
        third, _ = (story.claim(client, cpu=2)[0] for client in ("a", "c"))
        story.tick(1)
        story.start(second)

        def holdings(*clients: str, limit: int = 10) -> list[Holding]:
            return list(story.read(lambda reader: reader.holdings(clients, limit)))

        found = holdings("a", "b", "nobody", "b")
        assert [(each.client_id, each.job_id) for each in found] == [("b", jobs[0]), ("b", jobs[1]), ("a", jobs[2])]
        assert found[1] == Holding(
            client_id="b",
            job_id=jobs[1],
            name="job 1",
            project_id=task.project_id,
            task_id=task.id,
            status=AttemptStatus.RUNNING,
            allocation=Allocation(cpu=2),
            claimed_at=story.now - timedelta(seconds=1),
            started_at=story.now,
        )
        assert holdings("a", "b", limit=2) == found[:2]
        assert holdings() == []
        story.end(first)
        assert [each.job_id for each in holdings("a", "b")] == [second.job.id, third.job.id]

    def test_reservations_are_told_by_client(self, story: Story) -> None:
        """Q07 (Reader.reservations): what each drains for, and when a claim last said so."""
        wide = story.job(story.task("wide", cpu=4))
        story.client("a")
        story.client("b")
        story.tick(10)
        kept: dict[str, Any] = {"free": Capacity(cpu=1), "total": Capacity(cpu=4), "reserve_after": timedelta(0)}
        assert story.claim("a", **kept) == []
        assert story.claim("b", **kept) == []
        assert story.read(lambda reader: reader.reservations()) == {"a": (wide, story.now)}
        story.tick(5)
        story.claim("a", **kept)
        assert story.read(lambda reader: reader.reservations()) == {"a": (wide, story.now)}
        assert story.claim("a", free=Capacity(cpu=4))
        assert story.read(lambda reader: reader.reservations()) == {}

    def test_what_an_engine_says_of_a_waiting_attempt_is_kept_until_it_starts(self, story: Story) -> None:
        """Q08 (Writer.note): of the session's own claimed attempts, and only what is new."""
        story.jobs(story.task(), 2)
        story.client()
        taken, other = story.claim(limit=2)
        ref = ref_of(taken)

        def note(message: str | None, ref: AttemptRef = ref, session: str = "session") -> str:
            told = AttemptNote(job_id=ref.job_id, fence=ref.fence, message=message)
            story.write(lambda writer: writer.note([told], session))
            return story.attempts(taken.job.id)[-1].message

        assert note("Resources") == "Resources"
        assert note("Resources") == "Resources"
        assert note(None) == "Resources"
        assert note("Priority", session="other") == "Resources"
        assert note("Priority", AttemptRef(job_id=taken.job.id, fence=2)) == "Resources"
        assert note("Priority", AttemptRef(job_id=999_999, fence=1)) == "Resources"
        assert note("") == ""
        assert note("Priority") == "Priority"
        assert story.attempts(other.job.id)[-1].message == ""
        story.start(taken)
        assert note("late") == ""
        story.end(taken, Cause.EXIT, message="Exit code 1")
        assert note("later") == "Exit code 1"
