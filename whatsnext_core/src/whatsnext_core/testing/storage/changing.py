"""Scenarios of what people do with jobs: cancel, retry, change, delete."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from whatsnext_core.errors import ConflictError, IllegalTransitionError, InvalidError, NotFoundError
from whatsnext_core.model import (
    AttemptRef,
    AttemptStatus,
    Cause,
    Condition,
    EventKind,
    JobStatus,
    ProjectChanges,
    ProjectStatus,
    Task,
)
from whatsnext_core.states import CANCELLED_BY_HAND, GIVEN_BACK, REQUESTS
from whatsnext_core.storage import JobQuery, LogPart
from whatsnext_core.testing.storage.base import StorageFixtures
from whatsnext_core.testing.storage.story import STEADY, Story, ref_of

S = JobStatus
LEGAL = [(old, new) for old, news in REQUESTS.items() for new in S if new in news]
ILLEGAL = [(old, new) for old in S for new in S if old is not new and (old, new) not in LEGAL]


class ChangeScenarios(StorageFixtures):
    """J: jobs in the hands of people."""

    def test_waiting_job_is_cancelled_at_once(self, story: Story) -> None:
        """J01 (Writer.cancel): PENDING, BLOCKED, in its back-off; cancelled again it stays as it is."""
        task = story.task(retry=STEADY)
        pending, failing = story.jobs(task, 2)
        blocked = story.job(task, after=[pending], condition=Condition.FAILURE)
        story.finish(failing, S.FAILED)
        assert story.see(failing).not_before is not None
        story.tick(1)
        cancelled = story.cancel(failing, pending)
        assert [job.id for job in cancelled] == [failing, pending]
        assert cancelled == [story.see(failing), story.see(pending)]
        assert story.status(blocked) is S.BLOCKED
        story.cancel(blocked)
        for job in (pending, blocked, failing):
            seen = story.see(job)
            assert (seen.status, seen.cause, seen.message) == (S.CANCELLED, Cause.CANCELLED, CANCELLED_BY_HAND)
            assert (seen.not_before, seen.finished_at, seen.updated_at) == (None, story.now, story.now)
            assert story.kinds(job)[-1] is EventKind.CANCELLED
        assert story.events(pending)[-1].data == {"from": "PENDING", "to": "CANCELLED", "cause": "cancelled"}
        before = story.events()
        story.tick(1)
        assert story.cancel(pending, pending) == [cancelled[1], cancelled[1]]
        assert story.events() == before
        assert story.ready() == []

    def test_held_job_without_lease_is_cancelled_at_once(self, story: Story) -> None:
        """J02 (Writer.cancel): nobody would confirm it."""
        job = story.job(story.task())
        (taken,) = story.claim(None, session=None, lease=None)
        story.cancel(job)
        assert story.status(job) is S.CANCELLED
        (attempt,) = story.attempts(job)
        assert (attempt.status, attempt.cause) == (AttemptStatus.CANCELLED, Cause.CANCELLED)
        assert (attempt.message, attempt.finished_at) == (CANCELLED_BY_HAND, story.now)
        assert story.events(job)[-1].data == {"from": "QUEUED", "to": "CANCELLED", "fence": 1, "cause": "cancelled"}
        assert story.end(taken, session=None).status is S.CANCELLED

    def test_cancel_and_retry_are_all_or_nothing(self, story: Story) -> None:
        """J03 (Writer.cancel, retry): one that cannot, and none is."""
        task = story.task()
        waiting, done, failed, cancelled = story.jobs(task, 4)
        story.finish(done)
        story.finish(failed, S.FAILED)
        story.cancel(cancelled)
        before = story.read(lambda reader: reader.jobs(JobQuery())), story.events()
        for ended in (done, failed):
            with pytest.raises(IllegalTransitionError, match=str(ended)):
                story.cancel(waiting, ended)
        for other in (waiting, done):
            with pytest.raises(IllegalTransitionError, match=str(other)):
                story.retry(failed, cancelled, other)
        with pytest.raises(NotFoundError, match="999999"):
            story.cancel(waiting, 999_999)
        with pytest.raises(NotFoundError, match="999999"):
            story.retry(failed, 999_999)
        assert (story.read(lambda reader: reader.jobs(JobQuery())), story.events()) == before

    def test_retry_begins_anew(self, story: Story) -> None:
        """J04 (Writer.retry): counts and the last end are forgotten, attempts and fences go on."""
        policy = STEADY
        job = story.job(story.task(retry=policy))
        for _ in range(3):
            taken = story.take()
            story.end(taken, Cause.EXIT, exit_code=3, message="broken", result=[1])
            story.tick(20)
            story.settle()
        assert story.status(job) is S.FAILED
        story.tick(1)
        (seen,) = story.retry(job)
        assert (seen.status, seen.failures, seen.losses, seen.ooms) == (S.PENDING, 0, 0, 0)
        assert (seen.cause, seen.message, seen.exit_code, seen.result) == (None, "", None, None)
        assert (seen.started_at, seen.finished_at, seen.not_before) == (None, None, None)
        assert (seen.attempt, seen.updated_at) == (3, story.now)
        assert story.events(job)[-1].data == {"from": "FAILED", "to": "PENDING"}
        assert story.take().fence == 4
        assert len(story.attempts(job)) == 4

    def test_name_and_priority_change_at_any_time(self, story: Story) -> None:
        """J05 (Writer.update_job): of a waiting, held or ended job."""
        task = story.task()
        waiting, held, done = story.jobs(task, 3)
        story.finish(done)
        story.change(held, status=S.QUEUED)
        story.tick(1)
        for job in (waiting, held, done):
            changed = story.change(job, name="new", priority=9)
            assert (changed.name, changed.priority, changed.updated_at) == ("new", 9, story.now)
            assert story.see(job) == changed
            event = story.events(job)[-1]
            assert (event.kind, event.data) == (EventKind.UPDATED, {"fields": ["name", "priority"]})

    def test_what_a_job_does_changes_only_while_it_waits(self, story: Story) -> None:
        """J06 (Writer.update_job): task, parameters and dependencies."""
        project = story.project()
        task, other = story.task("task", project=project), story.task("other", project=project, cpu=2)
        stranger = story.task("stranger")
        waiting, held, done, parent = story.jobs(task, 4)
        story.finish(done)
        story.change(held, status=S.QUEUED)
        changed = story.change(waiting, task_id=other.id, parameters={"b": 1, "a": 2})
        assert (changed.task_id, changed.task_name) == (other.id, "other")
        assert list(changed.parameters) == ["b", "a"]
        changes: list[dict[str, Any]] = [
            {"task_id": other.id},
            {"parameters": {"x": 1}},
            {"depends": {parent: Condition.SUCCESS}},
        ]
        for job in (held, done):
            before = story.see(job)
            for change in changes:
                with pytest.raises(ConflictError, match=str(job)):
                    story.change(job, priority=5, **change)
            assert story.see(job) == before
        for unknown in (999, stranger.id):
            with pytest.raises(InvalidError, match=str(unknown)):
                story.change(waiting, task_id=unknown)
        with pytest.raises(NotFoundError):
            story.change(999_999, priority=1)
        story.client()
        assert {each.job.id for each in story.claim(cpu=1)} == {parent}

    def test_values_that_are_there_already_change_nothing(self, story: Story) -> None:
        """J07 (Writer.update_job): a person may send back the whole document that they got."""
        task = story.task()
        parent = story.job(task)
        job = story.job(task, after=[parent], parameters={"a": 1, "b": [2.0, {"c": True}]})
        ended = story.job(task)
        story.finish(ended)
        for job_id in (job, ended):
            seen, events = story.see(job_id), story.events()
            story.tick(1)
            same = {
                "name": seen.name,
                "project_id": seen.project_id,
                "task_id": seen.task_id,
                "parameters": seen.parameters,
                "priority": seen.priority,
                "depends": seen.conditions,
                "status": seen.status,
            }
            assert story.change(job_id, **same) == seen
            assert story.events() == events
            assert story.change(job_id) == seen

    def test_parameters_keep_their_order_and_types(self, story: Story) -> None:
        """J08 (JobChanges.parameters): another order is a change, and so are 1, 1.0 and true."""
        job = story.job(story.task(), parameters={"a": 1, "b": 2})
        for parameters in ({"b": 2, "a": 1}, {"b": 2, "a": 1.0}, {"b": 2, "a": True}, {}):
            changed = story.change(job, parameters=parameters)
            assert list(changed.parameters.items()) == list(parameters.items())
            assert [*map(type, changed.parameters.values())] == [*map(type, parameters.values())]
            assert story.kinds(job)[-1] is EventKind.UPDATED
        assert len(story.events(job)) == 5

    @pytest.mark.parametrize(("old", "new"), LEGAL)
    def test_legal_status_can_be_set(self, story: Story, old: JobStatus, new: JobStatus) -> None:
        """J09 (states.check_request): and does what it says."""
        job = bring_to(story, story.task(), old)
        story.tick(1)
        changed = story.change(job, status=new)
        assert changed.status is new
        assert changed.updated_at == story.now
        event = story.events(job)[-1]
        assert (event.data["from"], event.data["to"]) == (old, new)
        attempts = story.attempts(job)
        if old.is_live and new is S.PENDING:
            assert (attempts[-1].status, attempts[-1].message) == (AttemptStatus.LOST, GIVEN_BACK)
            assert (changed.losses, changed.cause) == (0, None)
            assert event.kind is EventKind.RELEASED
        if new.is_final and attempts:
            assert attempts[-1].status.value == new.value
            assert attempts[-1].finished_at == changed.finished_at == story.now
        if new is S.FAILED:
            assert (changed.cause, changed.failures) == (Cause.EXIT, 1)

    @pytest.mark.parametrize(("old", "new"), ILLEGAL)
    def test_illegal_status_is_refused(self, story: Story, old: JobStatus, new: JobStatus) -> None:
        """J10 (states.check_request): with from, to and why; nothing else of the request is done."""
        job = bring_to(story, story.task(), old)
        before = story.see(job), story.events()
        with pytest.raises(IllegalTransitionError, match=f"{old} to {new}"):
            story.change(job, status=new, priority=77)
        assert (story.see(job), story.events()) == before

    def test_job_that_is_not_ready_cannot_be_set_to_queued(self, story: Story) -> None:
        """J11 (Writer.update_job): it waits for a job, or for the end of its back-off."""
        task = story.task(retry=STEADY)
        failing = story.job(task)
        behind = story.job(task, after=[failing])
        story.finish(failing, S.FAILED)
        for job in (failing, behind):
            with pytest.raises(IllegalTransitionError, match=str(job)):
                story.change(job, status=S.QUEUED, name="new")
            assert story.see(job).name == "job"

    def test_failure_by_hand_follows_the_policy(self, story: Story) -> None:
        """J12 (Writer.update_job): FAILED with retries left is PENDING after its back-off."""
        job = story.job(story.task(retry=STEADY))
        story.change(job, status=S.QUEUED)
        story.change(job, status=S.RUNNING)
        changed = story.change(job, status=S.FAILED)
        assert (changed.status, changed.failures) == (S.PENDING, 1)
        assert changed.not_before == story.now + timedelta(seconds=10)

    def test_fields_change_while_the_job_waits(self, story: Story) -> None:
        """J13 (Writer.update_job): before the status of a waiting job, after that of any other."""
        job = story.job(story.task())
        taken = story.change(job, status=S.QUEUED, parameters={"a": 1})
        assert (taken.status, taken.parameters) == (S.QUEUED, {"a": 1})
        story.change(job, status=S.FAILED)
        retried = story.change(job, status=S.PENDING, parameters={"a": 2})
        assert (retried.status, retried.parameters) == (S.PENDING, {"a": 2})
        with pytest.raises(ConflictError):
            story.change(job, status=S.RUNNING, parameters={"a": 3})
        assert story.see(job) == retried

    def test_job_can_move_to_another_project(self, story: Story) -> None:
        """J14 (Writer.update_job): with a task there, and with no edges."""
        task, target = story.task("task"), story.task("target")
        job, parent = story.jobs(task, 2)
        child = story.job(task, after=[parent])
        for changes, error in (
            ({"project_id": 999, "task_id": target.id}, NotFoundError),
            ({"project_id": target.project_id}, InvalidError),
            ({"project_id": target.project_id, "task_id": task.id}, InvalidError),
        ):
            with pytest.raises(error):
                story.change(job, **changes)
        for tied in (parent, child):
            with pytest.raises(ConflictError, match="depend"):
                story.change(tied, project_id=target.project_id, task_id=target.id)
        moved = story.change(job, project_id=target.project_id, task_id=target.id)
        assert (moved.project_id, moved.task_name) == (target.project_id, "target")
        assert story.counts(target.project_id)[S.PENDING] == 1
        assert story.counts(task.project_id)[S.PENDING] == 2
        story.client()
        assert [each.job.id for each in story.claim(project_ids=(target.project_id,))] == [job]
        freed = story.change(child, project_id=target.project_id, task_id=target.id, depends={})
        assert (freed.project_id, freed.depends) == (target.project_id, {})
        archived = ProjectChanges(status=ProjectStatus.ARCHIVED)
        story.write(lambda writer: writer.update_project(target.project_id, archived, story.now))
        with pytest.raises(ConflictError, match="archived"):
            story.change(parent, project_id=target.project_id, task_id=target.id)

    def test_deleted_jobs_are_gone_with_their_attempts_and_logs(self, story: Story) -> None:
        """J15 (Writer.delete_jobs): how many there were; unknown ones and repeats don't count."""
        task = story.task()
        held, waiting, kept = story.jobs(task, 3)
        taken = story.take()
        story.write(lambda writer: writer.append_log(ref_of(taken), "stdout", 0, b"x", head=9, tail=9, now=story.now))
        assert story.delete(held, 999_999, waiting, held) == 2
        for job in (held, waiting):
            with pytest.raises(NotFoundError):
                story.see(job)
            assert story.kinds(job)[-1] is EventKind.DELETED
        assert story.events(held)[-1].data == {"from": "QUEUED"}
        with pytest.raises(NotFoundError):
            story.log(ref_of(taken))
        assert story.read(lambda reader: reader.live_attempts("worker")) == []
        assert not story.end(taken).accepted
        assert story.settle().next_at is None
        assert story.ready() == [kept]
        counts = story.counts(task.project_id)
        assert (counts[S.PENDING], counts[S.QUEUED]) == (1, 0)

    def test_queue_is_cleared_newest_first(self, story: Story) -> None:
        """J16 (Writer.clear_queue): PENDING jobs of the project, as many as wanted."""
        task, other = story.task("task"), story.task("other")
        elsewhere = story.job(other)
        held, failed, parent = story.jobs(task, 3)
        blocked = story.job(task, after=[failed])
        child = story.job(task, after=[parent])
        story.finish(failed, S.FAILED)
        story.change(held, status=S.QUEUED)

        def clear(limit: int) -> int:
            return story.write(lambda writer: writer.clear_queue(task.project_id, story.now, limit))

        assert clear(1) == 1
        with pytest.raises(NotFoundError):
            story.see(child)
        assert clear(100) == 1
        assert clear(100) == 0
        left = story.found()
        assert left == [elsewhere, held, failed, blocked]
        assert story.kinds(parent)[-1] is EventKind.DELETED

    def test_log_is_kept_by_its_attempt(self, story: Story) -> None:
        """J17 (Writer.retry): a new attempt has a log of its own."""
        job = story.job(story.task())
        for word in (b"first", b"second"):
            taken = story.take()
            story.append(ref_of(taken), 0, word, "stderr")
            story.end(taken, Cause.EXIT)
            story.retry(job)
        parts = [story.log(AttemptRef(job_id=job, fence=fence), stream="stderr") for fence in (1, 2)]
        assert parts == [LogPart(data=b"first", offset=0, size=5), LogPart(data=b"second", offset=0, size=6)]


def bring_to(story: Story, task: Task, status: JobStatus) -> int:
    """Return a job that is in this status."""
    if status is S.BLOCKED:
        parent = story.job(task)
        story.cancel(parent)
        return story.job(task, after=[parent])
    job = story.job(task)
    if status is S.CANCELLED:
        story.cancel(job)
    elif status is not S.PENDING:
        story.change(job, status=S.QUEUED)
        if status is not S.QUEUED:
            story.change(job, status=status)
    return job
