"""``whatsnext-server run`` as a process: its start, its end, and what it keeps when it is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.components import PostgreSQLServer
from tests.server.serving import Api, Program, program, serving
from tests.server.storages import opened_on, upgraded
from tests.support import Daemon, free_port, wait_until

EVERYWHERE = "0.0.0.0"  # noqa: S104  # for a moment, to see the warning


def test_it_tells_where_it_listens_and_ends_cleanly_on_either_signal(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with program(tmp_path, "sqlite:///q.db") as running:
            assert running.api.url in (tmp_path / "log").read_text()
            project_id = running.api.project()
            assert running.stop(number) == 0
            assert "Traceback" not in running.daemon.tail()
        assert project_id >= 1


def test_held_requests_are_answered_at_once_when_it_ends(tmp_path: Path) -> None:
    with program(tmp_path, "sqlite:///q.db") as running, ThreadPoolExecutor(4) as pool:
        project_id, _ = running.api.queue()
        clients = [running.api.worker() for _ in range(4)]

        def wait(client_id: str) -> float:
            with Api(running.api.url) as own:
                begun = time.monotonic()
                assert own.sync(client_id, want=1, wait=60, project_ids=[project_id])["assignments"] == []
                return time.monotonic() - begun

        heard = "/clients/{}".format
        registered = {each: running.api.call("GET", heard(each))["last_heartbeat"] for each in clients}
        waiting = [pool.submit(wait, each) for each in clients]
        wait_until(
            lambda: all(running.api.call("GET", heard(each))["last_heartbeat"] > at for each, at in registered.items())
        )
        assert running.stop() == 0
        assert all(each.result() < 30 for each in waiting)


def test_what_was_accepted_before_the_end_is_written(tmp_path: Path) -> None:
    accepted: list[int] = []
    with program(tmp_path, "sqlite:///q.db") as running, ThreadPoolExecutor(4) as pool:
        project_id, task_id = running.api.queue()

        def submit() -> None:
            with Api(running.api.url) as own:
                while True:
                    body = {"name": "j", "project_id": project_id, "task_id": task_id}
                    try:
                        response = own.http.post("/jobs/", json=body)
                    except httpx.TransportError:
                        return
                    if response.status_code != 201:
                        return
                    accepted.append(response.json()["id"])

        done = [pool.submit(submit) for _ in range(4)]
        wait_until(lambda: len(accepted) > 20)
        assert running.stop() == 0
        for each in done:
            each.result()
    with program(tmp_path, "sqlite:///q.db") as again:
        assert sum(again.api.call("GET", f"/projects/{project_id}/counts").values()) >= len(accepted)
        assert all(again.api.status(each) == "PENDING" for each in accepted[::5])


def crash(running: Program, kill: Callable[[], None] | None = None) -> tuple[set[int], set[int]]:
    """The ids of jobs whose submission, and whose end, were acknowledged before the server, or a part, was killed."""
    killed = threading.Event()
    submitted: set[int] = set()
    finished: set[int] = set()
    project_id, task_id = running.api.queue()

    def work(number: int) -> None:
        with Api(running.api.url) as api:
            try:
                client_id = api.worker()
                request, ended = 0, []  # type: ignore[var-annotated]  # of reports
                while not killed.is_set():
                    if number % 2:
                        submitted.add(api.job(project_id, task_id))
                    else:
                        path = f"/projects/{project_id}/jobs/batch"
                        jobs = [{"name": "j", "task": "train"}] * 20
                        submitted.update(api.call("POST", path, {"jobs": jobs}, 201)["job_ids"])
                    request += 1
                    answer = api.sync(client_id, request, want=4, ended=ended, project_ids=[project_id])
                    finished.update(each["job_id"] for each in answer["outcomes"] if each["accepted"])
                    ended = [
                        {"job_id": each["job"]["id"], "fence": each["fence"], "succeeded": True}
                        for each in answer["assignments"]
                    ]
            except httpx.TransportError:
                return

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(work, number) for number in range(4)]
        wait_until(lambda: len(finished) > 100)
        (kill or running.kill)()
        killed.set()
        for each in done:
            each.result()
    return submitted, finished


def check_after_crash(api: Api, submitted: set[int], finished: set[int]) -> None:
    jobs: dict[int, str] = {}
    after = 0
    while page := api.call("GET", "/jobs/", params={"after_id": after, "limit": 10_000}):
        jobs |= {each["id"]: each["status"] for each in page}
        after = page[-1]["id"]
    assert submitted <= jobs.keys()
    assert finished
    assert {jobs[each] for each in finished} == {"COMPLETED"}


def test_killed_server_on_sqlite_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    running = Program(tmp_path, "sqlite:///q.db")
    submitted, finished = crash(running)
    with program(tmp_path, "sqlite:///q.db") as again:
        check_after_crash(again.api, submitted, finished)


def test_killed_server_on_postgresql_loses_nothing_that_it_acknowledged(tmp_path: Path, postgresql_url: str) -> None:
    running = Program(tmp_path, upgraded(postgresql_url))
    submitted, finished = crash(running)
    with program(tmp_path, postgresql_url) as again:
        check_after_crash(again.api, submitted, finished)


def test_server_outlives_a_crash_of_its_database(durable_postgresql: PostgreSQLServer) -> None:
    with opened_on(durable_postgresql) as storage, serving(storage) as api:
        project_id, task_id = api.queue()
        kept = api.job(project_id, task_id)
        durable_postgresql.kill()
        body = {"name": "j", "project_id": project_id, "task_id": task_id}
        response = api.http.post("/jobs/", json=body)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert api.http.get(f"/jobs/{kept}").status_code == 503
        assert api.http.get("/").status_code == 200
        durable_postgresql.start()
        wait_until(lambda: api.http.post("/jobs/", json=body).status_code == 201)
        assert api.status(kept) == "PENDING"


def test_two_servers_share_one_postgresql(tmp_path: Path, postgresql_url: str) -> None:
    upgraded(postgresql_url)
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    with program(folders[0], postgresql_url) as first, program(folders[1], postgresql_url) as second:
        project_id, task_id = first.api.queue()
        client_id = second.api.worker()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(second.api.sync, client_id, 1, want=1, wait=60, project_ids=[project_id])
            job_id = first.api.job(project_id, task_id)
            (assignment,) = waiting.result()["assignments"]
            assert assignment["job"]["id"] == job_id
            running = [{"job_id": job_id, "fence": 1}]
            waiting = pool.submit(second.api.sync, client_id, 2, running=running, wait=60)
            wait_until(lambda: first.api.status(job_id) == "RUNNING")
            begun = time.monotonic()
            first.api.call("POST", f"/jobs/{job_id}/cancel")
            assert waiting.result()["orders"][0]["kind"] == "cancel"
            assert time.monotonic() - begun < 30


def test_it_warns_when_it_is_open_to_other_machines(tmp_path: Path) -> None:
    with program(tmp_path, "memory://", "--host", EVERYWHERE) as running:
        running.stop()
        assert "The server is open" in (tmp_path / "log").read_text()
    (tmp_path / "log").unlink()
    with program(tmp_path, "memory://", "--host", EVERYWHERE, environ={"WHATSNEXT_API_KEYS": "k"}) as running:
        running.stop()
        assert "The server is open" not in (tmp_path / "log").read_text()


def test_log_can_be_json(tmp_path: Path) -> None:
    with program(tmp_path, "memory://", "--log-format", "json", "--log-level", "debug") as running:
        running.api.call("GET", "/projects/?limit=5")
        running.stop()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
    assert all(line.keys() >= {"time", "level", "logger", "message"} for line in lines)
    assert any(line["message"].startswith("GET /projects/ 200 in") for line in lines)


def test_uvicorn_runs_the_documented_application(tmp_path: Path) -> None:
    port = free_port()
    argv = [sys.executable, "-m", "uvicorn", "--port", str(port), "whatsnext.api.server.main:app"]
    env = {**os.environ, "HOME": str(tmp_path), "WHATSNEXT_DATABASE": "sqlite:///q.db"}
    with Daemon(argv, tmp_path / "log", cwd=tmp_path, env=env) as server, Api(f"http://127.0.0.1:{port}") as api:

        def answers() -> bool:
            assert server.alive(), server.tail()
            try:
                return bool(api.http.get("/checkdb").json() == {"message": "DB is working"})
            except httpx.TransportError:
                return False

        wait_until(answers, 60)
        api.project()
        second = subprocess.run(
            [*argv, "--port", "0"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert second.returncode != 0
        assert "Error: Another server has" in second.stderr
        assert "Traceback" not in second.stderr
    env["WHATSNEXT_PORT"] = "many"
    broken = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert "WHATSNEXT_PORT" in broken.stderr
    assert "Traceback" not in broken.stderr


@pytest.mark.parametrize("size", [100_000])
def test_a_hundred_thousand_jobs_go_in_one_request_and_hold_up_nobody(tmp_path: Path, size: int) -> None:
    with program(tmp_path, "sqlite:///q.db") as running, ThreadPoolExecutor(1) as pool:
        project_id, task_id = running.api.queue()
        other, _ = running.api.queue()
        jobs = [{"name": f"job-{number}", "task": "train", "parameters": {"seed": number}} for number in range(size)]
        with Api(running.api.url) as own:
            own.http.timeout = 300
            sending = pool.submit(own.call, "POST", f"/projects/{project_id}/jobs/batch", {"jobs": jobs}, 201)
            others = 0
            while not sending.done():
                running.api.job(other, running.api.task(other, running.api.name("task")))
                others += 1
            ids = sending.result()["job_ids"]
        assert others >= 5
        assert len(set(ids)) == size
        assert running.api.call("GET", f"/projects/{project_id}/counts")["PENDING"] == size
        assert (
            running.api.call("GET", "/jobs/", params={"project_id": project_id, "order": "newest", "limit": 1})[0]["id"]
            == ids[-1]
        )
        fetched = wait_until(lambda: running.api.call("GET", f"/projects/{project_id}/fetch_job")["job"])
        assert (fetched["id"], fetched["task_id"]) == (ids[0], task_id)
