"""Timeout, cancel, signals and drain: what ends, ends for good, and is told as what it was."""

import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.client.conftest import MakeClient
from tests.client.support import Python, processes_with, unique, until, worker_program, working
from tests.support import wait_until
from tests.support.server import ServerProcess
from whatsnext.api.client import Client, Job, Project, Server


@pytest.fixture
def family(tmp_path: Path) -> tuple[str, str]:
    """A program with a child, and a grandchild in a session of its own, and the word that all of them carry."""
    word = unique("family")
    script = tmp_path / "family.py"
    script.write_text(
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import subprocess, sys, time; "
        'subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]], '
        "start_new_session=True); time.sleep(600)', sys.argv[1]])\n"
        "time.sleep(600)\n"
    )
    return f"{sys.executable} {script} {word}", word


@pytest.fixture
def worker(make_client: MakeClient) -> Client:
    """A worker with two CPUs."""
    return make_client(formatter=Python(), available_cpu=2)


def test_a_cancelled_job_leaves_no_process_behind(project: Project, worker: Client, family: tuple[str, str]) -> None:
    command, word = family
    project.create_task("family", command_template=command, grace=0.2)
    job = project.append("job", "family")
    with working(worker):
        wait_until(lambda: len(processes_with(word)) == 3)
        job.cancel()
        assert job.wait(30) == "CANCELLED"
        assert processes_with(word) == []
        project.create_task("next", command_template="true")
        assert project.append("next", "next").wait(30) == "COMPLETED"
    assert job.attempts()[0].cause == "cancelled"


def test_a_job_that_ignores_the_signal_is_killed_after_its_grace(project: Project, worker: Client) -> None:
    code = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(600)"
    )
    project.create_task("deaf", grace=0.3)
    job = project.append("job", "deaf", {"code": code})
    with working(worker):
        wait_until(lambda: job.logs() == "deaf\n")
        job.cancel()
        assert job.wait(30) == "CANCELLED"
    assert job.exit_code == -signal.SIGKILL


def test_a_cancelled_job_may_end_well_and_is_cancelled_all_the_same(project: Project, worker: Client) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    project.create_task("polite", signal="SIGINT")
    job = project.append("job", "polite", {"code": code})
    with working(worker):
        wait_until(lambda: job.logs() == "ready\n")
        job.cancel()
        assert job.wait(30) == "CANCELLED"
    assert job.exit_code == 0


def test_a_timeout_of_the_task_or_job_ends_all_of_it(project: Project, worker: Client, family: tuple[str, str]) -> None:
    command, word = family
    project.create_task("family", command_template=command, timeout=600, grace=0.2)
    job = project.append("job", "family", timeout=1.0)
    project.create_task("short", command_template="sleep 600", timeout=0.2)
    other = project.append("other", "short")
    assert worker.work(poll_interval=0.2) == 2
    assert processes_with(word) == []
    for each, seconds in ((job, "1 seconds"), (other, "0.2 seconds")):
        each.refresh()
        assert (each.status, each.cause) == ("FAILED", "timeout")
        assert seconds in each.message


def test_a_job_that_waits_here_can_be_cancelled(project: Project, worker: Client) -> None:
    project.create_task("long", required_cpu=2, command_template="sleep 600")
    first, second = project.append("first", "long"), project.append("second", "long")
    with working(worker):
        assert wait_until(lambda: first.refresh().status == "RUNNING")
        second.cancel()
        assert second.wait(30) == "CANCELLED"
        assert first.refresh().status == "RUNNING"
        first.cancel()
        assert first.wait(60) == "CANCELLED"


def test_stop_lets_running_jobs_end(project: Project, worker: Client, tmp_path: Path) -> None:
    project.create_task("wait", required_cpu=2)
    code = f"print('begun', flush=True)\n{until(tmp_path / 'go')}"
    first, second = (project.append(name, "wait", {"code": code}) for name in ("first", "second"))
    with working(worker) as thread:
        wait_until(lambda: first.logs() == "begun\n")
        worker.stop()
        thread.join(0.5)
        assert thread.is_alive()
        (tmp_path / "go").touch()
        thread.join(30)
        assert not thread.is_alive()
    assert first.refresh().status == "COMPLETED"
    assert second.refresh().status == "PENDING"


def test_stop_with_the_jobs_returns_them_to_the_queue(project: Project, worker: Client) -> None:
    project.create_task("long", command_template="sleep 600", retry={"retries": 0})
    job = project.append("job", "long")
    with working(worker) as thread:
        wait_until(lambda: job.refresh().status == "RUNNING")
        worker.stop(jobs_too=True)
        thread.join(30)
        assert not thread.is_alive()
    assert (job.refresh().status, job.attempts()[0].cause) == ("PENDING", "lost")


def test_a_drained_worker_leaves(project: Project, worker: Client, server: Server) -> None:
    project.create_task("quick", command_template="true")
    with working(worker) as thread:
        assert project.append("job", "quick").wait(30) == "COMPLETED"
        server.rest.transport.put(f"/clients/{worker.id}", {"draining": True})
        thread.join(30)
        assert not thread.is_alive()


def test_the_first_signal_drains_and_the_handlers_come_back(project: Project, worker: Client) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    project.create_task("shoot", required_cpu=2, command_template=f"sh -c 'kill -TERM {os.getpid()}; sleep 0.5'")
    first, second = project.append("first", "shoot"), project.append("second", "shoot")
    assert worker.work(run_forever=True) == 1
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert (first.refresh().status, second.refresh().status) == ("COMPLETED", "PENDING")


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_jobs_too(
    server_process: ServerProcess, project: Project, tmp_path: Path, first: signal.Signals
) -> None:
    project.create_task("long", command_template="sleep 600")
    jobs = [Job(f"job-{number}", "long") for number in range(2)]
    project.extend_queue(jobs)
    daemon = worker_program(server_process, project.label, tmp_path / "worker")
    wait_until(lambda: all(job.refresh().status == "RUNNING" for job in jobs), why=daemon.tail())
    daemon.process.send_signal(first)
    wait_until(lambda: "once more" in daemon.tail())
    daemon.process.send_signal(first)
    assert daemon.process.wait(30) == 0
    assert "executed 2" in daemon.tail()
    assert {job.refresh().status for job in jobs} == {"PENDING"}


def test_a_machine_that_is_taken_away_is_left_in_time(
    project: Project, make_client: MakeClient, tmp_path: Path
) -> None:
    project.create_task("limited", command_template="true", timeout=5, grace=1)
    project.create_task("long", command_template="true", timeout=3600)
    project.create_task("open", grace=0.2)
    short, long = project.append("short", "limited"), project.append("long", "long", priority=5)
    code = f"import time; open({str(tmp_path / 'up')!r}, 'w'); time.sleep(600)"
    runs = project.append("runs", "open", {"code": code})
    client = make_client(formatter=Python(), available_cpu=2)
    leaves = datetime.now(UTC) + timedelta(seconds=40)
    with working(client, ends_at=leaves, margin=32) as thread:
        assert short.wait(30) == "COMPLETED"
        wait_until(lambda: (tmp_path / "up").exists() or not thread.is_alive())
        thread.join(30)
        assert not thread.is_alive(), "it has not left"
    assert datetime.now(UTC) < leaves
    assert (long.refresh().status, long.attempts()) == ("PENDING", [])
    assert runs.refresh().status == "PENDING"
    (attempt,) = runs.attempts()
    assert (attempt.cause, attempt.message) == (
        "lost",
        "The machine that it ran on is taken away; it had not ended in time.",
    )


def test_a_machine_that_is_taken_away_at_once_takes_no_job(project: Project, worker: Client) -> None:
    project.create_task("open")
    job = project.append("job", "open", {"code": "pass"})
    assert worker.work(run_forever=True, ends_at=datetime.now(UTC) + timedelta(seconds=30)) == 0
    assert job.refresh().status == "PENDING"


def test_a_job_that_may_take_longer_than_the_machine_is_there_is_not_waited_for(
    project: Project, worker: Client
) -> None:
    project.create_task("long", timeout=3600)
    job = project.append("job", "long", {"code": "pass"})
    assert worker.work(ends_at=datetime.now(UTC) + timedelta(seconds=600)) == 0
    assert (job.refresh().status, job.attempts()) == ("PENDING", [])
