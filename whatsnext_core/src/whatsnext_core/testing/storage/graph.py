"""Scenarios of dependencies."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from whatsnext_core.errors import CycleError, InvalidError, NotFoundError
from whatsnext_core.model import Condition, EventKind, JobSpec, JobStatus
from whatsnext_core.storage import JobQuery, Page
from whatsnext_core.testing.storage.base import StorageFixtures
from whatsnext_core.testing.storage.story import Story

S = JobStatus
MET = {
    Condition.SUCCESS: {S.COMPLETED},
    Condition.FAILURE: {S.FAILED},
    Condition.FINISHED: {S.COMPLETED, S.FAILED, S.CANCELLED},
}


class GraphScenarios(StorageFixtures):
    """G: jobs that wait for each other."""

    @pytest.mark.parametrize("condition", Condition)
    @pytest.mark.parametrize("end", [S.COMPLETED, S.FAILED, S.CANCELLED])
    def test_end_of_a_parent_meets_its_condition_or_blocks(
        self, story: Story, condition: Condition, end: JobStatus
    ) -> None:
        """G01 (dependencies.fate): each condition with each end."""
        task = story.task()
        parent = story.job(task)
        child = story.job(task, after=[parent], condition=condition)
        behind = story.job(task, after=[child])
        story.tick(1)
        story.finish(parent, end)
        met = end in MET[condition]
        assert story.statuses([child, behind]) == [S.PENDING if met else S.BLOCKED] * 2
        assert story.ready() == [child] * met
        assert story.kinds(child) == [EventKind.SUBMITTED] + [EventKind.BLOCKED] * (not met)
        if not met:
            assert story.see(behind).updated_at == story.now
            assert story.events(behind)[-1].data == {"from": "PENDING", "to": "BLOCKED"}

    def test_job_is_ready_when_all_its_parents_have_met_their_conditions(self, story: Story) -> None:
        """G02 (dependencies.Counts): a diamond."""
        task = story.task()
        top = story.job(task)
        left, right = story.job(task, after=[top]), story.job(task, after=[top])
        bottom = story.job(task, after=[left, right])
        assert story.ready() == [top]
        story.finish(top)
        assert story.ready() == [left, right]
        story.finish(right)
        assert story.ready() == [left]
        story.finish(left)
        assert story.ready() == [bottom]
        found = story.read(lambda reader: reader.dependencies(bottom))
        assert list(found.items()) == [(left, ("job", S.COMPLETED)), (right, ("job", S.COMPLETED))]

    def test_children_and_dependencies_are_listed(self, story: Story) -> None:
        """G03 (Reader.children, dependencies): in pages, by id; unknown jobs are not found."""
        task = story.task()
        parent = story.job(task, name="parent")
        children = [story.job(task, after=[parent]) for _ in range(3)]
        assert story.read(lambda reader: reader.children(parent, Page())) == children
        assert story.read(lambda reader: reader.children(parent, Page(limit=1, skip=1))) == children[1:2]
        assert story.read(lambda reader: reader.dependencies(children[0])) == {parent: ("parent", S.PENDING)}
        assert story.read(lambda reader: reader.dependencies(parent)) == {}
        with pytest.raises(NotFoundError):
            story.read(lambda reader: reader.children(999, Page()))
        with pytest.raises(NotFoundError):
            story.read(lambda reader: reader.dependencies(999))

    def test_retry_brings_blocked_descendants_back(self, story: Story) -> None:
        """G04 (Writer.retry): but for those that something else still blocks."""
        task = story.task()
        first, second = story.jobs(task, 2)
        child, torn = story.job(task, after=[first]), story.job(task, after=[first, second])
        behind, behind_torn = story.job(task, after=[child]), story.job(task, after=[torn])
        everything = [child, torn, behind, behind_torn]
        story.finish(first, S.FAILED)
        story.finish(second, S.CANCELLED)
        assert story.statuses(everything) == [S.BLOCKED] * 4
        story.tick(1)
        story.retry(first)
        assert story.statuses(everything) == [S.PENDING, S.BLOCKED, S.PENDING, S.BLOCKED]
        assert story.events(behind)[-1].data == {"from": "BLOCKED", "to": "PENDING"}
        assert story.kinds(behind)[-1] is EventKind.UNBLOCKED
        assert story.ready() == [first]
        story.retry(second)
        assert story.statuses(everything) == [S.PENDING] * 4
        for job in (first, second, child, torn, behind):
            story.finish(job)
        assert story.ready() == [behind_torn]

    def test_retry_of_a_parent_takes_back_what_its_end_had_met(self, story: Story) -> None:
        """G05 (Writer.retry): a child that waits has to wait again; one that ran stays as it is."""
        task = story.task()
        parent = story.job(task)
        waiting, done = (story.job(task, after=[parent], condition=Condition.FAILURE) for _ in range(2))
        story.finish(parent, S.FAILED)
        story.finish(done)
        assert story.ready() == [waiting]
        story.retry(parent)
        assert story.ready() == [parent]
        assert story.statuses([waiting, done]) == [S.PENDING, S.COMPLETED]
        story.finish(parent)
        assert story.statuses([waiting, done]) == [S.BLOCKED, S.COMPLETED]

    def test_live_job_feels_its_parents_only_when_it_returns(self, story: Story) -> None:
        """G06 (Standing.impossible): it runs on, and is BLOCKED when it would have to wait again."""
        task = story.task()
        parent = story.job(task)
        child = story.job(task, after=[parent], condition=Condition.FAILURE)
        story.finish(parent, S.FAILED)
        taken = story.take()
        assert taken.job.id == child
        story.retry(parent)
        story.finish(parent)
        assert story.status(child) is S.QUEUED
        story.write(lambda writer: writer.delete_client("worker", story.now))
        assert story.status(child) is S.BLOCKED
        assert story.events(child)[-1].data == {
            "from": "QUEUED",
            "to": "BLOCKED",
            "fence": 1,
            "client": "worker",
            "cause": "lost",
        }

    def test_met_edges_outlive_their_parent_and_others_become_impossible(self, story: Story) -> None:
        """G07 (Writer.delete_jobs): the name stays, the status is None."""
        task = story.task()
        done, waiting = story.job(task, name="done"), story.job(task, name="waiting")
        met, unmet = story.job(task, after=[done]), story.job(task, after=[done, waiting])
        behind = story.job(task, after=[unmet])
        story.finish(done)
        assert story.delete(done, waiting) == 2
        story.settle()
        assert story.statuses([met, unmet, behind]) == [S.PENDING, S.BLOCKED, S.BLOCKED]
        assert story.ready() == [met]
        assert story.see(met).depends == {done: "done"}
        found = story.read(lambda reader: reader.dependencies(unmet))
        assert found == {done: ("done", None), waiting: ("waiting", None)}

    def test_edge_keeps_the_name_that_its_parent_had(self, story: Story) -> None:
        """G08 (Job.depends): from when the edge was made."""
        task = story.task()
        parent = story.job(task, name="old")
        before = story.job(task, after=[parent])
        story.change(parent, name="new")
        after = story.job(task, after=[parent])
        assert (story.see(before).depends, story.see(after).depends) == ({parent: "old"}, {parent: "new"})
        assert story.read(lambda reader: reader.dependencies(before)) == {parent: ("old", S.PENDING)}

    def test_dependencies_of_a_waiting_job_can_be_replaced(self, story: Story) -> None:
        """G09 (Writer.update_job): its place and status follow."""
        task = story.task()
        open_, failed = story.jobs(task, 2)
        story.finish(failed, S.FAILED)
        job, behind = story.job(task), 0
        behind = story.job(task, after=[job])
        story.change(job, depends={open_: Condition.SUCCESS})
        assert (story.status(job), story.ready()) == (S.PENDING, [open_])
        story.change(job, depends={open_: Condition.SUCCESS, failed: Condition.SUCCESS})
        assert story.statuses([job, behind]) == [S.BLOCKED, S.BLOCKED]
        assert story.kinds(job) == [EventKind.SUBMITTED, EventKind.UPDATED, EventKind.UPDATED, EventKind.BLOCKED]
        changed = story.change(job, depends={open_: Condition.SUCCESS, failed: Condition.FAILURE})
        assert changed.status is S.PENDING
        assert changed.conditions == {open_: Condition.SUCCESS, failed: Condition.FAILURE}
        assert story.status(behind) is S.PENDING
        story.change(job, depends={})
        assert story.ready() == [open_, job]
        assert story.read(lambda reader: reader.children(open_, Page())) == []
        story.finish(job)
        assert story.ready() == [open_, behind]

    def test_dependencies_that_cannot_be_are_refused(self, story: Story) -> None:
        """G10 (Writer.update_job): circles, unknown jobs, other projects; the job stays as it was."""
        task, other = story.task("task"), story.task("other")
        chain = [story.job(task)]
        for _ in range(12):
            chain.append(story.job(task, after=chain[-1:]))
        elsewhere, before = story.job(other), story.see(chain[0])
        for parent in chain:
            with pytest.raises(CycleError):
                story.change(chain[0], depends={parent: Condition.SUCCESS})
        for parent in (999_999, elsewhere):
            with pytest.raises(InvalidError, match=str(parent)):
                story.change(chain[0], depends={parent: Condition.SUCCESS})
        assert story.see(chain[0]) == before
        assert story.ready() == [chain[0], elsewhere]
        side = story.job(task)
        story.change(chain[3], depends={side: Condition.SUCCESS, chain[1]: Condition.SUCCESS})
        with pytest.raises(CycleError):
            story.change(side, depends={chain[12]: Condition.SUCCESS})

    def test_edge_to_a_deleted_job_can_be_given_again_but_not_changed(self, story: Story) -> None:
        """G11 (Writer.update_job): a person may send back the whole document that they got."""
        task = story.task()
        gone, there = story.jobs(task, 2)
        job = story.job(task, after=[gone])
        story.finish(gone)
        story.delete(gone)
        both = {there: Condition.FINISHED, gone: Condition.SUCCESS}
        assert story.change(job, depends=both).depends == {there: "job 1", gone: "job 0"}
        with pytest.raises(InvalidError, match=str(gone)):
            story.change(job, depends={there: Condition.FINISHED, gone: Condition.FINISHED})
        story.finish(there)
        assert story.ready() == [job]
        story.change(job, depends={there: Condition.FINISHED})
        assert story.ready() == [job]

    def test_jobs_of_one_call_are_dealt_with_before_their_effects(self, story: Story) -> None:
        """G12 (storage.protocol): a child that is cancelled with its parent was never BLOCKED."""
        task = story.task()
        parent = story.job(task)
        child = story.job(task, after=[parent])
        story.cancel(parent, child)
        assert story.statuses([parent, child]) == [S.CANCELLED] * 2
        assert story.kinds(child) == [EventKind.SUBMITTED, EventKind.CANCELLED]
        story.retry(parent, child)
        assert story.statuses([parent, child]) == [S.PENDING] * 2
        assert story.kinds(child)[2:] == [EventKind.RETRIED, EventKind.UNBLOCKED]
        assert story.ready() == [parent]
        story.delete(parent, child)
        assert story.kinds(child)[4:] == [EventKind.DELETED]

    def test_large_graph_is_settled_in_steps(self, story: Story) -> None:
        """G13 (Writer.settle): nobody is claimed by mistake in between, and the end is the same."""
        task = story.task()
        root, *middle = story.reserve(1_301)
        (bottom,) = story.reserve(1)
        story.submit(
            JobSpec(name="root", task_id=task.id, id=root),
            *(JobSpec(name="middle", task_id=task.id, id=job, depends={root: Condition.SUCCESS}) for job in middle),
            JobSpec(name="bottom", task_id=task.id, id=bottom, depends=dict.fromkeys(middle, Condition.SUCCESS)),
        )

        def settle_watching(status: JobStatus) -> None:
            while story.write(lambda writer: writer.settle(story.now, 100)).more:
                found = story.counts(task.project_id)
                assert sum(found.values()) == 1_302
                assert set(story.ready()) <= {root}
            page = Page(limit=10_000)
            found = Counter(job.status for job in story.read(lambda reader: reader.jobs(JobQuery(page=page))))
            assert found[status] >= 1_301
            counts = story.counts(task.project_id)
            assert {kind: count for kind, count in counts.items() if count} == found

        story.finish(root, S.FAILED)
        settle_watching(S.BLOCKED)
        story.retry(root)
        settle_watching(S.PENDING)
        assert story.ready() == [root]
        story.finish(root)
        story.settle()
        assert len(story.ready()) == 1_000
        assert story.delete(*middle) == 1_300
        story.settle()
        assert story.status(bottom) is S.BLOCKED

    def test_deep_chain_is_settled_to_its_end(self, story: Story) -> None:
        """G14 (Writer.settle): however long."""
        task = story.task()
        ids = story.reserve(400)
        specs = [JobSpec(name="top", task_id=task.id, id=ids[0])]
        for parent, job in pairwise(ids):
            specs.append(JobSpec(name="link", task_id=task.id, id=job, depends={parent: Condition.SUCCESS}))
        story.submit(*specs)
        story.cancel(ids[0])
        story.settle()
        counts = story.counts(task.project_id)
        assert (counts[S.BLOCKED], counts[S.CANCELLED]) == (399, 1)
        story.retry(ids[0])
        story.settle()
        assert story.counts(task.project_id)[S.PENDING] == 400
