"""Why a job stands where it stands."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from whatsnext_client.commands.jobs.explanation import Facts, Parent, Reason, Worker, explain
from whatsnext_core.model import Capacity, Cause, Condition, Job, JobStatus, ProjectStatus, Requirement
from whatsnext_core.model.client import numbered_devices

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SMALL = Worker(id="small", capacity=Capacity(cpu=2))
LARGE = Worker(id="large", capacity=Capacity(cpu=8, devices=numbered_devices(2)))


def job(status: JobStatus = JobStatus.PENDING, **fields: Any) -> Job:
    """Job 7."""
    values: dict[str, Any] = {
        "id": 7, "name": "train", "project_id": 1, "task_id": 1, "task_name": "train", "parameters": {},
        "status": status, "priority": 0, "depends": {}, "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return Job(**{**values, **fields})


def reasons(given: Job, **fields: Any) -> list[Reason]:
    """Why that job stands where it stands, on a server with two workers."""
    values: dict[str, Any] = {
        "now": NOW, "job": given, "project_status": ProjectStatus.ACTIVE, "requirement": Requirement(),
        "workers": (SMALL, LARGE),
    }  # fmt: skip
    return explain(Facts(**{**values, **fields}))


def test_a_ready_job_names_the_workers_that_it_fits_and_its_place_in_the_queue() -> None:
    (only,) = reasons(job(), requirement=Requirement(cpu=4), ahead=3)
    assert only.code == "in-line"
    assert "fits large: 3 pending jobs are before it" in only.text
    (first,) = reasons(job(), ahead=0)
    assert "fits small, large: it is the next in the queue" in first.text
    (unknown,) = reasons(job(), ahead=None)
    assert "others are before it" in unknown.text


def test_a_job_that_fits_no_worker_says_what_each_lacks() -> None:
    (only,) = reasons(job(), requirement=Requirement(cpu=16, accelerators=4))
    assert only.code == "does-not-fit"
    assert "It needs 16 CPUs, 4 accelerators." in only.text
    assert "small: needs 16 CPUs, has 2" in only.text
    assert "large: needs 16 CPUs, has 8, needs 4 accelerators, has 2" in only.text


def test_without_a_worker_the_job_says_how_to_start_one() -> None:
    (only,) = reasons(job(), workers=())
    assert (only.code, "whatsnext worker" in only.text) == ("no-worker", True)


def test_a_job_that_fits_only_draining_workers_says_so() -> None:
    draining = Worker(id="large", capacity=LARGE.capacity, draining=True)
    (only,) = reasons(job(), workers=(SMALL, draining), requirement=Requirement(cpu=4))
    assert (only.code, "large" in only.text) == ("draining", True)


@pytest.mark.parametrize(
    ("condition", "words"),
    [(Condition.SUCCESS, "to complete"), (Condition.FINISHED, "to end in any way"), (Condition.FAILURE, "to fail")],
)
def test_a_job_that_waits_for_others_names_them_with_their_status(condition: Condition, words: str) -> None:
    given = job(depends={3: "prep", 4: "done"}, conditions={3: condition, 4: Condition.SUCCESS})
    parents = (
        Parent(id=3, name="prep", status=JobStatus.RUNNING),
        Parent(id=4, name="done", status=JobStatus.COMPLETED),
    )
    (only,) = reasons(given, parents=parents)
    assert (only.code, only.job_ids) == ("dependency", (3,))
    assert only.text == f"It waits for job 3 (prep) {words}; that one is RUNNING."


def test_a_waiting_job_that_would_fit_nowhere_says_both() -> None:
    parents = (Parent(id=3, name="prep", status=JobStatus.PENDING),)
    found = reasons(job(depends={3: "prep"}), parents=parents, requirement=Requirement(cpu=99))
    assert [each.code for each in found] == ["dependency", "does-not-fit"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (JobStatus.FAILED, "is FAILED, and it had to complete. To bring both back: whatsnext jobs retry 3"),
        (JobStatus.BLOCKED, "is BLOCKED, and it had to complete. What holds that one: whatsnext jobs why 3"),
        (None, "was deleted, and it had to complete."),
    ],
)
def test_a_blocked_job_says_what_blocks_it_and_the_way_out(status: JobStatus | None, words: str) -> None:
    parents = (
        Parent(id=3, name="prep", status=status),
        Parent(id=4, name="other", status=JobStatus.RUNNING),
    )
    (only,) = reasons(job(JobStatus.BLOCKED, depends={3: "prep", 4: "other"}), parents=parents)
    assert only.text == f"It can never run: job 3 (prep) {words}"


def test_a_job_in_back_off_says_when_it_may_start() -> None:
    given = job(attempt=2, cause=Cause.EXIT, not_before=NOW + timedelta(seconds=12.5))
    (only,) = reasons(given)
    assert only.text == "Attempt 2 failed (exit); the next one may start in 12.5 s."
    over = job(attempt=2, cause=Cause.EXIT, not_before=NOW - timedelta(seconds=1))
    assert [each.code for each in reasons(over)] == ["in-line"]


def test_a_job_of_an_archived_project_says_so() -> None:
    assert reasons(job(), project_status=ProjectStatus.ARCHIVED)[0].code == "archived"


def test_a_job_that_a_worker_holds_says_which() -> None:
    (claimed,) = reasons(job(JobStatus.QUEUED, client_id="large"))
    assert claimed.text.startswith("Worker large has claimed it")
    given = job(
        JobStatus.RUNNING, client_id="large", attempt=1, started_at=NOW - timedelta(minutes=5), cancel_requested=True
    )
    running, cancelling = reasons(given)
    assert running.text == "It runs on worker large, attempt 1, for 5 min now."
    assert cancelling.code == "cancelling"


def test_a_job_that_ended_says_how() -> None:
    failed = reasons(job(JobStatus.FAILED, failures=3, losses=1, cause=Cause.EXIT, exit_code=2, message="no such file"))
    assert [each.text for each in failed] == [
        "Its last attempt ended with cause exit, exit code 2: no such file",
        "3 attempts failed and 1 was lost; no retry is left.",
        "To run it again: whatsnext jobs retry 7",
    ]
    assert reasons(job(JobStatus.FAILED))[0].text == "It was declared as failed."
    assert "at attempt 2" in reasons(job(JobStatus.COMPLETED, attempt=2))[0].text
    assert "whatsnext jobs retry 7" in reasons(job(JobStatus.CANCELLED))[0].text
