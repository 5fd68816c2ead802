"""A worker is killed while jobs wait for their turn at its keeper: no loss where it is certain that none began."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.support import wait_until
from tests.support.server import RunningServer, clean_environment, command, running_server
from whatsnext.api.client import Job, Project, Server
from whatsnext_core.testing.chaos.programs import Program

SHORT = 5
"""Jobs that wait for their turn."""
PACE = 30
"""Jobs before them, which are so short that the worker lets some take turns."""
MOMENT = 4.0
"""Seconds after which they do not wait for their turn any more."""
TRIES = 8
"""Times that one looks for such a moment."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server whose leases outlast a test."""
    with running_server(tmp_path / "server", lease_seconds=600, renew_seconds=1) as process:
        yield process


@pytest.fixture
def project(server: RunningServer, tmp_path: Path) -> Project:
    """A project whose jobs note that they began; one of them goes on until there is a file ``go``."""
    found = Server("127.0.0.1", server.port, retry_for=60).append_project("killed")
    note = f"echo $WHATSNEXT_JOB_ID >> {tmp_path}/ran"
    found.create_task("short", command_template=f"sh -c '{note}'")
    found.create_task("long", command_template=f"sh -c '{note}; while ! test -e {tmp_path}/go; do sleep 0.05; done'")
    return found


class Machine:
    """A worker with one CPU, whose keeper can be frozen apart from it."""

    def __init__(self, server: RunningServer, folder: Path) -> None:
        self.state = folder / "state"
        argv = command(
            "worker", "--forever", "--cpus", "1", "--name", "one", "--project", "killed", "--server", server.url,
            "--state-dir", str(self.state),
        )  # fmt: skip
        self.worker = Program("one", argv, folder, clean_environment())

    def processes(self) -> list[psutil.Process]:
        """The worker, and its keeper, if it has one."""
        alive = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
        (worker,) = [child for child in alive if str(self.state) in child.cmdline()]
        return [worker, *worker.children()]

    def in_turn(self) -> set[int]:
        """The jobs that wait for their turn, as far as files tell: written down, neither begun nor given back."""
        records: dict[str, Any] = {}
        (journal,) = self.state.glob("**/journal")
        for line in journal.read_text().splitlines():
            for key, record in json.loads(line).items():
                records[key] = record and {**(records.get(key) or {}), **record}
        found = {key for key, record in records.items() if record and record.get("in_turn") and not record.get("end")}
        return {int(key.partition("-")[0]) for key in found if not self.written(key)}

    def written(self, key: str) -> str:
        """What the keeper wrote of an attempt."""
        records = self.state.glob(f"**/attempts/{key}/process.jsonl")
        lines = [line for path in records for line in path.read_text().splitlines(keepends=True)]
        return "".join(line for line in lines if json.loads(line)["id"].startswith(f"{key}."))

    def freeze_with(self, jobs: list[Job]) -> psutil.Process | None:
        """Freeze the worker and its keeper if just these jobs wait for their turn, and return the keeper."""
        both = self.processes()
        for process in reversed(both):
            process.suspend()
        wait_until(lambda: {process.status() for process in both} == {psutil.STATUS_STOPPED})
        if self.in_turn() == {job.number for job in jobs}:
            return both[1]
        self.thaw()
        return None

    def thaw(self) -> None:
        """Let both go on."""
        for process in self.processes():
            process.resume()


@pytest.fixture
def machine(server: RunningServer, tmp_path: Path) -> Iterator[Machine]:
    """A machine of which nothing is left."""
    made = Machine(server, tmp_path)
    try:
        yield made
    finally:
        made.worker.thaw()
        made.worker.kill_all()


def queue_and_freeze(project: Project, machine: Machine, folder: Path) -> tuple[Job, list[Job], psutil.Process]:
    """A job that runs, some that wait for their turn behind it, and the keeper, frozen then, as the worker is."""
    machine.worker.start()
    for _ in range(TRIES):
        first = [Job(f"first-{number}", "short") for number in range(PACE)]
        project.extend_queue(first)
        assert {job.wait(60) for job in first} == {"COMPLETED"}, machine.worker.tail()
        long, behind = Job("long", "long", priority=9), [Job(f"short-{number}", "short") for number in range(SHORT)]
        project.extend_queue([long, *behind])
        with suppress(AssertionError):  # they wait for a moment only, which a slow machine may miss
            wait_until(lambda: machine.freeze_with(behind), MOMENT)  # noqa: B023 - called at once
            machine.thaw()
            time.sleep(0.1)  # what was written down has gone to the keeper, too
            if (keeper := machine.freeze_with(behind)) is not None:
                return long, behind, keeper
        (folder / "go").touch()
        assert {job.wait(60) for job in (long, *behind)} == {"COMPLETED"}, machine.worker.tail()
        (folder / "go").unlink()
    pytest.fail("The jobs never waited for their turn.")


def check_all_ran_once(long: Job, behind: list[Job], folder: Path) -> None:
    """Let the long one end, and check that each job ran to its end, and only once."""
    wait_until(lambda: long.refresh().status == "RUNNING", 60)
    (folder / "go").touch()
    assert [job.wait(60) for job in (long, *behind)] == ["COMPLETED"] * (SHORT + 1)
    ran = Counter(map(int, (folder / "ran").read_text().split()))
    assert [ran[job.number] for job in (long, *behind)] == [1] * (SHORT + 1)


def losses(server: RunningServer, jobs: list[Job]) -> list[int]:
    return [requests.get(f"{server.url}/jobs/{job.number}", timeout=30).json()["losses"] for job in jobs]


def test_jobs_that_waited_for_their_turn_return_to_the_queue_without_a_loss(
    server: RunningServer, project: Project, machine: Machine, tmp_path: Path
) -> None:
    long, behind, keeper = queue_and_freeze(project, machine, tmp_path)
    machine.worker.kill()
    keeper.resume()
    machine.worker.start()
    wait_until(lambda: {job.refresh().status for job in behind} == {"PENDING"}, 60, machine.worker.tail())
    check_all_ran_once(long, behind, tmp_path)
    assert losses(server, [long, *behind]) == [0] * (SHORT + 1)


def test_jobs_of_which_the_keeper_says_nothing_are_lost_and_run_once_all_the_same(
    server: RunningServer, project: Project, machine: Machine, tmp_path: Path
) -> None:
    long, behind, keeper = queue_and_freeze(project, machine, tmp_path)
    machine.worker.kill()
    machine.worker.start()
    wait_until(lambda: losses(server, behind) == [1] * SHORT, 60, machine.worker.tail())
    keeper.resume()
    check_all_ran_once(long, behind, tmp_path)
    assert losses(server, [long, *behind]) == [0, *[1] * SHORT]
