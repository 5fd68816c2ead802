"""Jobs on an engine with a queue of its own, which does not say by itself when there is news."""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.client.support import unique, working
from tests.support import wait_until
from tests.support.server import ServerProcess
from whatsnext.api.client import Client, Formatter, Project, Server
from whatsnext_core.formatting import Execution, ExecutionState, Handle, Invocation
from whatsnext_core.model import Cause


def end(folder: Path, words: str) -> None:
    """Let a job end with these words, which are there as soon as the file is."""
    (folder / "words").write_text(words)
    (folder / "words").rename(folder / "ended")


class Batch(Formatter):
    """A batch system in a folder: a job waits for the file ``admitted``, and runs until the file ``ended`` says how."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.polls = 0
        self.threads: set[int] = set()
        self.broken = False
        self.words = "(Priority)"
        self.handle: dict[str, Any] = {}
        """What its handles hold beside what it needs."""

    def accepted(self) -> Path:
        """The folder of the first job, once there is one."""
        found: list[Path] = wait_until(lambda: list(self.folder.iterdir()))
        return found[0]

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:
        return [task, *parameters]

    def start(self, invocation: Invocation) -> Handle:
        (self.folder / invocation.key).mkdir()
        invocation.stdout.write_text("from the batch system\n")
        files = {"stdout": str(invocation.stdout), "stderr": str(invocation.stderr)}
        return {"key": invocation.key, **files, **self.handle}

    def poll(self, handles: Mapping[str, Handle]) -> Mapping[str, Execution]:
        self.polls += 1
        self.threads.add(threading.get_ident())
        if self.broken:
            raise OSError("the controller does not answer")
        return {key: self._look(self.folder / handle["key"]) for key, handle in handles.items()}

    def _look(self, folder: Path) -> Execution:
        if (folder / "ended").exists():
            word = (folder / "ended").read_text()
            done = word == "ok"
            return Execution(
                state=ExecutionState.ENDED, succeeded=done, exit_code=int(not done), message=word,
                cause=None if done else Cause.WALLTIME,
            )  # fmt: skip
        if (folder / "admitted").exists():
            return Execution(state=ExecutionState.RUNNING)
        return Execution(state=ExecutionState.WAITING, message=self.words)

    def cancel(self, handle: Handle, signal: str = "SIGTERM", grace: float = 30.0) -> None:
        end(self.folder / handle["key"], f"{signal} {grace:g}")

    def kill(self, handle: Handle) -> None:
        self.cancel(handle, "SIGKILL", 0)

    def adopt(self, handle: Handle) -> bool:
        return Path(self.folder, handle["key"]).exists()

    def forget(self, handle: Handle) -> None:
        (self.folder / handle["key"] / "forgotten").touch()


@pytest.fixture(scope="module")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose leases are short enough to see them lapse."""
    process = ServerProcess(
        tmp_path_factory.mktemp("queueing"), database="memory://", lease_seconds=2, renew_seconds=0.5
    )
    with process:
        yield process


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    """A batch system."""
    folder = tmp_path / "batch"
    folder.mkdir()
    return Batch(folder)


@pytest.fixture
def client(hasty_server: ServerProcess, batch: Batch, tmp_path: Path) -> Iterator[Client]:
    """A worker of a project of its own."""
    with Server("127.0.0.1", hasty_server.port) as server:
        project = server.append_project(unique("batch"))
        project.create_task("task", timeout=3600)
        with Client("tests", "batch", project, batch, available_cpu=4, state_dir=tmp_path / "state") as client:
            yield client


def test_a_job_that_waits_there_keeps_its_lease_and_is_not_running(client: Client, batch: Batch) -> None:
    project: Project = client.project
    job = project.append("job", "task", {"--flag": 1})
    with working(client):
        folder = batch.accepted()
        claimed = job.attempts()[0].claimed_at
        wait_until(lambda: (job.attempts()[0].expires_at or claimed).timestamp() - claimed.timestamp() > 5)
        assert job.refresh().status == "QUEUED"
        (folder / "admitted").touch()
        wait_until(lambda: job.refresh().status == "RUNNING")
        end(folder, "ok")
        assert job.wait(30) == "COMPLETED"
        wait_until((folder / "forgotten").exists)
    assert job.attempt == 1
    assert job.logs() == "from the batch system\n"
    assert len(batch.threads) == 1
    assert threading.get_ident() not in batch.threads


def test_why_it_waits_there_is_told_in_the_engines_own_words_until_it_runs(client: Client, batch: Batch) -> None:
    job = client.project.append("job", "task")
    with working(client):
        folder = batch.accepted()
        wait_until(lambda: job.attempts()[0].message == "(Priority)")
        found = job.why()
        assert [reason.code for reason in found.reasons] == ["engine", "claimed"]
        assert found.reasons[0].text == f"The engine of {client.id} has it wait, and says: (Priority)."
        batch.words = "(Resources)"
        wait_until(lambda: job.attempts()[0].message == "(Resources)")
        (folder / "admitted").touch()
        wait_until(lambda: job.refresh().status == "RUNNING")
        assert job.attempts()[0].message == ""
        assert job.why().reasons[0].text.startswith(f"It runs on {client.id}, attempt 1, for ")
        end(folder, "ok")
        assert job.wait(30) == "COMPLETED"
    assert job.why().reasons[0].code == "completed"


def test_the_engines_own_cause_and_words_are_told(client: Client, batch: Batch) -> None:
    job = client.project.append("job", "task")
    with working(client):
        folder = batch.accepted()
        end(folder, "DUE TO TIME LIMIT")
        assert job.wait(30) == "FAILED"
    assert (job.cause, job.message) == ("walltime", "DUE TO TIME LIMIT")


def test_a_handle_that_is_no_json_ends_its_job_and_nothing_else(client: Client, batch: Batch) -> None:
    batch.handle = {"ports": {8080}}
    job = client.project.append("job", "task")
    with working(client):
        assert job.wait(30) == "FAILED"
        assert (job.cause, job.message.partition(":")[0]) == ("engine", "Batch could not start it")
        assert (batch.accepted() / "ended").read_text() == "SIGKILL 0"
        batch.handle = {}
        after = client.project.append("after", "task")
        (folder,) = wait_until(lambda: list(batch.folder.glob(f"{after.number}-*")))
        end(folder, "ok")
        assert after.wait(30) == "COMPLETED"


def test_a_job_that_waits_there_can_be_cancelled(client: Client, batch: Batch) -> None:
    job = client.project.append("job", "task")
    with working(client):
        folder = batch.accepted()
        job.cancel()
        assert job.wait(30) == "CANCELLED"
    assert (folder / "ended").read_text() == "SIGTERM 30"


def test_an_engine_that_fails_to_answer_costs_no_job(client: Client, batch: Batch) -> None:
    job = client.project.append("job", "task")
    with working(client):
        folder = batch.accepted()
        batch.broken = True
        polls = batch.polls
        wait_until(lambda: batch.polls > polls + 3)
        assert job.refresh().status == "QUEUED"
        batch.broken = False
        end(folder, "ok")
        assert job.wait(30) == "COMPLETED"
