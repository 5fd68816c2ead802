"""What short jobs that print cost a worker: few requests, and no byte of what they wrote."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.client.support import unique, working
from tests.support import wait_until
from tests.support.server import ServerProcess
from whatsnext.api.client import Client, Formatter, Job, Server
from whatsnext_core.formatting import Execution, ExecutionState, Handle, Invocation

JOBS = 200


class Instant(Formatter):
    """Runs jobs that print their parameter and have ended as soon as they are started, however slow the machine is."""

    def __init__(self) -> None:
        self._news, self._tell = os.pipe()

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:
        return [task, parameters["text"]]

    def start(self, invocation: Invocation) -> Handle:
        invocation.stdout.write_text(invocation.argv[1])
        invocation.stderr.write_text(invocation.argv[1][::-1])
        os.write(self._tell, b"x")
        return {"stdout": str(invocation.stdout), "stderr": str(invocation.stderr)}

    def fileno(self) -> int:
        return self._news

    def poll(self, handles: Mapping[str, Handle]) -> Mapping[str, Execution]:
        if handles:
            os.read(self._news, 65_536)
        return {key: Execution(state=ExecutionState.ENDED, succeeded=True, exit_code=0) for key in handles}

    def cancel(self, handle: Handle, signal: str = "SIGTERM", grace: float = 30.0) -> None:  # noqa: ARG002
        raise AssertionError("nothing runs that could be cancelled")

    def adopt(self, handle: Handle) -> bool:  # noqa: ARG002 - all have ended
        return False

    def forget(self, handle: Handle) -> None:
        pass

    def close(self) -> None:
        os.close(self._news)
        os.close(self._tell)


@pytest.fixture
def talking_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that logs each request."""
    with ServerProcess(tmp_path / "server", database="memory://", log_level="debug") as process:
        yield process


def requests_of_workers(server: ServerProcess) -> list[str]:
    """Syncs and requests with output, as the server has logged them."""
    lines = (server.folder / "server.log").read_text().splitlines()
    return [line for line in lines if "/sync" in line or "/logs" in line]


def test_short_jobs_that_print_cost_a_request_for_ten_of_them(talking_server: ServerProcess, tmp_path: Path) -> None:
    texts = {f"job-{number}": f"{number}: {'ü' * (number % 50)}\n" for number in range(JOBS)}
    with Server("127.0.0.1", talking_server.port) as server:
        project = server.append_project(unique("printing"))
        project.create_task("print")
        options: dict[str, Any] = {"available_cpu": JOBS, "state_dir": tmp_path / "state"}
        with Client("tests", "printer", project, Instant(), **options) as client, working(client):
            before = len(requests_of_workers(talking_server))
            project.extend_queue([Job(name, "print", {"text": text}) for name, text in texts.items()])
            wait_until(lambda: server.rest.counts(project.id)["COMPLETED"] == JOBS, 60)
            asked = requests_of_workers(talking_server)[before:]
            assert len(asked) <= JOBS / 10, "\n".join(asked)
        assert {job.name: job.logs() for job in project.jobs} == texts
        assert {job.name: job.logs(stream="stderr") for job in project.jobs} == {
            name: text[::-1] for name, text in texts.items()
        }
