"""Jobs: submitted, looked at, changed, taken, run by hand."""

import time
from collections.abc import Callable
from datetime import date
from http import HTTPStatus
from typing import Any

import pytest

from tests.client.support import Echo, Python
from whatsnext.api.client import (
    Client,
    ConflictError,
    EmptyQueueError,
    InvalidError,
    Job,
    NotFoundError,
    Project,
    Server,
    Task,
    TemplateError,
)
from whatsnext_client.commands.base import listing


@pytest.fixture(autouse=True)
def task(project: Project) -> Task:
    """A task that most tests use."""
    return project.create_task("train")


def test_a_queued_job_has_an_id_and_keeps_what_it_was_given(project: Project) -> None:
    first = Job("first", "train", {"lr": 0.1, "name": "ünïcode 'quoted\"", "list": [1, None, True]}, priority=3)
    assert project.append_queue(first) is True
    second = Job("second", "train", {}, depends={first.number: "first"})
    project.append_queue(second)
    assert second.depends == {first.id: "first"}
    found = {job.name: job for job in project.jobs}
    assert found["first"].parameters == first.parameters
    assert found["first"].priority == 3
    assert found["second"].depends == {first.id: "first"}
    assert found["second"].status == "PENDING"
    assert found["first"].created_at is not None
    assert found["first"].task == "train"


def test_a_task_object_serves_as_the_task(project: Project, task: Task) -> None:
    job = Job("job", task, {})
    project.append_queue(job)
    assert job.task == "train"


def test_a_job_of_an_unknown_task_is_not_found_and_gets_no_id(project: Project) -> None:
    job = Job("job", "nothing", {})
    with pytest.raises(NotFoundError, match="nothing"):
        project.append_queue(job)
    assert job.id is None


def test_a_task_that_was_made_anew_is_found_again(project: Project, task: Task) -> None:
    project.append_queue(Job("job", "train"))
    project.clear_queue()
    task.delete()
    project.create_task("train")
    project.append_queue(Job("job", "train"))
    assert len(project.queue) == 1


def test_a_batch_may_refer_to_itself_in_any_order(project: Project) -> None:
    first, second = Job("first", "train"), Job("second", "train")
    third = Job("third", "train", depends=[first, second], conditions={second: "finished"})
    ids = project.extend_queue([third, first, second])
    assert ids == [third.id, first.id, second.id]
    assert third.refresh().depends == {first.id: "first", second.id: "second"}
    assert project.extend_queue([]) == []


def test_a_batch_is_all_or_nothing(project: Project) -> None:
    with pytest.raises(NotFoundError, match="nothing"):
        project.extend_queue([Job("good", "train"), Job("bad", "nothing")])
    assert project.jobs == []


def test_a_dependency_that_is_not_queued_is_refused_before_anything_is_sent(project: Project) -> None:
    parent = Job("parent", "train")
    with pytest.raises(InvalidError, match="'parent', which is not queued"):
        project.append_queue(Job("child", "train", depends=[parent]))
    assert project.jobs == []


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Job("job", "train", {"x": float("nan")}), "nan"),
        (lambda: Job("", "train"), "empty"),
        (lambda: Job("job", "train", {"x": object()}), "no JSON"),
        (lambda: Job("job", "train", {"x": "y" * 2**21}), "bytes"),
        (lambda: Job("job", "train", {"x": 2**64}), "64 bits"),
        (lambda: Job("job", "train", {"x": date(2026, 1, 31)}), "of type date, which is no JSON"),
        (lambda: Job("job", "train", {"x": {1: 2}}), "no string"),
        (lambda: Job("job", "train", {"x": "\ud800"}), "lone surrogate"),
        (lambda: Job("job\n", "train"), "white space"),
        (lambda: Job("job", "train", priority=2**31), "priority"),
        (lambda: Job("job", "train", timeout=-1), "timeout of job 'job' is -1"),
    ],
)
def test_what_no_server_takes_is_refused_here(project: Project, make: Callable[[], Job], why: str) -> None:
    with pytest.raises(InvalidError, match=why):
        project.append_queue(make())


def test_subclasses_of_what_json_knows_are_sent_as_such(project: Project) -> None:
    class Word(str):
        __slots__ = ()

    given = {Word("word"): Word("é"), "one": HTTPStatus.OK, "pair": (1, 2.5), "large": 1e300}
    job = project.append("job", "train", given)
    (batched,) = project.extend_queue([Job(Word("job"), Word("train"), given)])
    assert job.refresh().parameters == {"word": "é", "one": 200, "pair": [1, 2.5], "large": 1e300}
    assert [each.parameters for each in project.jobs if each.id == batched] == [job.parameters]


def test_jobs_without_dependencies_keep_theirs_apart(project: Project) -> None:
    first, second = Job("first", "train"), Job("second", "train")
    project.append_queue(first)
    first.set_depends_to({})
    second.set_depends_to([first])
    assert (first.depends, second.depends, Job("third", "train").depends) == ({}, {first.id: "first"}, {})


def test_a_dependency_that_is_no_job_is_refused() -> None:
    with pytest.raises(InvalidError, match="None; ids are whole numbers"):
        Job("job", "train", depends={None: "not queued"})  # type: ignore[arg-type]  # the mistake itself
    with pytest.raises(InvalidError, match="list of Job"):
        Job("job", "train", depends=["first"])  # type: ignore[list-item]  # the mistake itself
    for unrelated in (Job("job", "train").depends, None):
        with pytest.raises(InvalidError, match="has a condition for '1', on which it does not depend"):
            Job("job", "train", depends=unrelated, conditions={1: "finished"})


def test_what_is_not_queued_cannot_be_asked_for() -> None:
    job = Job("job", "train")
    for ask in (job.refresh, job.cancel, job.retry, job.wait, job.logs, job.attempts, job.run):
        with pytest.raises(InvalidError, match="is not queued"):
            ask()


def test_append_makes_and_queues_a_job(project: Project) -> None:
    job = project.append(name="job", parameters={"a": 1}, task="train", priority=2)
    assert job.id is not None
    assert job.refresh().priority == 2


def test_the_queue_is_in_the_order_in_which_jobs_run(project: Project) -> None:
    project.extend_queue([Job(f"job-{priority}", "train", priority=priority) for priority in (1, 3, 2, 3)])
    assert [job.priority for job in project.queue] == [3, 3, 2, 1]
    assert [job.name for job in project.jobs] == ["job-1", "job-3", "job-2", "job-3"]


def test_more_jobs_than_one_page_are_all_there(project: Project) -> None:
    ids = project.extend_queue([Job(f"job-{number}", "train") for number in range(2_345)])
    assert [job.id for job in project.jobs] == ids
    assert project.clear_queue() == 2_345
    assert project.queue == []


def test_a_fetched_job_is_taken(project: Project) -> None:
    project.append("low", "train")
    project.append("high", "train", priority=1)
    fetched = project.fetch_job()
    assert (fetched.name, fetched.status) == ("high", "QUEUED")
    popped = project.pop()
    assert popped is not None
    assert popped.name == "low"
    assert project.pop() is None
    with pytest.raises(EmptyQueueError, match="is empty"):
        project.fetch_job()


def test_a_job_that_does_not_fit_is_not_fetched(project: Project) -> None:
    project.create_task("wide", required_cpu=8)
    project.append("job", "wide")
    with pytest.raises(EmptyQueueError, match="1 wait"):
        project.fetch_job(available_cpu=4)
    assert project.fetch_job(available_cpu=8).name == "job"


def test_pop_queue_takes_the_job_at_a_place(project: Project) -> None:
    project.extend_queue([Job("first", "train"), Job("second", "train"), Job("third", "train")])
    assert project.pop_queue(1).name == "second"
    assert project.pop_queue(-1).name == "third"
    assert project.pop_queue().name == "first"
    with pytest.raises(EmptyQueueError, match="has 0 jobs"):
        project.pop_queue()


def test_a_removed_job_is_gone(project: Project) -> None:
    job = project.append("job", "train")
    assert project.remove_job(job.number) is True
    assert project.remove_job(job.number) is False
    with pytest.raises(NotFoundError):
        job.refresh()


def test_the_status_goes_its_legal_ways(project: Project) -> None:
    job = project.append("job", "train")
    with pytest.raises(ConflictError, match="PENDING to RUNNING"):
        job.set_status("RUNNING")
    for status in ("queued", "RUNNING", "COMPLETED", "COMPLETED"):
        assert job.set_status(status) is True
    assert job.refresh().status == "COMPLETED"
    with pytest.raises(InvalidError, match="DONE"):
        job.set_status("DONE")


def test_priority_and_dependencies_can_change(project: Project) -> None:
    first, second = project.append("first", "train"), project.append("second", "train")
    assert second.set_priority_to(7) is True
    assert second.set_depends_to([first]) is True
    assert (second.refresh().priority, second.depends) == (7, {first.id: "first"})
    with pytest.raises(ConflictError, match="circle"):
        first.set_depends_to({second.number: "second"})
    assert second.set_depends_to(None) is True
    assert second.refresh().depends == {}


def test_a_job_that_was_cancelled_can_be_retried(project: Project) -> None:
    parent = project.append("parent", "train")
    child = project.append("child", "train", depends=[parent])
    assert parent.cancel().status == "CANCELLED"
    assert child.wait(10) == "BLOCKED"
    assert parent.retry().status == "PENDING"
    assert child.refresh().status == "PENDING"


def test_waiting_ends_in_time(project: Project) -> None:
    job = project.append("job", "train")
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"is still PENDING after 0\.2 seconds"):
        job.wait(0.2)
    assert time.monotonic() - began < 10


def test_a_job_runs_here_and_now(project: Project, make_client: Callable[..., Client]) -> None:
    project.create_task("template", command_template="""sh -c 'echo "$0"; echo oops >&2; exit $1' {word} {code}""")
    good = project.append("good", "template", {"word": "it's", "code": 0})
    assert good.run() == 0
    assert (good.status, good.logs(), good.logs("stderr")) == ("COMPLETED", "it's\n", "oops\n")
    bad = project.append("bad", "template", {"word": "x", "code": 3})
    assert bad.run() == 3
    assert bad.status == "FAILED"
    with make_client(formatter=Echo(), available_cpu=4, available_accelerators=2) as client:
        fetched = project.append("fetched", "train", {"a": 1})
        assert fetched.run(client.allocate_resource(2, 1)) == 0
        assert fetched.logs() == "train a=1\n"


def test_a_job_run_by_hand_gets_the_devices_of_its_resource(
    project: Project, make_client: Callable[..., Client]
) -> None:
    client = make_client(formatter=Python(), available_accelerators=4)
    client.allocate_resource(0, 2)
    job = project.append("job", "train", {"code": "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"})
    assert job.run(client.allocate_resource(1, 2)) == 0
    assert job.logs() == "2,3\n"


def test_a_job_that_no_command_can_be_made_of_fails_with_the_reason(project: Project) -> None:
    project.create_task("template", command_template="echo {missing}")
    job = project.append("job", "template")
    with pytest.raises(TemplateError, match="missing"):
        job.run()
    assert job.refresh().status == "FAILED"


def test_a_job_that_runs_here_has_the_results_that_it_asks_for(
    project: Project, make_client: Callable[..., Client]
) -> None:
    project.create_task("give", command_template="sh -c 'echo 5 >$WHATSNEXT_RESULT'")
    project.create_task("take", command_template="echo {x}")
    give = project.append("give", "give")
    make_client().work()
    take = project.append("take", "take", {"x": {"$result": "give"}}, depends=[give])
    assert take.run() == 0
    assert take.logs() == "5\n"
    lacks = project.append("lacks", "take", {"x": {"$result": "give.lr"}}, depends=[give])
    gone = project.append("gone", "take", {"x": {"$result": "give"}}, depends=[give])
    with pytest.raises(InvalidError, match="there is 5"):
        lacks.run()
    project.remove_job(give)
    with pytest.raises(InvalidError, match="deleted"):
        gone.run()
    assert (lacks.refresh().status, gone.refresh().status) == ("FAILED", "FAILED")


def test_a_job_that_waits_for_others_does_not_run(project: Project) -> None:
    parent = project.append("parent", "train")
    with pytest.raises(ConflictError):
        project.append("child", "train", depends=[parent]).run()


@pytest.mark.parametrize("order", ["oldest", "newest", "queue"])
def test_pages_leave_out_no_job_while_jobs_of_earlier_pages_leave(
    server: Server, project: Project, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    ids = project.extend_queue([Job("job", "train", {}, priority=number % 3) for number in range(9)])
    in_order = {
        "oldest": ids,
        "newest": ids[::-1],
        "queue": [*ids[2::3], *ids[1::3], *ids[::3]],
    }
    page_of, pages = server.rest.jobs, []

    def page_and_leave(**where: Any) -> list[dict[str, Any]]:
        page = page_of(**where)
        pages.append(where)
        for job in page:
            server.rest.cancel_job(job["id"])
        return page

    monkeypatch.setattr(listing, "PAGE", 2)
    monkeypatch.setattr(server.rest, "jobs", page_and_leave)
    found = listing.list_jobs(server.rest, order=order, project_id=project.id, status="PENDING")
    assert [job["id"] for job in found] == in_order[order]
    assert len(pages) == 5
