"""A worker dies with eight jobs: the same one goes on with them, or another one does them again."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import wait_until
from tests.support.server import RunningServer, clean_environment, command, running_server
from whatsnext.api.client import Job, Project, Server
from whatsnext_core.testing.chaos.programs import Program

JOBS = 8
NOTE = "sh -c 'echo $WHATSNEXT_JOB_ID >> {folder}/ran; while ! test -e {folder}/go; do sleep 0.05; done'"


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """A server whose leases last as long as the test says."""
    with running_server(tmp_path / "server", lease_seconds=request.param, renew_seconds=1) as process:
        yield process


@pytest.fixture
def project(server: RunningServer, tmp_path: Path) -> Project:
    """A project with a task whose jobs note that they began, and wait."""
    found = Server("127.0.0.1", server.port, retry_for=60).append_project("killed")
    found.create_task("note", command_template=NOTE.format(folder=tmp_path), retry={"retries": 0})
    return found


def worker(server: RunningServer, folder: Path, name: str) -> Program:
    argv = command(
        "worker", "--forever", "--cpus", str(JOBS), "--name", name, "--project", "killed", "--server", server.url,
        "--state-dir", str(folder / name),
    )  # fmt: skip
    program = Program(name, argv, folder, clean_environment())
    program.start()
    return program


def submit(project: Project) -> list[Job]:
    jobs = [Job(f"job-{number}", "note") for number in range(JOBS)]
    project.extend_queue(jobs)
    return jobs


def ran(folder: Path) -> Counter[int]:
    file = folder / "ran"
    return Counter(map(int, file.read_text().split())) if file.exists() else Counter()


@pytest.mark.parametrize("server", [60], indirect=True)
def test_worker_that_starts_again_goes_on_with_its_jobs_even_if_the_server_is_back_only_later(
    server: RunningServer, project: Project, tmp_path: Path
) -> None:
    jobs = submit(project)
    one = worker(server, tmp_path, "one")
    try:
        wait_until(lambda: all(job.refresh().status == "RUNNING" for job in jobs), 60, one.tail())
        one.kill()
        server.kill()
        one.start()
        wait_until(lambda: "Waiting until it answers" in one.tail(), 60, one.tail())
        server.start()
        wait_until(lambda: one.tail().count("Going on with") == JOBS, 60, one.tail())
        (tmp_path / "go").touch()
        assert [job.wait(60) for job in jobs] == ["COMPLETED"] * JOBS, one.tail()
    finally:
        one.kill_all()
    assert ran(tmp_path) == Counter(job.number for job in jobs)
    assert {job.attempt for job in jobs} == {1}


@pytest.mark.parametrize("server", [3], indirect=True)
def test_another_worker_finishes_the_jobs_of_a_machine_that_is_gone(
    server: RunningServer, project: Project, tmp_path: Path
) -> None:
    jobs = submit(project)
    one = worker(server, tmp_path, "one")
    programs = [one]
    try:
        wait_until(lambda: all(job.refresh().status == "RUNNING" for job in jobs), 60, one.tail())
        wait_until(lambda: len(ran(tmp_path)) == JOBS, 60, one.tail())
        one.kill_all()
        programs.append(worker(server, tmp_path, "two"))
        (tmp_path / "go").touch()
        assert [job.wait(60) for job in jobs] == ["COMPLETED"] * JOBS, programs[1].tail()
    finally:
        for program in programs:
            program.kill_all()
    assert ran(tmp_path) == Counter([job.number for job in jobs] * 2)
    assert {tuple(attempt.status for attempt in job.attempts()) for job in jobs} == {("LOST", "COMPLETED")}


@pytest.mark.parametrize("server", [60], indirect=True)
@pytest.mark.parametrize(("limit", "end"), [(None, "CANCELLED"), (1.0, "FAILED")])
def test_worker_that_starts_again_goes_on_to_end_what_was_being_ended(
    server: RunningServer, project: Project, tmp_path: Path, limit: float | None, end: str
) -> None:
    deaf = "sh -c 'trap \"\" TERM; echo $WHATSNEXT_JOB_ID >> {folder}/ran; while :; do sleep 0.05; done'"
    project.create_task("deaf", command_template=deaf.format(folder=tmp_path), timeout=limit, grace=3)
    job = project.append("deaf", "deaf")
    one = worker(server, tmp_path, "one")
    try:
        wait_until(lambda: ran(tmp_path), 60, one.tail())
        if limit is None:
            job.cancel()
        wait_until(lambda: "Ending job" in one.tail(), 60, one.tail())
        one.kill()
        one.start()
        assert job.wait(60) == end, one.tail()
    finally:
        one.kill_all()
    assert ran(tmp_path) == {job.number: 1}
