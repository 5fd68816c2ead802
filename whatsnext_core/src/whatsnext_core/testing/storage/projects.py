"""Scenarios of projects and tasks."""

from __future__ import annotations

import pytest

from whatsnext_core.errors import ConflictError, DuplicateError, NotFoundError
from whatsnext_core.model import (
    Cause,
    JobSpec,
    JobStatus,
    ProjectChanges,
    ProjectStatus,
    Requirement,
    RetryPolicy,
    Task,
    TaskSpec,
)
from whatsnext_core.storage import JobQuery, Page, Writer
from whatsnext_core.testing.storage.base import StorageFixtures
from whatsnext_core.testing.storage.story import STEADY, Story, ref_of

S = JobStatus


class ProjectScenarios(StorageFixtures):
    """P: projects and tasks."""

    def test_project_is_read_back_by_id_and_name(self, story: Story) -> None:
        """P01 (Writer.create_project, Reader.project, project_named): what was created is what is read."""
        project = story.project("Grüße 🚀")
        assert (project.name, project.description) == ("Grüße 🚀", "about Grüße 🚀")
        assert (project.status, project.created_at, project.updated_at) == (ProjectStatus.ACTIVE, story.now, story.now)
        assert story.read(lambda reader: reader.project(project.id)) == project
        assert story.read(lambda reader: reader.project_named("Grüße 🚀")) == project

    def test_names_of_projects_are_unique(self, story: Story) -> None:
        """P02 (Writer.create_project, update_project): a name that is taken is refused and nothing is written."""
        first, second = story.project("one"), story.project("two")
        with pytest.raises(DuplicateError, match="one"):
            story.project("one")
        with pytest.raises(DuplicateError, match="one"):
            story.write(lambda writer: writer.update_project(second.id, ProjectChanges(name="one"), story.now))
        assert story.read(lambda reader: reader.projects(Page())) == [first, second]
        assert story.project("One").id not in {first.id, second.id}

    def test_project_changes_in_any_subset_of_its_fields(self, story: Story) -> None:
        """P03 (Writer.update_project): what is None stays."""
        project = story.project("old")
        story.tick(5)
        renamed = story.write(lambda writer: writer.update_project(project.id, ProjectChanges(name="new"), story.now))
        assert (renamed.name, renamed.description, renamed.created_at) == ("new", "about old", project.created_at)
        assert renamed.updated_at == story.now
        changes = ProjectChanges(name="new", description="", status=ProjectStatus.ARCHIVED)
        archived = story.write(lambda writer: writer.update_project(project.id, changes, story.now))
        assert (archived.name, archived.description, archived.status) == ("new", "", ProjectStatus.ARCHIVED)
        assert story.read(lambda reader: reader.project_named("new")) == archived
        with pytest.raises(NotFoundError):
            story.read(lambda reader: reader.project_named("old"))

    def test_projects_are_listed_by_id_in_pages(self, story: Story) -> None:
        """P04 (Reader.projects): ascending, by page and status."""
        made = [story.project(name) for name in ("c", "a", "b")]
        changes = ProjectChanges(status=ProjectStatus.ARCHIVED)
        made[1] = story.write(lambda writer: writer.update_project(made[1].id, changes, story.now))
        assert story.read(lambda reader: reader.projects(Page())) == made
        assert story.read(lambda reader: reader.projects(Page(limit=1, skip=1))) == made[1:2]
        assert story.read(lambda reader: reader.projects(Page(), ProjectStatus.ACTIVE)) == [made[0], made[2]]
        assert story.read(lambda reader: reader.projects(Page(limit=0))) == []

    def test_deleted_project_is_gone_at_once_with_all_it_held(self, story: Story) -> None:
        """P05 (Writer.delete_project): jobs, tasks, events, attempts; what ran is nobody's any more."""
        project = story.project("doomed")
        task = story.task(project=project, name="task")
        held, waiting = story.jobs(task, 2)
        taken = story.take()
        story.write(lambda writer: writer.delete_project(project.id))
        for ask in (
            lambda reader: reader.project(project.id),
            lambda reader: reader.project_named("doomed"),
            lambda reader: reader.task(task.id),
            lambda reader: reader.task_named(project.id, "task"),
            lambda reader: reader.job(waiting),
            lambda reader: reader.attempts(held),
            lambda reader: reader.counts(project.id),
        ):
            with pytest.raises(NotFoundError):
                story.read(ask)
        for _ in range(2):
            assert story.read(lambda reader: reader.tasks(Page())) == []
            assert story.read(lambda reader: reader.jobs(JobQuery())) == []
            assert story.read(lambda reader: reader.jobs(JobQuery(project_id=project.id))) == []
            assert story.read(lambda reader: reader.live_attempts("worker")) == []
            assert story.events() == []
            assert story.ready() == []
            assert not story.end(taken).accepted
            renewal = story.renew(ref_of(taken))
            assert renewal.gone == ((held, 1),)
            story.tick(1_000)
            assert story.settle().next_at is None
        assert story.project("doomed").id != project.id

    def test_other_things_go_on_while_a_deleted_project_is_cleared_away(self, story: Story) -> None:
        """P14 (Writer.delete_project, delete_client): its client goes before it; batches of others stay open."""
        task, other = story.task("task"), story.task("other")
        story.job(task)
        kept = story.job(other)
        doomed, batch = story.open(task), story.open(other)
        story.submit(JobSpec(name="job", task_id=task.id), submission=doomed)
        story.client()
        story.claim()
        story.write(lambda writer: writer.delete_project(task.project_id))
        story.write(lambda writer: writer.delete_client("worker", story.now))
        story.settle()
        assert (story.found(), story.ready()) == ([kept], [kept])
        story.publish(batch)
        assert story.settle().next_at is None

    def test_unknown_projects_are_not_found(self, story: Story) -> None:
        """P06 (Writer): every method that names a project says so."""
        spec = JobSpec(name="job", task_id=1)
        for act in (
            lambda writer: writer.project(999),
            lambda writer: writer.update_project(999, ProjectChanges(name="x"), story.now),
            lambda writer: writer.delete_project(999),
            lambda writer: writer.create_task(999, TaskSpec(name="x"), story.now),
            lambda writer: writer.submit(999, [spec], story.now),
            lambda writer: writer.open_submission(999, story.now),
            lambda writer: writer.counts(999),
            lambda writer: writer.clear_queue(999, story.now, 10),
        ):
            with pytest.raises(NotFoundError, match="999"):
                story.write(act)

    def test_task_is_read_back_whole(self, story: Story) -> None:
        """P07 (Writer.create_task, Reader.task, task_named): every field."""
        project, spec = story.project(), full_spec("full")
        task = story.write(lambda writer: writer.create_task(project.id, spec, story.now))
        assert (task.project_id, task.created_at, task.updated_at) == (project.id, story.now, story.now)
        assert said_of(task) == spec
        assert list(task.options) == ["second", "first"]
        assert story.read(lambda reader: reader.task(task.id)) == task
        assert story.read(lambda reader: reader.task_named(project.id, "full")) == task

    def test_names_of_tasks_are_unique_in_their_project(self, story: Story) -> None:
        """P08 (Writer.create_task, update_task): another project may use the same name."""
        one, two = story.project("one"), story.project("two")
        first, other = story.task("same", project=one), story.task("other", project=one)
        assert story.task("same", project=two).id != first.id
        with pytest.raises(DuplicateError, match="same"):
            story.task("same", project=one)
        with pytest.raises(DuplicateError, match="same"):
            story.write(lambda writer: writer.update_task(other.id, TaskSpec(name="same"), story.now))
        assert story.read(lambda reader: reader.task(other.id)) == other

    def test_task_is_replaced_and_its_jobs_show_the_new_name(self, story: Story) -> None:
        """P09 (Writer.update_task): all that a person said of it, and nothing else."""
        task = story.task("old", cpu=2)
        job = story.job(task)
        story.tick(5)
        spec = full_spec("new")
        new = story.write(lambda writer: writer.update_task(task.id, spec, story.now))
        assert (new.id, new.project_id, new.created_at, new.updated_at) == (
            task.id,
            task.project_id,
            task.created_at,
            story.now,
        )
        assert said_of(new) == spec
        assert story.see(job).task_name == "new"
        assert story.read(lambda reader: reader.jobs(JobQuery(task_name="new")))[0].id == job
        for act in (
            lambda writer: writer.update_task(999, spec, story.now),
            lambda writer: writer.task(999),
            lambda writer: writer.task_named(task.project_id, "old"),
            lambda writer: writer.task_named(999, "new"),
        ):
            with pytest.raises(NotFoundError):
                story.write(act)

    def test_ready_jobs_move_to_the_line_of_the_new_requirement(self, story: Story) -> None:
        """P10 (Writer.update_task): at once, in their old order, and those that are held stay with their client."""
        task, other = story.task("task", cpu=8), story.task("other", cpu=2)
        first, second = story.jobs(task, 2)
        small = story.job(other)
        story.client()
        assert [taken.job.id for taken in story.claim(cpu=2)] == [small]
        smaller = TaskSpec(name="task", requirement=Requirement(cpu=2))
        story.write(lambda writer: writer.update_task(task.id, smaller, story.now))
        taken = story.claim(cpu=2)
        assert [(each.job.id, each.allocation.cpu) for each in taken] == [(first, 2)]
        larger = TaskSpec(name="task", requirement=Requirement(cpu=3), retry=STEADY)
        story.write(lambda writer: writer.update_task(task.id, larger, story.now))
        assert story.claim(cpu=2) == []
        assert [each.job.id for each in story.claim(cpu=3)] == [second]
        assert story.attempts(first)[0].allocation.cpu == 2
        story.end(taken[0], Cause.EXIT)
        story.tick(STEADY.delay)
        story.settle()
        assert story.claim(cpu=2) == []
        assert [(each.job.id, each.allocation.cpu) for each in story.claim(cpu=3)] == [(first, 3)]

    def test_task_is_deleted_only_when_its_jobs_have_ended(self, story: Story) -> None:
        """P11 (Writer.delete_task): the ended ones go with it; what they met stays met."""
        project = story.project()
        task, next_task = story.task("task", project=project), story.task("next", project=project)
        done, failed = story.jobs(task, 2)
        met, unmet = story.job(next_task, after=[done]), story.job(next_task, after=[failed])
        with pytest.raises(ConflictError, match="task"):
            story.write(lambda writer: writer.delete_task(task.id))
        story.finish(done)
        story.finish(failed, JobStatus.FAILED)
        story.write(lambda writer: writer.delete_task(task.id))
        for job in (done, failed):
            with pytest.raises(NotFoundError):
                story.see(job)
        story.settle()
        assert story.statuses([met, unmet]) == [JobStatus.PENDING, JobStatus.BLOCKED]
        assert story.ready() == [met]
        counts = story.counts(project.id)
        assert (counts[JobStatus.COMPLETED], counts[JobStatus.FAILED]) == (0, 0)
        assert story.task("task", project=project).id != task.id
        with pytest.raises(NotFoundError):
            story.write(lambda writer: writer.delete_task(task.id))

    def test_archived_project_takes_no_jobs_and_hands_none_out(self, story: Story) -> None:
        """P12 (ProjectStatus.ARCHIVED): until it is active again."""
        task = story.task()
        job = story.job(task)
        story.client()

        def become(status: ProjectStatus) -> None:
            changes = ProjectChanges(status=status)
            story.write(lambda writer: writer.update_project(task.project_id, changes, story.now))

        become(ProjectStatus.ARCHIVED)
        with pytest.raises(ConflictError, match="archived"):
            story.job(task)
        with pytest.raises(ConflictError, match="archived"):
            story.open(task)
        assert story.claim() == []
        with pytest.raises(ConflictError):
            story.change(job, status=JobStatus.QUEUED)
        become(ProjectStatus.ACTIVE)
        assert [taken.job.id for taken in story.claim()] == [job]

    def test_tasks_are_listed_by_id_in_pages(self, story: Story) -> None:
        """P13 (Reader.tasks): of all projects or of one."""
        one, two = story.project("one"), story.project("two")
        made = [story.task("b", project=one), story.task("a", project=two), story.task("a", project=one)]
        assert story.read(lambda reader: reader.tasks(Page())) == made
        assert story.read(lambda reader: reader.tasks(Page(), one.id)) == [made[0], made[2]]
        assert story.read(lambda reader: reader.tasks(Page(limit=1, skip=1), one.id)) == [made[2]]
        assert story.read(lambda reader: reader.tasks(Page(), 999)) == []

    def test_pending_jobs_of_all_projects_are_those_that_are_seen(self, story: Story) -> None:
        """P15 (Reader.pending): with published batches, without open ones, deleted tasks and deleted projects."""

        def pending() -> int:
            found = story.read(lambda reader: reader.pending())
            assert story.write(lambda writer: writer.pending()) == found
            return found

        assert pending() == 0
        one, two = story.project("one"), story.project("two")
        task, other = story.task("task", project=one), story.task("other", project=one)
        jobs = story.jobs(task, 3)
        story.jobs(other, 4)
        third = story.task("third", project=two)
        story.jobs(third, 5)
        story.cancel(jobs[0])
        assert pending() == 11
        batches = [story.write(lambda writer: writer.open_submission(one.id, story.now)) for _ in range(2)]
        for batch in batches:
            story.submit(*(JobSpec(name="job", task_id=task.id) for _ in range(10)), submission=batch)
        assert pending() == 11
        story.write(lambda writer: writer.publish_submission(batches[0], story.now))
        assert (pending(), story.counts(one.id)[S.PENDING]) == (21, 16)

        story.write(lambda writer: writer.discard_submission(batches[1]))
        story.settle()
        assert pending() == 21
        waiting = story.found(task_id=task.id, statuses={S.PENDING})
        story.cancel(*waiting[1:])
        assert story.counts(one.id)[S.CANCELLED] == len(waiting)

        def delete(writer: Writer) -> int:
            writer.cancel(waiting[:1], story.now)
            writer.delete_task(task.id)
            assert writer.counts(one.id)[S.CANCELLED] == 0
            return writer.pending()

        assert story.write(delete) == pending() == 9
        for _ in range(2):
            assert (pending(), story.counts(one.id)[S.PENDING], story.counts(one.id)[S.CANCELLED]) == (9, 4, 0)
            story.settle()

        def delete_two(writer: Writer) -> int:
            writer.submit(two.id, [JobSpec(name="job", task_id=third.id)], story.now)
            assert writer.pending() == 10
            writer.delete_project(two.id)
            return writer.pending()

        assert story.write(delete_two) == pending() == 4
        story.settle()
        assert pending() == 4


def full_spec(name: str) -> TaskSpec:
    """Return a task with no field at its default."""
    return TaskSpec(
        name=name,
        command_template="run {x} 'Ünïcode' {{literal}}",
        requirement=Requirement(
            cpu=3,
            accelerators=0.125,
            memory=2**40 + 1,
            accelerator_kind="A100",
            accelerator_memory=2**34,
            labels=frozenset({"zone=b", "ssd"}),
        ),
        retry=RetryPolicy(
            retries=7,
            delay=0.25,
            factor=1.5,
            max_delay=60.5,
            jitter=0.75,
            causes=frozenset({Cause.OOM, Cause.FORMAT_ERROR}),
            memory_factor=1.25,
            max_losses=0,
        ),
        timeout=12.5,
        signal="SIGINT",
        grace=0.5,
        environment={"LC_ALL": "C.UTF-8", "EMPTY": ""},
        options={"second": {"deep": [1, 2.0, None, True]}, "first": "1"},
    )


def said_of(task: Task) -> TaskSpec:
    """Return the part of a task that a person said."""
    return TaskSpec(
        name=task.name,
        command_template=task.command_template,
        requirement=task.requirement,
        retry=task.retry,
        timeout=task.timeout,
        signal=task.signal,
        grace=task.grace,
        environment=task.environment,
        options=task.options,
    )
