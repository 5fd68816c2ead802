"""Nothing is lost and nothing runs twice when a worker or the server dies."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.client.support import Python, unique, worker_program, working
from tests.support import Daemon, wait_until
from tests.support.server import ServerProcess
from whatsnext.api.client import Client, Job, Project, Server
from whatsnext_client.engine import StateFolder, Worker, WorkPlan
from whatsnext_core.formatting.family import all_processes
from whatsnext_core.model import Capacity

NOTE = "sh -c 'echo $WHATSNEXT_JOB_ID >> {folder}/ran; while ! test -e {folder}/go; do sleep 0.02; done; echo done'"


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that a test may kill, and must start again."""
    with ServerProcess(tmp_path_factory.mktemp("own-server"), renew_seconds=1) as process:
        yield process


@pytest.fixture
def own_project(own_server: ServerProcess) -> Iterator[Project]:
    """A project on it."""
    with Server("127.0.0.1", own_server.port, retry_for=60) as server:
        yield server.append_project(unique("own"))


@pytest.fixture(scope="module")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose leases are short enough to see them lapse."""
    with ServerProcess(tmp_path_factory.mktemp("hasty-server"), lease_seconds=3, renew_seconds=1) as process:
        yield process


@pytest.fixture
def hasty_project(hasty_server: ServerProcess) -> Iterator[Project]:
    """A project on it."""
    with Server("127.0.0.1", hasty_server.port, retry_for=60) as server:
        yield server.append_project(unique("hasty"))


def ran(folder: Path) -> Counter[int]:
    """How often each job was executed."""
    file = folder / "ran"
    return Counter(map(int, file.read_text().split())) if file.exists() else Counter()


def test_several_workers_run_each_job_once(server_process: ServerProcess, project: Project, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    project.create_task("note", command_template=NOTE.format(folder=tmp_path))
    ids = project.extend_queue([Job(f"job-{number}", "note") for number in range(150)])
    workers = [
        worker_program(server_process, project.label, tmp_path / "workers", name="same-name", forever=False)
        for _ in range(3)
    ]
    for worker in workers:
        assert worker.process.wait(120) == 0, worker.tail()
    assert ran(tmp_path) == Counter(ids)
    assert {job.status for job in project.jobs} == {"COMPLETED"}


def test_a_killed_worker_that_starts_again_adopts_what_runs_and_reports_what_ended(
    own_server: ServerProcess, own_project: Project, tmp_path: Path
) -> None:
    own_project.create_task("note", command_template=NOTE.format(folder=tmp_path))
    own_project.create_task(
        "brief",
        command_template="sh -c 'echo $WHATSNEXT_JOB_ID >> {f}/ran; sleep 1; exit 7'".replace("{f}", str(tmp_path)),
    )
    jobs = [own_project.append(f"job-{number}", "note") for number in range(3)]
    brief = own_project.append("brief", "brief")
    first = worker_program(own_server, own_project.label, tmp_path / "worker", cpus=4)
    wait_until(lambda: len(ran(tmp_path)) == 4, why=first.tail())
    wait_until(lambda: all(job.refresh().status == "RUNNING" for job in [*jobs, brief]), why=first.tail())
    first.kill()
    time.sleep(1.2)  # the brief job ends meanwhile, and nobody is there to see it
    second = worker_program(own_server, own_project.label, tmp_path / "worker", cpus=4)
    with second:
        assert brief.wait(30) == "FAILED", second.tail()
        assert (brief.exit_code, brief.cause) == (7, "exit")
        (tmp_path / "go").touch()
        for job in jobs:
            assert job.wait(30) == "COMPLETED", second.tail()
            assert job.logs() == "done\n"
    assert ran(tmp_path) == Counter([*(job.number for job in jobs), brief.number])
    assert {job.attempt for job in own_project.jobs} == {1}


def test_the_jobs_of_a_worker_that_never_comes_back_are_run_by_another(
    hasty_server: ServerProcess, hasty_project: Project, tmp_path: Path
) -> None:
    hasty_project.create_task("note", command_template=NOTE.format(folder=tmp_path))
    job = hasty_project.append("job", "note")
    first = worker_program(hasty_server, hasty_project.label, tmp_path / "first")
    wait_until(lambda: job.refresh().status == "RUNNING", why=first.tail())
    wait_until(lambda: ran(tmp_path), why=first.tail())
    children = [child for child in all_processes() if str(tmp_path) in _scratch(child)]
    first.kill()
    for child in children:  # the whole machine goes
        with suppress(psutil.NoSuchProcess):  # one that was just ending by itself
            child.kill()
    (tmp_path / "go").touch()
    with worker_program(hasty_server, hasty_project.label, tmp_path / "second") as second:
        assert job.wait(60) == "COMPLETED", second.tail()
    assert [attempt.status for attempt in job.attempts()] == ["LOST", "COMPLETED"]
    assert (job.attempt, ran(tmp_path)[job.number]) == (2, 2)


def _scratch(process: psutil.Process) -> str:
    """The attempt that a process belongs to."""
    try:
        return process.environ().get("WHATSNEXT_SCRATCH", "")
    except psutil.Error:
        return ""


def test_a_server_that_is_away_costs_no_job_no_result_and_no_byte(
    own_server: ServerProcess, own_project: Project, tmp_path: Path
) -> None:
    code = (
        "import os, time\n"
        f"folder = {str(tmp_path)!r}\n"
        "print('before', flush=True)\n"
        "open(os.path.join(folder, 'ran'), 'a').write(os.environ['WHATSNEXT_JOB_ID'] + '\\n')\n"
        "while not os.path.exists(os.path.join(folder, 'go')): time.sleep(0.01)\n"
        "print('during ' * 50000, flush=True)\n"
        "open(os.environ['WHATSNEXT_RESULT'], 'w').write('17')\n"
    )
    own_project.create_task("write")
    jobs = [Job(f"job-{number}", "write", {"code": code}) for number in range(2)]
    own_project.extend_queue(jobs)
    client = Client("tests", "outage", own_project, Python(), available_cpu=2, state_dir=tmp_path / "state")
    with client, working(client):
        wait_until(lambda: len(ran(tmp_path)) == 2)
        wait_until(lambda: all(job.refresh().status == "RUNNING" for job in jobs))
        own_server.kill()
        (tmp_path / "go").touch()
        wait_until(lambda: client.active_resources == [], why="both jobs have ended")
        own_server.start()
        for job in jobs:
            assert job.wait(60) == "COMPLETED"
            assert job.logs() == "before\n" + "during " * 50_000 + "\n"
            assert (job.result, job.attempt) == (17, 1)
    assert ran(tmp_path) == Counter([job.number for job in jobs])


def test_what_a_worker_could_not_report_is_reported_by_its_next_process(
    own_server: ServerProcess, own_project: Project, tmp_path: Path
) -> None:
    own_project.create_task("note", command_template=NOTE.format(folder=tmp_path))
    job = own_project.append("job", "note")
    first = worker_program(own_server, own_project.label, tmp_path / "worker")
    wait_until(lambda: job.refresh().status == "RUNNING", why=first.tail())
    own_server.kill()
    (tmp_path / "go").touch()
    wait_until(lambda: "Ended job" in first.tail(), why=first.tail())
    first.kill()
    own_server.start()
    with worker_program(own_server, own_project.label, tmp_path / "worker") as second:
        assert job.wait(60) == "COMPLETED", second.tail()
        assert job.logs() == "done\n"
    assert ran(tmp_path) == Counter([job.number])
    assert job.attempt == 1


def test_a_worker_that_was_frozen_kills_what_is_no_longer_its_own(
    hasty_server: ServerProcess, hasty_project: Project, tmp_path: Path
) -> None:
    hasty_project.create_task("note", command_template=NOTE.format(folder=tmp_path), retry={"max_losses": 5})
    job = hasty_project.append("job", "note")
    frozen = worker_program(hasty_server, hasty_project.label, tmp_path / "frozen", name="frozen")
    wait_until(lambda: job.refresh().status == "RUNNING", why=frozen.tail())
    frozen.process.send_signal(signal.SIGSTOP)
    other: Daemon | None = None
    try:
        other = worker_program(hasty_server, hasty_project.label, tmp_path / "other", name="other")
        wait_until(lambda: job.refresh().attempt == 2, 60, why=other.tail())
        frozen.process.send_signal(signal.SIGCONT)
        wait_until(lambda: "somebody else" in frozen.tail(), 60, why=frozen.tail())
        wait_until(lambda: _running(tmp_path) == 1, why="only the new attempt runs")
        (tmp_path / "go").touch()
        assert job.wait(60) == "COMPLETED"
    finally:
        frozen.process.send_signal(signal.SIGCONT)
        frozen.stop()
        if other is not None:
            other.stop()
    assert [attempt.status for attempt in job.attempts()] == ["LOST", "COMPLETED"]


def _running(folder: Path) -> int:
    """How many attempts have processes."""
    return len({scratch for each in all_processes() if str(folder) in (scratch := _scratch(each))})


def test_a_server_that_restarts_again_and_again_loses_nothing(
    own_server: ServerProcess, own_project: Project, tmp_path: Path
) -> None:
    (tmp_path / "go").touch()
    own_project.create_task("note", command_template=NOTE.format(folder=tmp_path))
    ids = own_project.extend_queue([Job(f"job-{number}", "note") for number in range(300)])
    client = Client("tests", unique("restarts"), own_project, Python(), available_cpu=2, state_dir=tmp_path / "state")
    with client, working(client):
        for part in (1, 2):
            wait_until(lambda part=part: len(ran(tmp_path)) >= part * 80, 60)  # type: ignore[misc]  # a default is typed
            own_server.kill()
            own_server.start()
        wait_until(lambda: own_project.rest.counts(own_project.id)["COMPLETED"] == 300, 60)
    assert ran(tmp_path) == Counter(ids)


@contextmanager
def worker_with(project: Project, folder: Path, **plan: Any) -> Iterator[Worker]:
    """A worker with a plan of its own."""
    state = StateFolder.acquire(folder, "worker")
    project.rest.register({"id": state.client_id, "name": "worker"})
    names = {project.id: project.label}
    work_plan = WorkPlan(total=Capacity(cpu=1), project_names=names, **plan)
    yield Worker(project.rest, state, Python(), work_plan, register=lambda: None)
    state.close()


def test_a_worker_without_jobs_gives_an_outage_up_after_a_while(
    own_server: ServerProcess, own_project: Project, tmp_path: Path
) -> None:
    own_project.create_task("task")
    parent = own_project.append("parent", "task")
    parent.set_status("QUEUED")
    own_project.append("child", "task", depends=[parent])
    with worker_with(own_project, tmp_path, patience=0.5, poll_interval=0.1) as worker:
        threading.Timer(1.0, own_server.kill).start()
        try:
            with pytest.raises(ConnectionError, match="has been away for"):
                worker.run()
        finally:
            own_server.daemon.process.wait()
            own_server.start()


def test_a_worker_that_is_stopped_in_an_outage_leaves_and_keeps_what_it_has_to_report(
    own_server: ServerProcess, own_project: Project, tmp_path: Path
) -> None:
    own_project.create_task("note", command_template=NOTE.format(folder=tmp_path))
    job = own_project.append("job", "note")
    with worker_with(own_project, tmp_path, farewell=0.5, run_forever=True) as worker:
        thread = threading.Thread(target=worker.run)
        thread.start()
        wait_until(lambda: job.refresh().status == "RUNNING")
        own_server.kill()
        (tmp_path / "go").touch()
        worker.drain()
        thread.join(30)
        assert not thread.is_alive()
    own_server.start()
    with worker_with(own_project, tmp_path) as worker:
        assert worker.run() == 0
    assert (job.refresh().status, job.attempt, job.logs()) == ("COMPLETED", 1, "done\n")
