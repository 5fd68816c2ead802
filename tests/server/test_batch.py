import json
import threading

import pytest

from tests.server.serving import Api
from tests.support import wait_until


def batch(api: Api, project_id: int, jobs: object, status: int = 201) -> dict[str, object]:
    answer: dict[str, object] = api.call("POST", f"/projects/{project_id}/jobs/batch", {"jobs": jobs}, status)
    return answer


def total(api: Api, project_id: int) -> int:
    counts: dict[str, int] = api.call("GET", f"/projects/{project_id}/counts")
    return sum(counts.values())


def test_batch_answers_the_ids_in_its_order(api: Api) -> None:
    project_id, task_id = api.queue()
    jobs = [
        {"name": "a", "task_id": task_id},
        {"name": "b", "task": "train", "priority": 3},
        {"name": "c", "task": "train"},
    ]
    answer = batch(api, project_id, jobs)
    ids = answer["job_ids"]
    assert isinstance(ids, list)
    assert answer == {"created": 3, "job_ids": sorted(ids)}
    assert [api.call("GET", f"/jobs/{each}")["name"] for each in ids] == ["a", "b", "c"]


def test_empty_batch_creates_nothing(api: Api) -> None:
    assert batch(api, api.project(), []) == {"created": 0, "job_ids": []}


def test_refs_name_jobs_of_the_batch_in_any_order(api: Api) -> None:
    project_id, task_id = api.queue()
    before = api.job(project_id, task_id, "before")
    jobs = [
        {"name": "report", "task": "train", "depends_on": ["best", {"job": "prepare", "condition": "Finished"}]},
        {"name": "best", "task": "train", "ref": "best", "depends_on": ["prepare", before]},
        {
            "name": "prepare",
            "task": "train",
            "ref": "prepare",
            "depends": {before: "before"},
            "conditions": {before: "failure"},
        },
    ]
    report, best, prepare = api.call("POST", f"/projects/{project_id}/jobs/batch", {"jobs": jobs}, 201)["job_ids"]
    assert report < best < prepare
    shown = [api.call("GET", f"/jobs/{each}") for each in (report, best, prepare)]
    assert [each["depends"] for each in shown] == [
        {str(best): "best", str(prepare): "prepare"},
        {str(before): "before", str(prepare): "prepare"},
        {str(before): "before"},
    ]
    assert shown[0]["conditions"] == {str(best): "success", str(prepare): "finished"}
    assert shown[2]["conditions"] == {str(before): "failure"}


def test_jobs_of_a_batch_ask_for_each_others_results(api: Api) -> None:
    project_id, _ = api.queue()
    jobs = [
        {
            "name": "last",
            "task": "train",
            "depends_on": ["b", "c"],
            "parameters": {"lr": {"$result": "b.lr"}, "all": [{"$result": "other name"}]},
        },
        {"name": "b", "task": "train", "ref": "b"},
        {"name": "other name", "task": "train", "ref": "c"},
    ]
    answer = api.call("POST", f"/projects/{project_id}/jobs/batch", {"jobs": jobs}, 201)
    last, b, c = answer["job_ids"]
    client = api.worker()
    api.sync(client, 1, want=5, project_ids=[project_id])
    ended = [{"job_id": each, "fence": 1, "succeeded": True, "result": {"lr": each}} for each in (b, c)]
    (given,) = api.sync(client, 2, ended=ended, want=5, project_ids=[project_id])["assignments"]
    assert given["job"]["parameters"] == {"lr": b, "all": [{"lr": c}]}
    stored = api.call("GET", f"/jobs/{last}")["parameters"]
    assert stored == {"lr": {"$result": {"job": b, "path": ["lr"]}}, "all": [{"$result": "other name"}]}


def test_cycle_in_a_batch_is_409_and_shows_it(api: Api) -> None:
    project_id, _ = api.queue()
    jobs = [
        {"name": "x", "task": "train", "ref": "x", "depends_on": ["z"]},
        {"name": "y", "task": "train", "ref": "y", "depends_on": ["x"]},
        {"name": "z", "task": "train", "ref": "z", "depends_on": ["y"]},
    ]
    detail = str(batch(api, project_id, jobs, 409)["detail"])
    assert "circle" in detail
    assert "'x' (number 1)" in detail
    assert total(api, project_id) == 0


@pytest.mark.parametrize("size", [3, 1500])
@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({"task": "nix"}, 404, "'nix' not found"),
        ({"task_id": 999_999_999}, 404, "Task with id 999999999 not found."),
        ({"task": None}, 400, "names no task"),
        ({"depends_on": ["nix"]}, 400, "'nix', which is no ref of this batch"),
        ({"depends_on": [999_999_999]}, 400, "999999999"),
        ({"depends": {"999999999": ""}}, 400, "999999999"),
        ({"ref": "first"}, 400, "ref 'first' is used by two"),
        ({"parameters": {"x": "\0"}}, 400, "NUL"),
        ({"parameters": {"x": {"$result": "first.lr"}}}, 400, "it depends on no job"),
        ({"depends_on": ["first"], "parameters": {"x": {"$result": "first..lr"}}}, 400, "empty part"),
        ({"depends_on": ["first"], "parameters": {"x": {"$result": 1, "y": 2}}}, 400, "stands alone"),
        ({"name": "bell\a"}, 400, "control character"),
        ({"priority": 2**40}, 422, "priority is 1099511627776"),
        ({"timeout": 0}, 422, "timeout is 0"),
        ({"nix": 1}, 422, "nix is unknown here"),
    ],
)
def test_one_wrong_job_refuses_the_whole_batch(
    api: Api, size: int, wrong: dict[str, object], status: int, words: str
) -> None:
    project_id, _ = api.queue()
    jobs: list[dict[str, object]] = [{"name": f"j{number}", "task": "train"} for number in range(size)]
    jobs[0]["ref"] = "first"
    jobs[-1] |= wrong
    assert words in json.dumps(batch(api, project_id, jobs, status)["detail"]).replace('\\"', '"')
    assert total(api, project_id) == 0


def test_task_of_another_project_is_refused(api: Api) -> None:
    project_id, other = api.project(), api.queue()[1]
    assert "must be one of project" in str(batch(api, project_id, [{"name": "a", "task_id": other}], 400)["detail"])


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "not JSON"),
        (b'{"jobs": [{"name": "a", "task": "train"}', 400, "not JSON"),
        (b'{"jobs": [{"name": "a", "task": "train"}]} x', 400, "Extra data"),
        (b'{"jobs": [{"name": NaN}]}', 400, "NaN is not JSON"),
        (b'{"jobs": [' + b"[" * 100_000 + b"]", 400, "nested too deep"),
        (b'\xff{"jobs": []}', 400, "UTF-8"),
        (b"[]", 422, "object"),
        (b"{}", 422, "jobs is missing"),
        (b'{"jobs": 5}', 422, "jobs is 5"),
        (b'{"job": []}', 422, "job is unknown"),
        (b'{"jobs": [], "more": 1}', 422, "more is unknown"),
        (b'{"jobs": [5]}', 422, "jobs.0 is 5"),
    ],
)
def test_malformed_body_is_told_in_words(memory_api: Api, body: bytes, status: int, words: str) -> None:
    project_id, _ = memory_api.queue()
    path = f"/projects/{project_id}/jobs/batch"
    answer = memory_api.call("POST", path, status=status, content=body, headers={"Content-Type": "application/json"})
    assert words in json.dumps(answer["detail"])


def test_unknown_project_is_404(api: Api) -> None:
    assert batch(api, 999_999_999, [], 404) == {"detail": "Project with id 999999999 not found."}


def test_large_batch_becomes_visible_at_once(api: Api) -> None:
    project_id, _ = api.queue()
    size = 4000
    jobs: list[dict[str, object]] = [{"name": "first", "task": "train", "ref": "first"}]
    jobs += [{"name": f"j{number}", "task": "train", "depends_on": ["first"]} for number in range(1, size)]
    seen: set[int] = set()
    done = threading.Event()

    def watch() -> None:
        own = Api(api.url)
        while not done.is_set():
            seen.add(total(own, project_id))
        own.close()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        ids = batch(api, project_id, jobs)["job_ids"]
    finally:
        done.set()
        watcher.join()
    assert isinstance(ids, list)
    assert ids == sorted(ids)
    assert seen <= {0, size}
    assert total(api, project_id) == size
    assert api.call("GET", f"/jobs/{ids[-1]}")["depends"] == {str(ids[0]): "first"}
    fetched = wait_until(lambda: api.call("GET", f"/projects/{project_id}/fetch_job")["job"])
    assert fetched["id"] == ids[0]
    api.call("PUT", f"/jobs/{ids[0]}", {"status": "COMPLETED"})
    fetched = wait_until(lambda: api.call("GET", f"/projects/{project_id}/fetch_job")["job"])
    assert fetched["id"] == ids[1]


def test_batch_of_a_client_that_went_away_is_discarded(api: Api) -> None:
    project_id, _ = api.queue()
    body = {"jobs": [{"name": f"j{number}", "task": "train"} for number in range(20_000)]}
    with api.send_and_leave_open("POST", f"/projects/{project_id}/jobs/batch", body):
        pass
    assert batch(api, project_id, [{"name": "next", "task": "train"}])["created"] == 1
    assert total(api, project_id) == 1
