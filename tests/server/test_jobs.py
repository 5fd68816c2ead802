from typing import Any

import pytest

from tests.server.serving import Api
from whatsnext_server.schemas.jobs import FETCHED, job_fields


def test_new_job_waits_with_the_documented_defaults(api: Api) -> None:
    project_id, task_id = api.queue()
    job = api.call("POST", "/jobs/", {"name": "j", "project_id": project_id, "task_id": task_id}, 201)
    assert job.keys() == set(job_fields())
    shown = {
        name: job[name] for name in ("name", "project_id", "task_id", "task_name", "status", "priority", "depends")
    }
    assert shown == {
        "name": "j", "project_id": project_id, "task_id": task_id, "task_name": "train", "status": "PENDING",
        "priority": 0, "depends": {},
    }  # fmt: skip
    assert api.call("GET", f"/jobs/{job['id']}") == job


def test_task_may_be_given_by_name(api: Api) -> None:
    project_id, task_id = api.queue()
    job = api.call("POST", "/jobs/", {"name": "j", "project_id": project_id, "task": "train"}, 201)
    assert job["task_id"] == task_id


def test_parameters_come_back_as_they_were_given(api: Api) -> None:
    project_id, task_id = api.queue()
    parameters = {"z": 1, "a": [None, True, 1.5, "\u00e9\U0001f600", {"deep": {"er": []}}], "": 2**63, "e": 1e300}
    job_id = api.job(project_id, task_id, parameters=parameters)
    assert list(api.call("GET", f"/jobs/{job_id}")["parameters"].items()) == list(parameters.items())


def test_dependencies_are_shown_with_names_and_statuses(api: Api) -> None:
    project_id, task_id = api.queue()
    first = api.job(project_id, task_id, "first")
    second = api.job(project_id, task_id, "second", depends={first: "first"})
    assert api.call("GET", f"/jobs/{second}")["depends"] == {str(first): "first"}
    listed = {"id": first, "name": "first", "status": "PENDING"}
    found = api.call("GET", f"/jobs/{second}/dependencies")
    assert found == {"job_id": second, "dependencies": [listed], "all_completed": False}
    assert api.call("GET", f"/projects/{project_id}/fetch_job")["job"]["id"] == first
    assert api.call("GET", f"/projects/{project_id}/fetch_job")["job"] is None
    api.call("PUT", f"/jobs/{first}", {"status": "COMPLETED"})
    assert api.call("GET", f"/jobs/{second}/dependencies")["all_completed"] is True
    assert api.call("GET", f"/projects/{project_id}/fetch_job")["job"]["id"] == second


def test_conditions_decide_what_a_dependency_must_do(api: Api) -> None:
    project_id, task_id = api.queue()
    first = api.job(project_id, task_id)
    cleanup = api.job(project_id, task_id, depends={first: None}, conditions={first: "FINISHED"})
    report = api.job(project_id, task_id, depends={first: "job"})
    api.call("POST", f"/jobs/{first}/cancel")
    assert (api.status(cleanup), api.status(report)) == ("PENDING", "BLOCKED")
    assert api.call("GET", f"/jobs/{cleanup}")["conditions"] == {str(first): "finished"}


def test_update_takes_the_whole_document_and_ignores_what_is_read_only(api: Api) -> None:
    project_id, task_id = api.queue()
    parent = api.job(project_id, task_id)
    job_id = api.job(project_id, task_id, depends={parent: "job"}, conditions={parent: "failure"}, parameters={"a": 1})
    document = api.call("GET", f"/jobs/{job_id}")
    changed = api.call("PUT", f"/jobs/{job_id}", {**document, "priority": 7, "message": "mine", "attempt": 99})["data"]
    assert {**changed, "updated_at": ""} == {**document, "priority": 7, "updated_at": ""}


def test_whole_document_of_a_running_job_changes_its_status(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    api.call("GET", f"/projects/{project_id}/fetch_job")
    running = api.call("PUT", f"/jobs/{job_id}", {"status": "running"})["data"]
    assert running["status"] == "RUNNING"
    assert api.call("PUT", f"/jobs/{job_id}", {**running, "status": "Completed"})["data"]["status"] == "COMPLETED"


def test_new_dependencies_keep_the_conditions_of_those_that_stay(api: Api) -> None:
    project_id, task_id = api.queue()
    first, second = api.job(project_id, task_id), api.job(project_id, task_id)
    job_id = api.job(project_id, task_id, depends={first: "job"}, conditions={first: "finished"})
    changed = api.call("PUT", f"/jobs/{job_id}", {"depends": {first: "job", second: "job"}})["data"]
    assert changed["conditions"] == {str(first): "finished", str(second): "success"}
    changed = api.call("PUT", f"/jobs/{job_id}", {"conditions": {second: "failure"}})["data"]
    assert changed["conditions"] == {str(first): "finished", str(second): "failure"}
    assert api.call("PUT", f"/jobs/{job_id}", {"depends": {}})["data"]["depends"] == {}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (["COMPLETED"], "cannot go from PENDING to COMPLETED"),
        (["QUEUED", "COMPLETED", "PENDING"], "cannot go from COMPLETED to PENDING"),
        (["BLOCKED"], "BLOCKED"),
    ],
)
def test_illegal_status_change_is_409_and_says_from_to_and_why(api: Api, path: list[str], words: str) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    for status in path[:-1]:
        api.call("PUT", f"/jobs/{job_id}", {"status": status})
    before = api.call("GET", f"/jobs/{job_id}")
    assert words in api.call("PUT", f"/jobs/{job_id}", {"status": path[-1], "name": "other"}, 409)["detail"]
    assert api.call("GET", f"/jobs/{job_id}") == before


def test_cancelled_job_can_be_retried(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    assert api.call("POST", f"/jobs/{job_id}/cancel")["data"]["status"] == "CANCELLED"
    assert api.call("POST", f"/jobs/{job_id}/retry")["data"]["status"] == "PENDING"
    api.call("POST", f"/jobs/{job_id}/retry", status=409)


def test_failed_job_shows_its_attempts(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    api.call("GET", f"/projects/{project_id}/fetch_job")
    assert api.call("PUT", f"/jobs/{job_id}", {"status": "FAILED"})["data"]["cause"] == "exit"
    (attempt,) = api.call("GET", f"/jobs/{job_id}/attempts")
    assert (attempt["job_id"], attempt["fence"], attempt["status"], attempt["cause"]) == (job_id, 1, "FAILED", "exit")
    assert {"allocation", "handle", "claimed_at", "exit_code"} <= attempt.keys()


def test_deleted_job_is_gone(api: Api) -> None:
    project_id, task_id = api.queue()
    first, second = api.job(project_id, task_id), api.job(project_id, task_id)
    api.call("DELETE", f"/jobs/{first}", status=204)
    api.call("DELETE", f"/projects/{project_id}/jobs/{second}", status=204)
    for job_id in (first, second):
        assert api.call("GET", f"/jobs/{job_id}", status=404)["detail"] == f"Job with id {job_id} not found."
        api.call("DELETE", f"/jobs/{job_id}", status=404)


def test_job_is_deleted_through_its_own_project_only(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    other = api.project()
    answer = api.call("DELETE", f"/projects/{other}/jobs/{job_id}", status=404)
    assert answer["detail"] == f"Job with id {job_id} not found in project {other}."
    assert api.status(job_id) == "PENDING"


def test_list_meets_all_conditions(api: Api) -> None:
    project_id, task_id = api.queue()
    other = api.task(project_id, "report")
    ids = [api.job(project_id, task_id, f"job-{number}", priority=number % 2) for number in range(4)]
    last = api.job(project_id, other)
    api.call("POST", f"/jobs/{ids[0]}/cancel")

    def listed(**query: object) -> list[int]:
        found = api.call("GET", "/jobs/", params={"project_id": project_id, **query})
        return [each["id"] for each in found]

    assert listed() == [*ids, last]
    assert listed(order="newest", limit=2) == [last, ids[3]]
    assert listed(order="queue", status="pending") == [ids[1], ids[3], ids[2], last]
    assert listed(status="cancelled,FAILED") == [ids[0]]
    assert listed(status=["Cancelled", "pending"], task="train") == ids
    assert listed(task=str(other)) == listed(task="report") == [last]
    assert listed(name="job-2") == [ids[2]]
    assert listed(after_id=ids[1], before_id=last) == ids[2:]
    assert listed(skip=1, limit=2) == ids[1:3]
    assert listed(order="queue", after_priority=1, after_id=ids[1]) == [ids[3], ids[0], ids[2], last]
    for half in ({"order": "queue"}, {"order": "oldest", "after_id": last}):
        answer = api.call("GET", "/jobs/", status=400, params={"after_priority": 1, **half})
        assert "give both, and order=queue" in answer["detail"]
    assert "use one of PENDING" in api.call("GET", "/jobs/", status=400, params={"status": "done"})["detail"]


def test_fetched_job_has_exactly_the_documented_fields(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    found = api.call("GET", f"/projects/{project_id}/fetch_job")
    assert found.keys() == {"job", "num_pending"}
    assert found["job"].keys() == set(FETCHED)
    assert (found["job"]["id"], found["job"]["status"], found["num_pending"]) == (job_id, "QUEUED", 1)


def test_fetched_job_has_the_results_that_it_asks_for(api: Api) -> None:
    project_id, task_id = api.queue()
    best = api.job(project_id, task_id, "best")
    parameters = {"lr": {"$result": "best.lr"}, "epochs": 3}
    job_id = api.job(project_id, task_id, depends={best: "best"}, parameters=parameters)
    client = api.worker()
    api.sync(client, 1, want=1, project_ids=[project_id])
    end = {"job_id": best, "fence": 1, "succeeded": True, "result": {"lr": 0.25}}
    api.sync(client, 2, ended=[end])
    fetched = api.call("GET", f"/projects/{project_id}/fetch_job")["job"]
    assert (fetched["id"], fetched["parameters"]) == (job_id, {"lr": 0.25, "epochs": 3})
    assert api.call("GET", f"/jobs/{job_id}")["parameters"] == parameters


def test_fetch_passes_over_a_job_that_asks_for_a_result_that_is_not_there(api: Api) -> None:
    project_id, task_id = api.queue()
    best = api.job(project_id, task_id, "best")
    api.call("PUT", f"/jobs/{best}", {"status": "QUEUED"})
    api.call("PUT", f"/jobs/{best}", {"status": "COMPLETED"})
    asking: dict[str, Any] = {"depends": {best: "best"}, "parameters": {"lr": {"$result": "best.lr"}}, "priority": 5}
    failing = [api.job(project_id, task_id, **asking) for _ in range(3)]
    other = api.job(project_id, task_id)
    assert api.call("GET", f"/projects/{project_id}/fetch_job")["job"]["id"] == other
    for job_id in failing:
        job = api.call("GET", f"/jobs/{job_id}")
        assert (job["status"], job["cause"]) == ("FAILED", "format-error")
        assert f"of job {best} ('best'), which gave no result" in job["message"]


@pytest.mark.parametrize("wish", ["nix.lr", 5, {"job": 999_999_999}, "best..lr", {"path": "lr"}, None])
def test_reference_that_means_nothing_is_400(api: Api, wish: object) -> None:
    project_id, task_id = api.queue()
    best = api.job(project_id, task_id, "best")
    body = {"name": "job", "project_id": project_id, "task_id": task_id, "depends": {best: "best"}}
    bad = {"parameters": {"lr": {"$result": wish}}}
    assert "The parameter 'lr' of job 'job' " in api.call("POST", "/jobs/", {**body, **bad}, 400)["detail"]
    job_id = api.job(project_id, task_id, depends={best: "best"}, parameters={"lr": 1})
    assert "The parameter 'lr' of job 'job' " in api.call("PUT", f"/jobs/{job_id}", bad, 400)["detail"]
    assert api.call("GET", f"/jobs/{job_id}")["parameters"] == {"lr": 1}
