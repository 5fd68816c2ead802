"""Many callers at once: every job goes to exactly one of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.components import PostgreSQLServer
from tests.server.serving import Api, serving
from tests.server.storages import opened, opened_on

THREADS = 16
JOBS = 160


@pytest.fixture(params=["memory", "sqlite"])
def busy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    with opened(request.param, tmp_path) as storage, serving(storage) as api:
        yield api


@pytest.fixture
def busy_postgresql(postgresql: PostgreSQLServer) -> Iterator[Api]:
    with opened_on(postgresql) as storage, serving(storage) as api:
        yield api


def test_each_job_is_submitted_claimed_and_finished_once_by_sixteen_threads(busy: Api) -> None:
    drain_by_sync(busy)


def test_each_job_is_submitted_claimed_and_finished_once_on_postgresql(busy_postgresql: Api) -> None:
    drain_by_sync(busy_postgresql)


def drain_by_sync(busy: Api) -> None:
    project_id, task_id = busy.queue()

    def work(number: int) -> list[int]:
        done = []
        with Api(busy.url) as api:
            for _ in range(JOBS // THREADS):
                api.job(project_id, task_id, f"job of {number}")
            client_id = api.worker()
            request, ended = 0, []  # type: ignore[var-annotated]  # of reports
            while True:
                request += 1
                answer = api.sync(client_id, request, want=3, ended=ended, project_ids=[project_id])
                assert all(each["accepted"] for each in answer["outcomes"])
                ended = [
                    {"job_id": each["job"]["id"], "fence": each["fence"], "succeeded": True}
                    for each in answer["assignments"]
                ]
                done += [each["job_id"] for each in ended]
                if not ended and answer["num_pending"] == 0:
                    return done

    with ThreadPoolExecutor(THREADS) as pool:
        done = [job_id for each in pool.map(work, range(THREADS)) for job_id in each]
    assert len(done) == len(set(done)) == JOBS
    assert busy.call("GET", f"/projects/{project_id}/counts")["COMPLETED"] == JOBS


def test_documented_fetch_gives_each_job_once_to_sixteen_threads(busy: Api) -> None:
    project_id, _ = busy.queue()
    jobs = [{"name": "j", "task": "train", "priority": number % 3} for number in range(JOBS)]
    ids = busy.call("POST", f"/projects/{project_id}/jobs/batch", {"jobs": jobs}, 201)["job_ids"]

    def work(_: int) -> list[int]:
        done = []
        with Api(busy.url) as api:
            while (found := api.call("GET", f"/projects/{project_id}/fetch_job"))["num_pending"]:
                if found["job"]:
                    done.append(found["job"]["id"])
                    api.call("PUT", f"/jobs/{done[-1]}", {"status": "COMPLETED"})
        return done

    with ThreadPoolExecutor(THREADS) as pool:
        done = [job_id for each in pool.map(work, range(THREADS)) for job_id in each]
    assert sorted(done) == sorted(ids)


def test_a_name_is_given_once_to_sixteen_threads(busy: Api) -> None:
    name = busy.name("one")

    def create(_: int) -> int:
        with Api(busy.url) as api:
            return api.http.post("/projects/", json={"name": name}).status_code

    with ThreadPoolExecutor(THREADS) as pool:
        statuses = sorted(pool.map(create, range(THREADS)))
    assert statuses == [201] + [409] * (THREADS - 1)
