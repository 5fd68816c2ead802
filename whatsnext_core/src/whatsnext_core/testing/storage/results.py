"""Scenarios of results that later jobs use in their parameters."""

from __future__ import annotations

from typing import Any

import pytest

from whatsnext_core.errors import InvalidError
from whatsnext_core.model import AttemptStatus, Cause, Condition, EventKind, JobSpec, JobStatus, RetryPolicy, Task
from whatsnext_core.scheduling import CLAIM_ROUNDS
from whatsnext_core.testing.storage.base import StorageFixtures
from whatsnext_core.testing.storage.story import Story

S = JobStatus


def ended(story: Story, task: Task, name: str, result: Any) -> int:
    """Submit a job and bring it to its end with a result."""
    job = story.job(task, name=name)
    story.client()
    (taken,) = story.claim()
    story.end(taken, result=result)
    return job


class ResultScenarios(StorageFixtures):
    """V: values of earlier jobs in the parameters of later ones."""

    def test_claim_puts_results_into_parameters(self, story: Story) -> None:
        """V01 (Writer.claim): by name and by id, anywhere in them; what is stored stays."""
        task = story.task()
        best = ended(story, task, "best", {"lr": 0.5, "layers": [64, {"x": "ü"}], "none": None})
        other = ended(story, task, "other", [1, "two"])
        parameters = {
            "lr": {"$result": "best.lr"},
            "deep": [0, {"way": {"$result": "best.layers[1].x"}}, {"$result": "best.none"}],
            "whole": {"$result": {"job": other}},
            "last": {"$result": {"job": "other", "path": [-1]}},
            "plain": 1,
        }
        job = story.job(task, after=[best, other], parameters=parameters)
        (taken,) = story.claim(request=7)
        assert taken.job.parameters == {
            "lr": 0.5,
            "deep": [0, {"way": "ü"}, None],
            "whole": [1, "two"],
            "last": "two",
            "plain": 1,
        }
        assert list(taken.job.parameters) == list(parameters)
        assert story.claim(request=7) == [taken]
        assert story.see(job).parameters == parameters

    def test_fetch_without_a_client_gets_results_too(self, story: Story) -> None:
        """V02 (Writer.claim): as any other claim."""
        task = story.task()
        best = ended(story, task, "best", 7)
        story.job(task, after=[best], parameters={"n": {"$result": "best"}})
        (taken,) = story.claim(None, session=None, lease=None)
        assert taken.job.parameters == {"n": 7}

    @pytest.mark.parametrize(
        ("wish", "words"),
        [
            ("nobody.lr", "nobody"),
            ("twin.lr", "twin"),
            ({"job": 999}, "999"),
            ("best..lr", "empty part"),
            ({"job": "best", "path": [""]}, "empty"),
            ({"job": "best", "way": 1}, "way"),
            (17, "17"),
            ({"job": True}, "True"),
        ],
    )
    def test_reference_that_means_nothing_is_refused(self, story: Story, wish: Any, words: str) -> None:
        """V03 (Writer.submit, Writer.update_job): before anything is written."""
        task = story.task()
        best = story.job(task, name="best")
        twins = [story.job(task, name="twin") for _ in range(2)]
        good, bad = {"x": {"$result": "best.x"}}, {"x": [{"$result": wish}]}
        after = dict.fromkeys([best, *twins], Condition.SUCCESS)
        with pytest.raises(InvalidError, match=words):
            story.submit(
                JobSpec(name="good", task_id=task.id),
                JobSpec(name="bad", task_id=task.id, depends=after, parameters=bad),
            )
        assert story.found() == [best, *twins]
        job = story.job(task, after=list(after), parameters=good)
        with pytest.raises(InvalidError, match=words):
            story.change(job, parameters=bad, priority=3, name="new")
        seen = story.see(job)
        assert (seen.parameters, seen.priority, seen.name) == (good, 0, "job")

    def test_reference_to_a_job_that_is_no_dependency_any_more_is_refused(self, story: Story) -> None:
        """V04 (Writer.update_job): whichever of the two changes; both may change at once."""
        task = story.task()
        best, other = story.job(task, name="best"), story.job(task, name="other")
        job = story.job(task, after=[best], parameters={"x": {"$result": "best"}})
        with pytest.raises(InvalidError, match="best"):
            story.change(job, depends={other: Condition.SUCCESS})
        with pytest.raises(InvalidError, match="other"):
            story.change(job, parameters={"x": {"$result": "other"}})
        assert story.see(job).depends == {best: "best"}
        changed = story.change(job, depends={other: Condition.SUCCESS}, parameters={"x": {"$result": "other.y"}})
        assert (changed.depends, changed.parameters) == ({other: "other"}, {"x": {"$result": "other.y"}})
        assert story.change(job, parameters={}).parameters == {}

    def test_jobs_of_one_call_refer_to_each_other(self, story: Story) -> None:
        """V05 (Writer.submit): by the names that they get in this very call, also in a batch of several calls."""
        task = story.task()
        batch = story.open(task)
        first, second = story.reserve(2)
        specs = [
            JobSpec(
                name="second",
                task_id=task.id,
                id=second,
                depends={first: Condition.SUCCESS},
                parameters={"x": {"$result": "first.x"}},
            ),
            JobSpec(name="first", task_id=task.id, id=first),
        ]
        story.submit(*specs, submission=batch)
        (third,) = story.submit(
            JobSpec(
                name="third",
                task_id=task.id,
                depends={second: Condition.FINISHED},
                parameters={"y": {"$result": {"job": second}}},
            ),
            submission=batch,
        )
        story.publish(batch)
        story.settle()
        story.client()
        story.end(story.claim()[0], result={"x": 1})
        (taken,) = story.claim()
        assert (taken.job.id, taken.job.parameters) == (second, {"x": 1})
        story.end(taken, Cause.EXIT, result={"why": "broken"})
        (taken,) = story.claim()
        assert (taken.job.id, taken.job.parameters) == (third, {"y": {"why": "broken"}})

    @pytest.mark.parametrize(
        ("result", "words"), [(None, "gave no result"), ({"loss": 1}, "'loss'"), ([1], "a list of 1"), ("lr", "'lr'")]
    )
    def test_job_whose_value_is_missing_fails(self, story: Story, result: Any, words: str) -> None:
        """V06 (Writer.claim): with cause format-error and what there is; others are given instead."""
        task = story.task()
        best = ended(story, task, "best", result)
        job = story.job(task, name="final", after=[best], parameters={"lr": {"$result": "best.lr"}}, priority=9)
        child = story.job(task, after=[job])
        other = story.job(task)
        (taken,) = story.claim(limit=1)
        assert taken.job.id == other
        seen = story.see(job)
        assert (seen.status, seen.cause, seen.attempt, seen.finished_at) == (S.FAILED, Cause.FORMAT_ERROR, 1, story.now)
        for part in ("'lr'", f"job {job} ('final')", f"job {best} ('best')", words):
            assert part in seen.message
        (attempt,) = story.attempts(job)
        assert (attempt.status, attempt.cause, attempt.client_id) == (
            AttemptStatus.FAILED,
            Cause.FORMAT_ERROR,
            "worker",
        )
        assert attempt.expires_at is None
        assert story.kinds(job)[-2:] == [EventKind.CLAIMED, EventKind.FAILED]
        assert story.status(child) is S.BLOCKED
        assert [each.job_id for each in story.read(lambda reader: reader.live_attempts("worker"))] == [other]

    def test_value_of_a_deleted_job_is_missing(self, story: Story) -> None:
        """V07 (Writer.claim): though its edge is met; also for a request that is repeated."""
        task = story.task()
        best = ended(story, task, "best", 1)
        jobs = [story.job(task, after=[best], parameters={"x": {"$result": "best"}}) for _ in range(2)]
        (first,) = story.claim(limit=1, request=1)
        assert first.job.id == jobs[0]
        story.delete(best)
        assert story.claim(limit=1, request=1) == []
        assert story.claim(limit=1, request=2) == []
        assert story.statuses(jobs) == [S.FAILED, S.FAILED]
        assert "deleted" in story.see(jobs[1]).message

    def test_job_that_failed_for_a_missing_value_can_be_retried(self, story: Story) -> None:
        """V08 (Writer.retry): it asks again; and a policy may name the cause."""
        task = story.task(retry=RetryPolicy(retries=1, delay=10, jitter=0, causes=frozenset({Cause.FORMAT_ERROR})))
        best = ended(story, task, "best", None)
        job = story.job(task, after=[best], parameters={"x": {"$result": "best"}})
        assert story.claim() == []
        assert story.status(job) is S.PENDING
        story.tick(10)
        story.settle()
        assert story.claim() == []
        assert story.status(job) is S.FAILED
        story.retry(job)
        story.change(job, parameters={"x": 5})
        (taken,) = story.claim()
        assert (taken.job.parameters, taken.fence) == ({"x": 5}, 3)

    def test_many_jobs_that_cannot_run_hold_up_nobody(self, story: Story) -> None:
        """V09 (Writer.claim): those that the claim took fail, and the room is used by others."""
        task = story.task()
        best = ended(story, task, "best", {})
        bad = [story.job(task, after=[best], parameters={"x": {"$result": "best.x"}}, priority=1) for _ in range(5)]
        good = story.jobs(task, 5)
        taken = story.claim(cpu=3)
        assert [each.job.id for each in taken] == list(good[:3])
        assert set(story.statuses(bad)) == {S.FAILED}

    def test_claim_does_not_look_for_ever(self, story: Story) -> None:
        """V10 (Writer.claim): it leaves some of many jobs that cannot run to the next one."""
        task = story.task()
        best = ended(story, task, "best", {})
        parameters = {"x": {"$result": "best.x"}}
        bad = [story.job(task, after=[best], parameters=parameters, priority=1) for _ in range(CLAIM_ROUNDS + 1)]
        other = story.job(task)
        assert story.claim(limit=1) == []
        assert story.statuses(bad) == [S.FAILED] * CLAIM_ROUNDS + [S.PENDING]
        (taken,) = story.claim(limit=1)
        assert (taken.job.id, story.status(bad[-1])) == (other, S.FAILED)
