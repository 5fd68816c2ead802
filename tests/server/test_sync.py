import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.server.serving import Api
from tests.support import wait_until

LONG = 30.0


def claimed(answer: Any) -> list[tuple[int, int]]:
    return [(each["job"]["id"], each["fence"]) for each in answer["assignments"]]


def end(job_id: int, fence: int, **fields: Any) -> dict[str, Any]:
    return {"job_id": job_id, "fence": fence, "succeeded": True, **fields}


def held(api: Api, client_id: str) -> bool:
    """Whether the server holds a request of the client."""
    assert api.app is not None
    return bool(api.app.state.services.room.holds(client_id))


def test_sync_hands_out_jobs_with_all_that_is_needed_to_run_them(api: Api) -> None:
    project_id = api.project()
    task_id = api.task(project_id, command_template="train {lr}", required_cpu=2)
    job_id = api.job(project_id, task_id, parameters={"lr": 0.1})
    answer = api.sync(api.worker(), want=5, project_ids=[project_id])
    (assignment,) = answer["assignments"]
    assert assignment["job"]["id"] == job_id
    assert assignment["task"]["command_template"] == "train {lr}"
    assert (assignment["fence"], assignment["allocation"]["cpu"]) == (1, 2)
    assert (answer["lease"], answer["interval"], answer["num_pending"]) == (90, 20, 0)
    assert (answer["orders"], answer["outcomes"]) == ([], [])


def test_sync_gives_as_much_as_fits(api: Api) -> None:
    project_id = api.project()
    task_id = api.task(project_id, required_cpu=2)
    ids = [api.job(project_id, task_id) for _ in range(3)]
    answer = api.sync(api.worker(), cpu=5, want=10, project_ids=[project_id])
    assert claimed(answer) == [(ids[0], 1), (ids[1], 1)]
    assert answer["num_pending"] == 1


def test_whole_life_of_an_attempt_goes_through_sync(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    client_id = api.worker()
    api.sync(client_id, 1, want=1, project_ids=[project_id])
    running = [{"job_id": job_id, "fence": 1, "handle": {"pid": 42}}]
    assert api.sync(client_id, 2, running=running)["orders"] == []
    assert api.status(job_id) == "RUNNING"
    ended = [end(job_id, 1, exit_code=0, result={"loss": 0.5}, duration=1.5)]
    (outcome,) = api.sync(client_id, 3, ended=ended)["outcomes"]
    assert (outcome["accepted"], outcome["status"]) == (True, "COMPLETED")
    job = api.call("GET", f"/jobs/{job_id}")
    assert (job["status"], job["result"], job["exit_code"], job["client_id"]) == (
        "COMPLETED",
        {"loss": 0.5},
        0,
        client_id,
    )
    assert api.call("GET", f"/jobs/{job_id}/attempts")[0]["handle"] == {"pid": 42}


def test_repeated_request_changes_nothing_twice_and_returns_the_same_attempts(api: Api) -> None:
    project_id, task_id = api.queue()
    ids = [api.job(project_id, task_id) for _ in range(4)]
    client_id = api.worker()
    first = api.sync(client_id, 7, cpu=2, want=2, project_ids=[project_id])
    again = api.sync(client_id, 7, cpu=2, want=2, project_ids=[project_id])
    assert claimed(first) == claimed(again) == [(ids[0], 1), (ids[1], 1)]
    ended = [end(ids[0], 1), end(ids[1], 1, succeeded=False, cause="exit", exit_code=3)]
    reports = [api.sync(client_id, 8, cpu=2, want=2, project_ids=[project_id], ended=ended) for _ in range(2)]
    assert [claimed(each) for each in reports] == [[(ids[2], 1), (ids[3], 1)]] * 2
    assert [[each["accepted"] for each in report["outcomes"]] for report in reports] == [[True, True]] * 2
    assert [api.status(each) for each in ids] == ["COMPLETED", "FAILED", "QUEUED", "QUEUED"]
    assert api.call("GET", f"/jobs/{ids[1]}")["failures"] == 1


def test_stale_end_is_not_accepted_and_changes_nothing(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    first, second = api.worker(), api.worker()
    api.sync(first, 1, want=1, project_ids=[project_id])
    api.call("PUT", f"/jobs/{job_id}", {"status": "PENDING"})
    assert claimed(api.sync(second, 1, want=1, project_ids=[project_id])) == [(job_id, 2)]
    answer = api.sync(first, 2, ended=[end(job_id, 1)])
    assert answer["outcomes"][0]["accepted"] is False
    assert api.status(job_id) == "QUEUED"
    orders = api.sync(first, 3, running=[{"job_id": job_id, "fence": 1}])["orders"]
    assert orders == [{"kind": "kill", "job_id": job_id, "fence": 1}]


def test_released_attempt_returns_to_the_queue_and_held_one_is_renewed(api: Api) -> None:
    project_id, task_id = api.queue()
    ids = [api.job(project_id, task_id) for _ in range(2)]
    client_id = api.worker()
    api.sync(client_id, 1, want=2, project_ids=[project_id])
    before = api.call("GET", f"/jobs/{ids[0]}/attempts")[0]["expires_at"]
    refs = [{"job_id": each, "fence": 1} for each in ids]
    assert api.sync(client_id, 2, held=refs[:1], released=refs[1:])["orders"] == []
    assert [api.status(each) for each in ids] == ["QUEUED", "PENDING"]
    assert api.call("GET", f"/jobs/{ids[0]}/attempts")[0]["expires_at"] > before
    assert api.call("GET", f"/jobs/{ids[1]}")["losses"] == 0


def test_new_session_adopts_what_it_proved_to_run(api: Api) -> None:
    project_id, task_id = api.queue()
    ids = [api.job(project_id, task_id) for _ in range(2)]
    client_id = api.worker()
    api.sync(client_id, 1, session="old", want=2, project_ids=[project_id])
    refs = [{"job_id": each, "fence": 1} for each in ids]
    answer = api.sync(client_id, 1, session="new", adopted=refs, running=refs[:1], ended=[end(ids[1], 1)])
    assert (answer["orders"], answer["outcomes"][0]["accepted"]) == ([], True)
    assert [api.status(each) for each in ids] == ["RUNNING", "COMPLETED"]
    assert api.sync(client_id, 2, session="old", running=refs[:1])["orders"][0]["kind"] == "kill"


def test_cancel_is_ordered_and_confirmed(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    client_id = api.worker()
    api.sync(client_id, 1, want=1, project_ids=[project_id])
    running = [{"job_id": job_id, "fence": 1}]
    api.sync(client_id, 2, running=running)
    assert api.call("POST", f"/jobs/{job_id}/cancel")["data"]["cancel_requested"] is True
    order = {"kind": "cancel", "job_id": job_id, "fence": 1}
    assert api.sync(client_id, 3, running=running, wait=LONG)["orders"] == [order]
    assert api.status(job_id) == "RUNNING"
    api.sync(client_id, 4, ended=[end(job_id, 1, succeeded=False, cause="cancelled")])
    assert api.status(job_id) == "CANCELLED"


def rests(api: Api, client_id: str) -> bool:
    """Whether the server holds a request of the client and looks for nothing on its behalf just now."""
    assert api.app is not None
    seats = list(api.app.state.services.room._seats)  # noqa: SLF001  # nobody else needs to know
    return any(seat.rests for seat in seats if seat.client_id == client_id)


@contextmanager
def idling(api: Api, project_id: int) -> Iterator[Future[Any]]:
    """A client that waits for a job of the project, and what its request is answered."""
    client_id = api.worker()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.sync, client_id, want=1, wait=LONG, project_ids=[project_id])
        wait_until(lambda: rests(api, client_id))
        yield waiting


def is_claimed_with_its_submission(api: Api) -> bool:
    """Whether a job that comes to an idle client was claimed at the very time at which it was created."""
    project_id, task_id = api.queue()
    with idling(api, project_id) as waiting:
        job_id = api.job(project_id, task_id)
        assert claimed(waiting.result()) == [(job_id, 1)]
    (attempt,) = api.call("GET", f"/jobs/{job_id}/attempts")
    created: str = api.call("GET", f"/jobs/{job_id}")["created_at"]
    return bool(attempt["claimed_at"] == created)


def test_idle_client_claims_a_job_in_the_transaction_of_its_submission(api: Api) -> None:
    # Once in a while the server just looks by itself, for what other servers did.
    assert any(is_claimed_with_its_submission(api) for _ in range(5))


def test_refused_submission_leaves_a_held_request_as_it_is(api: Api) -> None:
    project_id, task_id = api.queue()
    with idling(api, project_id) as waiting:
        api.call("POST", "/jobs/", {"name": "job", "project_id": project_id, "task_id": 999_999_999}, 404)
        assert not waiting.done()
        job_id = api.job(project_id, task_id)
        assert claimed(waiting.result()) == [(job_id, 1)]


def test_held_request_is_answered_when_a_job_comes(api: Api) -> None:
    project_id, task_id = api.queue()
    client_id = api.worker()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.sync, client_id, want=1, wait=LONG, project_ids=[project_id])
        wait_until(lambda: held(api, client_id))
        begun = time.monotonic()
        job_id = api.job(project_id, task_id)
        assert claimed(waiting.result()) == [(job_id, 1)]
        assert time.monotonic() - begun < LONG / 2


@pytest.mark.parametrize("how", ["batch", "large batch", "retry", "dependency", "activate", "put"])
def test_held_request_hears_of_every_way_in_which_a_job_becomes_ready(api: Api, how: str) -> None:
    project_id, task_id = api.queue()
    client_id, other = api.worker(), api.worker()
    first = api.job(project_id, task_id)
    second = api.job(project_id, task_id, depends={first: "job"}) if how == "dependency" else 0
    api.sync(other, 1, want=1, project_ids=[project_id])
    if how in {"retry", "put"}:
        api.sync(other, 2, ended=[end(first, 1, succeeded=False, cause="exit")])
    if how == "activate":
        api.job(project_id, task_id)
        api.call("PUT", f"/projects/{project_id}", {"status": "ARCHIVED"})
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.sync, client_id, want=1, wait=LONG, project_ids=[project_id])
        wait_until(lambda: held(api, client_id))
        match how:
            case "batch" | "large batch":
                jobs = [{"name": "j", "task": "train"}] * (2 if how == "batch" else 1100)
                api.call("POST", f"/projects/{project_id}/jobs/batch", {"jobs": jobs}, 201)
            case "retry":
                api.call("POST", f"/jobs/{first}/retry")
            case "put":
                api.call("PUT", f"/jobs/{first}", {"status": "PENDING"})
            case "activate":
                api.call("PUT", f"/projects/{project_id}", {"status": "ACTIVE"})
            case "dependency":
                api.sync(other, 2, ended=[end(first, 1)])
        found = claimed(waiting.result())
        assert len(found) == 1
        if how == "dependency":
            assert found == [(second, 1)]


@pytest.mark.parametrize("how", ["cancel", "drain", "deactivate", "delete job", "delete project", "give back"])
def test_held_request_is_answered_at_once_when_there_is_an_order(api: Api, how: str) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    client_id = api.worker()
    api.sync(client_id, 1, want=1, project_ids=[project_id])
    running = [{"job_id": job_id, "fence": 1}]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.sync, client_id, 2, running=running, wait=LONG)
        wait_until(lambda: held(api, client_id))
        begun = time.monotonic()
        match how:
            case "cancel":
                api.call("POST", f"/jobs/{job_id}/cancel")
            case "drain":
                api.call("PUT", f"/clients/{client_id}", {"draining": True})
            case "deactivate":
                api.call("POST", f"/clients/{client_id}/deactivate")
            case "delete job":
                api.call("DELETE", f"/jobs/{job_id}", status=204)
            case "delete project":
                api.call("DELETE", f"/projects/{project_id}", status=204)
            case "give back":
                api.call("PUT", f"/jobs/{job_id}", {"status": "PENDING"})
        (order,) = waiting.result()["orders"]
        assert time.monotonic() - begun < LONG / 2
    expected = {"cancel": "cancel", "drain": "drain", "deactivate": "drain"}.get(how, "kill")
    assert order["kind"] == expected


def test_job_that_stops_its_siblings_has_other_clients_cancel_theirs_at_once(api: Api) -> None:
    project_id, task_id = api.queue()
    failing, running, waiting_job = sweep = [api.job(project_id, task_id) for _ in range(3)]
    api.job(project_id, task_id, depends=dict.fromkeys(sweep))
    first, second = api.worker(), api.worker()
    for client_id in (first, second):
        api.sync(client_id, 1, want=1, project_ids=[project_id])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.sync, second, 2, running=[{"job_id": running, "fence": 1}], wait=LONG)
        wait_until(lambda: held(api, second))
        ended = end(failing, 1, succeeded=False, cause="promised", message="loss is NaN", stop_siblings=True)
        answer = api.sync(first, 2, want=5, project_ids=[project_id], ended=[ended])
        assert (answer["outcomes"][0]["status"], answer["assignments"]) == ("FAILED", [])
        assert waiting.result()["orders"] == [{"kind": "cancel", "job_id": running, "fence": 1}]
    assert [api.status(job_id) for job_id in (failing, waiting_job)] == ["FAILED", "CANCELLED"]


def test_order_that_was_given_does_not_end_the_next_waiting(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    client_id = api.worker()
    api.sync(client_id, 1, want=1, project_ids=[project_id])
    running = [{"job_id": job_id, "fence": 1}]
    api.call("POST", f"/jobs/{job_id}/cancel")
    for _ in range(2):
        begun = time.monotonic()
        assert api.sync(client_id, 2, running=running, wait=LONG)["orders"][0]["kind"] == "cancel"
        assert time.monotonic() - begun < LONG / 2
    begun = time.monotonic()
    assert api.sync(client_id, 3, running=running, wait=0.3)["orders"][0]["kind"] == "cancel"
    assert time.monotonic() - begun >= 0.3


def test_newer_request_of_a_session_answers_the_held_one(api: Api) -> None:
    project_id, task_id = api.queue()
    client_id = api.worker()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.sync, client_id, 1, want=1, wait=LONG, project_ids=[project_id])
        wait_until(lambda: held(api, client_id))
        begun = time.monotonic()
        api.sync(client_id, 2, want=1, project_ids=[project_id])
        assert claimed(waiting.result()) == []
        assert time.monotonic() - begun < LONG / 2
    job_id = api.job(project_id, task_id)
    assert claimed(api.sync(client_id, 3, want=1, project_ids=[project_id])) == [(job_id, 1)]


def test_request_of_a_client_that_went_away_claims_nothing(api: Api) -> None:
    project_id, task_id = api.queue()
    client_id = api.worker()
    body = {"session_id": client_id, "request": 1, "total": {"cpu": 1}, "free": {"cpu": 1}, "want": 1, "wait": LONG}
    with api.send_and_leave_open("POST", f"/clients/{client_id}/sync", {**body, "project_ids": [project_id]}):
        wait_until(lambda: held(api, client_id))
    wait_until(lambda: not held(api, client_id))
    job_id = api.job(project_id, task_id)
    assert api.status(job_id) == "PENDING"


def test_one_job_wakes_one_of_many_alike_and_reaches_the_only_one_that_fits(api: Api) -> None:
    project_id = api.project()
    plain, wide = api.task(project_id, "plain"), api.task(project_id, "wide", required_cpu=64)
    workers = [api.worker() for _ in range(12)]

    def wait_for_a_job(client_id: str) -> Any:
        with Api(api.url) as own:
            cpu = 64 if client_id == workers[-1] else 1
            return own.sync(client_id, want=1, cpu=cpu, wait=LONG, project_ids=[project_id])

    with ThreadPoolExecutor(12) as pool:
        waiting = {each: pool.submit(wait_for_a_job, each) for each in workers}
        wait_until(lambda: all(held(api, each) for each in workers))
        job_id = api.job(project_id, wide)
        assert claimed(waiting[workers[-1]].result()) == [(job_id, 1)]
        batch = {"jobs": [{"name": "j", "task_id": plain}] * 11}
        api.call("POST", f"/projects/{project_id}/jobs/batch", batch, 201)
        found = [claimed(waiting[each].result()) for each in workers[:-1]]
    assert sorted(len(each) for each in found) == [1] * 11
    assert len({each[0] for each in found}) == 11


def test_sync_of_an_unknown_client_is_404(api: Api) -> None:
    answer = api.call("POST", "/clients/nobody/sync", {"session_id": "s"}, 404)
    assert "nobody" in answer["detail"]


def test_deleted_project_has_no_waiting_jobs(api: Api) -> None:
    assert api.sync(api.worker(), want=1, project_ids=[999_999_999])["num_pending"] == 0


def test_sync_without_projects_serves_all_of_them(memory_api: Api) -> None:
    project_id = memory_api.project()
    memory_api.job(project_id, memory_api.task(project_id, required_labels=["only=here"]))
    client_id = memory_api.worker()
    capacity = {"cpu": 1, "labels": ["only=here"]}
    answer = memory_api.sync(client_id, want=1, free=capacity, total=capacity)
    assert len(answer["assignments"]) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "session_id"),
        ({"session_id": "s", "want": -1}, "-1"),
        ({"session_id": "s", "wait": 1e9}, "1000000000"),
        ({"session_id": "s", "nix": 1}, "nix"),
        ({"session_id": "s", "ended": [{"job_id": 1}]}, "fence"),
        ({"session_id": "s", "free": {"cpu": "many"}}, "many"),
        ([], "sync"),
    ],
)
def test_malformed_sync_is_400_with_a_sentence(memory_api: Api, body: Any, words: str) -> None:
    client_id = memory_api.worker()
    assert words in memory_api.call("POST", f"/clients/{client_id}/sync", body, 400)["detail"]
