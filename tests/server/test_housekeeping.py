"""What the server does by itself: lapsed leases, back-offs, effects that take many steps, forgetting."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.serving import Api, serving
from tests.server.storages import opened
from tests.support import wait_until
from whatsnext_core.memory import MemoryStorage
from whatsnext_server.config import ServerSettings


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def hasty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server with very short leases."""
    settings = ServerSettings(lease_seconds=1.0, renew_seconds=0.25, reap_seconds=0.05)
    with opened(request.param, tmp_path_factory.mktemp("hasty")) as storage, serving(storage, settings) as api:
        yield api


def test_lapsed_lease_returns_the_job_to_the_queue(hasty: Api) -> None:
    project_id, task_id = hasty.queue()
    job_id = hasty.job(project_id, task_id)
    answer = hasty.sync(hasty.worker(), want=1, project_ids=[project_id])
    assert (answer["lease"], answer["interval"]) == (1, 0.25)
    job = wait_until(lambda: (found := hasty.call("GET", f"/jobs/{job_id}"))["status"] == "PENDING" and found)
    assert (job["losses"], job["failures"], job["cause"]) == (1, 0, "lost")


def test_held_request_of_another_client_gets_the_lost_job(hasty: Api) -> None:
    project_id, task_id = hasty.queue()
    job_id = hasty.job(project_id, task_id)
    hasty.sync(hasty.worker(), want=1, project_ids=[project_id])
    other = hasty.worker()
    found = wait_until(lambda: hasty.sync(other, want=1, wait=0.4, project_ids=[project_id])["assignments"])
    assert (found[0]["job"]["id"], found[0]["fence"]) == (job_id, 2)


def test_renewed_lease_does_not_lapse(hasty: Api) -> None:
    project_id, task_id = hasty.queue()
    job_id = hasty.job(project_id, task_id)
    client_id = hasty.worker()
    hasty.sync(client_id, want=1, project_ids=[project_id])
    first = hasty.call("GET", f"/jobs/{job_id}/attempts")[0]["expires_at"]
    running = [{"job_id": job_id, "fence": 1}]
    number = 1

    def renewed_past_the_first_lease() -> bool:
        nonlocal number
        number += 1
        answer = hasty.sync(client_id, number, running=running)
        assert answer["orders"] == []
        return bool(answer["now"] > first)

    wait_until(renewed_past_the_first_lease)
    assert hasty.status(job_id) == "RUNNING"


def test_failed_job_comes_back_after_its_back_off(hasty: Api) -> None:
    project_id = hasty.project()
    task_id = hasty.task(project_id, retry={"retries": 1, "delay": 0.2, "jitter": 0})
    job_id = hasty.job(project_id, task_id)
    client_id = hasty.worker()
    hasty.sync(client_id, 1, want=1, project_ids=[project_id])
    failed = {"job_id": job_id, "fence": 1, "succeeded": False, "cause": "exit", "exit_code": 1}
    answer = hasty.sync(client_id, 2, want=1, ended=[failed], project_ids=[project_id])
    assert answer["assignments"] == []
    number = 2

    def next_claim() -> list[dict[str, object]]:
        nonlocal number
        number += 1
        claimed: list[dict[str, object]] = hasty.sync(client_id, number, want=1, wait=0.4, project_ids=[project_id])[
            "assignments"
        ]
        return claimed

    assert wait_until(next_claim)[0]["fence"] == 2


def test_failure_spreads_through_a_large_graph(hasty: Api) -> None:
    project_id, _ = hasty.queue()
    jobs = [{"name": "j0", "task": "train", "ref": "j0"}]
    jobs += [
        {"name": f"j{number}", "task": "train", "ref": f"j{number}", "depends_on": [f"j{(number - 1) // 2}"]}  # type: ignore[dict-item]  # lists too
        for number in range(1, 2000)
    ]
    ids = hasty.call("POST", f"/projects/{project_id}/jobs/batch", {"jobs": jobs}, 201)["job_ids"]
    hasty.call("POST", f"/jobs/{ids[0]}/cancel")
    counts = f"/projects/{project_id}/counts"
    wait_until(lambda: hasty.call("GET", counts)["BLOCKED"] == 1999)
    hasty.call("POST", f"/jobs/{ids[0]}/retry")
    wait_until(lambda: hasty.call("GET", counts)["PENDING"] == 2000)


def test_what_fell_due_while_no_server_ran_is_done_one_lease_later(tmp_path: Path) -> None:
    settings = ServerSettings(lease_seconds=1.0, renew_seconds=0.25, reap_seconds=3600)
    with opened("sqlite", tmp_path) as storage:
        with serving(storage, settings) as api:
            project_id, task_id = api.queue()
            job_id = api.job(project_id, task_id)
            api.sync(api.worker(), want=1, project_ids=[project_id])
            expires = api.call("GET", f"/jobs/{job_id}/attempts")[0]["expires_at"]
        wait_until(lambda: storage.clock().isoformat() > expires.removesuffix("Z"))
        with serving(storage, settings) as api:
            wait_until(lambda: api.status(job_id) == "PENDING")


def test_ended_jobs_are_forgotten_after_a_while() -> None:
    storage = MemoryStorage()
    with serving(storage) as api:
        project_id, task_id = api.queue()
        ended, open_one = api.job(project_id, task_id), api.job(project_id, task_id)
        api.call("POST", f"/jobs/{ended}/cancel")
    with serving(storage, ServerSettings(retention_days=1e-9)) as api:
        wait_until(lambda: api.http.get(f"/jobs/{ended}").status_code == 404)
        assert api.status(open_one) == "PENDING"


def test_housekeeping_survives_an_unavailable_database() -> None:
    storage = MemoryStorage()
    with serving(storage, ServerSettings(reap_seconds=0.02)) as api:
        storage.close()
        answer = api.call("POST", "/projects/", {"name": "x"}, 503)
        assert "closed" in answer["detail"]
        assert "closed" in api.call("GET", "/checkdb", status=503)["detail"]
        assert api.http.get("/jobs/").headers["retry-after"] == "1"
        api.call("GET", "/")
