"""Files of jobs: left by the job, sent by its worker whatever happens, fetched by people and later jobs."""

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.client.conftest import MakeClient
from tests.client.support import Python, remembered, unique, until, worker_program, working
from tests.support import wait_until
from tests.support.proxy import BreakingLine
from tests.support.server import ServerProcess
from whatsnext.api.client import (
    Artifact,
    ChecksumError,
    Client,
    ConflictError,
    InvalidError,
    Job,
    NotFoundError,
    Project,
    Server,
    ServerFaultError,
    TooLargeError,
)
from whatsnext_client.rest import Rest

LEAVE = "import os, pathlib\nfolder = pathlib.Path(os.environ['WHATSNEXT_ARTIFACTS'])\n"
NAMES = ["plots/loss.png", 'a "quoted" name', "löss 日本.txt", "per%cent?and#hash", "semi;colon'"]


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that a test may kill, and must start again; it takes files of up to 64 MiB."""
    folder = tmp_path_factory.mktemp("artifact-server")
    with ServerProcess(folder, renew_seconds=1, max_artifact_bytes=64 * 2**20) as process:
        yield process


@pytest.fixture
def own_project(own_server: ServerProcess) -> Iterator[Project]:
    """A project on it."""
    with Server("127.0.0.1", own_server.port, retry_for=60) as server:
        yield server.append_project(unique("own"))


@pytest.fixture
def job(project: Project) -> Job:
    """A job that waits."""
    project.create_task("task")
    return project.append("job", "task")


def run(project: Project, make_client: MakeClient, code: str) -> Job:
    """A job that ran this program."""
    project.create_task("run")
    job = project.append("job", "run", {"code": code})
    make_client(formatter=Python()).work()
    return job.refresh()


# -- what a job leaves -----------------------------------------------------------------------------------------------


def test_what_a_job_leaves_is_fetched_by_a_later_job(project: Project, make_client: MakeClient, tmp_path: Path) -> None:
    code = LEAVE + (
        "(folder / 'plots').mkdir()\n(folder / 'plots' / 'loss.txt').write_text('0.1')\n"
        "(folder / 'empty').touch()\n(folder / 'latest').symlink_to('plots/loss.txt')\n"
    )
    later = (
        "import os\nfrom whatsnext.api.client import Server\n"
        "server = Server(os.environ['WHATSNEXT_SERVER'])\n"
        "project = server.get_project(os.environ['WHATSNEXT_PROJECT'])\n"
        "first = next(job for job in project.jobs if job.name == 'first')\n"
        "print(first.artifact('plots/loss.txt').read().decode())\n"
    )
    project.create_task("run")
    first = Job("first", "run", {"code": code})
    second = Job("second", "run", {"code": later}, depends=[first])
    project.extend_queue([first, second])
    make_client(formatter=Python()).work()
    assert second.refresh().status == "COMPLETED", second.logs("stderr")
    assert second.logs() == "0.1\n"
    found = {artifact.name: artifact for artifact in first.artifacts()}
    assert list(found) == ["empty", "latest", "plots/loss.txt"]
    assert found["latest"].read() == found["plots/loss.txt"].read() == b"0.1"
    assert (found["empty"].size, found["empty"].read()) == (0, b"")
    plot = found["plots/loss.txt"]
    assert (plot.attempt, plot.content_type, plot.job_id) == (1, "text/plain", first.id)
    assert plot.checksum == hashlib.sha256(b"0.1").hexdigest()
    assert first.refresh().message == ""
    assert remembered(tmp_path / "state") == {}
    assert list((tmp_path / "state").rglob("attempts/*/artifacts/*")) == []


def test_files_of_a_failed_job_are_sent_and_those_that_cannot_be_are_left_out_with_a_warning(
    project: Project, make_client: MakeClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the worker's machine")
    code = LEAVE + (
        f"(folder / 'link').symlink_to({str(secret)!r})\n(folder / 'up').symlink_to('../..')\n"
        "(folder / 'dangling').symlink_to('nothing')\nos.mkfifo(folder / 'pipe')\n"
        "(folder / 'back\\\\slash').touch()\n(folder / 'kept').write_text('kept')\nraise SystemExit(3)\n"
    )
    job = run(project, make_client, code)
    assert (job.status, job.exit_code) == ("FAILED", 3)
    assert [artifact.name for artifact in job.artifacts()] == ["kept"]
    for words in ("'link' was left out: it is a link that leads out", "'up' was left out", "'dangling'", "'pipe'"):
        assert words in job.message
    assert "backslash" in job.message
    assert "leads out of the folder" in caplog.text


def test_file_over_the_limit_is_left_out_and_the_job_completes(own_project: Project, tmp_path: Path) -> None:
    code = LEAVE + (
        "with open(folder / 'huge', 'wb') as file: file.truncate(64 * 2**20 + 1)\n(folder / 'small').write_text('x')\n"
    )
    own_project.create_task("run")
    job = own_project.append("job", "run", {"code": code})
    with Client("tests", "limits", own_project, Python(), state_dir=tmp_path / "state") as client:
        client.work()
    assert job.refresh().status == "COMPLETED"
    assert [artifact.name for artifact in job.artifacts()] == ["small"]
    assert "'huge' was left out" in job.message
    assert "max_artifact_bytes" in job.message


def test_job_that_is_run_here_leaves_files_too(project: Project) -> None:
    project.create_task("leave", command_template="sh -c 'echo 17 > $WHATSNEXT_ARTIFACTS/answer'")
    job = project.append("job", "leave")
    assert job.run() == 0
    assert job.artifact("answer").read() == b"17\n"


# -- through trouble -------------------------------------------------------------------------------------------------


def test_large_file_arrives_whole_over_a_line_that_breaks(
    server_process: ServerProcess, project: Project, make_client: MakeClient, tmp_path: Path
) -> None:
    content = os.urandom(20 * 2**20)
    file = tmp_path / "big"
    file.write_bytes(content)
    code = LEAVE + f"(folder / 'big').write_bytes(open({str(file)!r}, 'rb').read())\n"
    project.create_task("run")
    job = project.append("job", "run", {"code": code})
    with (
        BreakingLine(server_process.port, cut_after=7 * 2**20 + 2**19) as line,
        Server("127.0.0.1", line.port) as broken,
    ):
        same = broken.get_project(project.label)
        assert same is not None
        with make_client(project=same, formatter=Python()) as client:
            client.work()
        assert line.cuts >= 2
        assert job.refresh().status == "COMPLETED"
        cuts = line.cuts
        target = same.jobs[0].artifact("big").save(tmp_path / "copy")
        assert line.cuts > cuts
    assert target.read_bytes() == content
    assert (job.attempt, job.message) == (1, "")


def test_worker_that_is_killed_before_it_has_sent_all_goes_on_when_it_is_back(
    own_server: ServerProcess, own_project: Project, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    code = LEAVE + (
        "(folder / 'a').write_text('first')\nwith open(folder / 'b', 'wb') as file: file.truncate(8 * 2**20)\n"
        f"(folder / 'c').write_text('last')\n{until(go)}"
    )
    own_project.create_task("run", command_template=f"{sys.executable} -c {{code}}")
    job = own_project.append("job", "run", {"code": code})
    first = worker_program(own_server, own_project.label, tmp_path / "worker")
    wait_until(lambda: job.refresh().status == "RUNNING", why=first.tail())
    own_server.kill()
    go.touch()
    wait_until(lambda: "Ended job" in first.tail(), why=first.tail())
    first.kill()
    own_server.start()
    assert job.refresh().status == "RUNNING"
    assert job.artifacts() == []
    with worker_program(own_server, own_project.label, tmp_path / "worker") as second:
        assert job.wait(60) == "COMPLETED", second.tail()
        found = {artifact.name: artifact for artifact in job.artifacts()}
        assert {name: artifact.size for name, artifact in found.items()} == {"a": 5, "b": 8 * 2**20, "c": 4}
        assert found["c"].read() == b"last"
        assert job.attempt == 1
        wait_until(lambda: not list((tmp_path / "worker").rglob("artifacts/*")), why="the scratch directory goes")
        wait_until(lambda: not remembered(tmp_path / "worker"), why="nothing of it is kept")


def test_later_jobs_begin_when_the_files_are_there(
    own_server: ServerProcess, own_project: Project, tmp_path: Path
) -> None:
    code = LEAVE + "for n in range(40): (folder / str(n)).write_bytes(bytes([n]) * 100_000)\n"
    own_project.create_task("run")
    first = Job("first", "run", {"code": code})
    count = (
        "import os, requests\n"
        f"number = open({str(tmp_path / 'id')!r}).read()\n"
        f"found = requests.get('{own_server.url}/jobs/' + number + '/artifacts').json()\n"
        "print(len(found))\n"
    )
    second = Job("second", "run", {"code": count}, depends=[first])
    own_project.extend_queue([first, second])
    (tmp_path / "id").write_text(str(first.id))
    with Client("tests", "order", own_project, Python(), state_dir=tmp_path / "state") as client:
        client.work()
    assert second.refresh().status == "COMPLETED", second.logs("stderr")
    assert second.logs() == "40\n"


def test_cancelling_does_not_wait_for_files(
    own_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ServerFaultError("the disk of the server is full")

    own_project.create_task("run")
    job = own_project.append("job", "run", {"code": LEAVE + "(folder / 'f').write_text('x')\n"})
    monkeypatch.setattr(Rest, "send_artifact", fail)
    with Client("tests", "cancel", own_project, Python(), state_dir=tmp_path / "state") as client, working(client):
        wait_until(lambda: list((tmp_path / "state").rglob("attempts/*/artifacts/f")))
        wait_until(lambda: job.refresh().status == "RUNNING")
        wait_until(lambda: client.active_resources == [], why="the process has ended")
        assert job.refresh().status == "RUNNING"
        job.cancel()
        assert job.wait(30) == "CANCELLED"
    assert job.artifacts() == []


# -- what people do --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_person_sends_and_saves_a_file_under_any_name(job: Job, tmp_path: Path, name: str) -> None:
    content = os.urandom(1000)
    file = tmp_path / "file"
    file.write_bytes(content)
    sent = job.upload_artifact(file, name)
    assert sent == job.artifact(name) == job.artifacts()[0]
    assert (sent.name, sent.size, sent.attempt, sent.path) == (name, 1000, None, None)
    folder = tmp_path / "folder"
    folder.mkdir()
    target = sent.save(folder)
    assert target == folder.joinpath(*name.split("/"))
    assert target.read_bytes() == content
    assert sent.save(tmp_path / "deep" / "er" / "copy").read_bytes() == content
    assert sent.is_intact()
    sent.delete()
    assert not sent.is_intact()
    assert job.artifacts() == []


def test_local_artifact_can_be_read_and_saved_too(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"here")
    artifact = Artifact.from_file(tmp_path / "f")
    assert artifact.read() == b"here"
    assert artifact.save(tmp_path / "g").read_bytes() == b"here"
    with pytest.raises(InvalidError, match="not on a server"):
        artifact.delete()


def test_what_cannot_be_sent_is_refused_with_a_sentence(job: Job, own_project: Project, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    with pytest.raises(NotFoundError, match="has no file"):
        job.upload_artifact(tmp_path / "nothing")
    with pytest.raises(InvalidError, match=r"without '.', '..'"):
        job.upload_artifact(file, "../up")
    with pytest.raises(NotFoundError, match="no artifact 'f'"):
        job.artifact("f")
    with pytest.raises(InvalidError, match="not queued"):
        Job("unqueued", "task").artifacts()
    own_project.create_task("task")
    other = own_project.append("job", "task")
    with file.open("wb") as stream:
        stream.truncate(64 * 2**20 + 1)
    with pytest.raises(TooLargeError, match="max_artifact_bytes"):
        other.upload_artifact(file)
    assert other.artifacts() == []


def test_interrupted_upload_goes_on_where_it_stopped(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(3 * 2**20 + 5)
    file = tmp_path / "file"
    file.write_bytes(content)
    sent: list[int] = []
    original = Rest.send_artifact

    def note(self: Rest, job_id: int, name: str, data: bytes, **options: Any) -> Any:
        sent.append(options["offset"])
        if len(sent) == 3:
            raise KeyboardInterrupt
        return original(self, job_id, name, data, **options)

    monkeypatch.setattr(Rest, "send_artifact", note)
    with pytest.raises(KeyboardInterrupt):
        job.upload_artifact(file)
    assert job.upload_artifact(file).read() == content
    assert sent == [0, 2**20, 2 * 2**20, 0, 2 * 2**20, 3 * 2**20]


def test_file_that_changes_while_it_is_sent_is_refused(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a" * (2**20 + 1))
    original = Rest.send_artifact

    def change(self: Rest, job_id: int, name: str, data: bytes, **options: Any) -> Any:
        answer = original(self, job_id, name, data, **options)
        file.write_bytes(b"b" * (2**20 + 1))
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(Rest, "send_artifact", change)
        with pytest.raises(InvalidError, match="SHA-256"):
            job.upload_artifact(file)
    assert job.artifacts() == []
    assert job.upload_artifact(file).size == 2**20 + 1


def test_what_comes_damaged_or_was_replaced_is_never_taken_for_the_file(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, target = tmp_path / "file", tmp_path / "target"
    file.write_bytes(b"content")
    target.write_bytes(b"older")
    artifact = job.upload_artifact(file, "f")
    with monkeypatch.context() as patched:
        patched.setattr(Rest, "artifact_bytes", lambda *_, **__: b"c0ntent")
        for act in (artifact.read, lambda: artifact.save(target)):
            with pytest.raises(ChecksumError, match="fetch it again"):
                act()
    file.write_bytes(b"newer")
    job.upload_artifact(file, "f")
    for act in (artifact.read, lambda: artifact.save(target)):
        with pytest.raises(ConflictError, match="fetch it anew"):
            act()
    assert target.read_bytes() == b"older"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["file", "target"]


def test_nothing_is_written_outside_of_the_folder(project: Project, job: Job, tmp_path: Path) -> None:
    file, folder, outside = tmp_path / "file", tmp_path / "folder", tmp_path / "outside"
    file.write_bytes(b"x")
    folder.mkdir()
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    artifact = job.upload_artifact(file, "link/f")
    with pytest.raises(InvalidError, match="outside"):
        artifact.save(folder)
    document = project.rest.artifact(job.number, "link/f")
    for name in ("../f", "/tmp/f", "a/../../f", ".."):  # noqa: S108 - a name, not a place
        evil = Artifact.from_document(project.rest, {**document, "name": name})  # as a hostile server could say
        with pytest.raises(InvalidError):
            evil.save(folder)
    assert list(outside.iterdir()) == []
    assert [path.name for path in folder.iterdir()] == ["link"]


def test_two_versions_of_one_name_are_told_apart(job: Job, server_process: ServerProcess) -> None:
    url = f"{server_process.url}/jobs/{job.id}/artifacts/f"
    first = requests.put(url, data=b"one", timeout=30).json()
    second = requests.put(url, data=b"two", timeout=30).json()
    assert first["id"] != second["id"]
    assert job.artifact("f").read() == b"two"
