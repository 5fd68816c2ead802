"""Files on their way to the server: in the end all of them, or a word about each that is left out."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import wait_until
from tests.support.network import free_port
from whatsnext.api.client import Job, Project, ServerFaultError
from whatsnext_client.address import parse_address
from whatsnext_client.engine.artifacts import LATE, ArtifactUploader
from whatsnext_client.engine.leftovers import MOST, is_empty, look_through
from whatsnext_client.engine.records import Held
from whatsnext_client.rest import Rest
from whatsnext_client.transport import Transport
from whatsnext_core.model import Allocation


class Ears:
    """Hears what an uploader says."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.done = threading.Event()

    @contextmanager
    def uploader(self, rest: Rest, **options: float) -> Iterator[ArtifactUploader]:
        """An uploader that talks to it."""
        uploader = ArtifactUploader(
            rest, on_sent=lambda _, words: self.words.append(words), on_done=lambda _: self.done.set(), **options
        )
        uploader.start()
        yield uploader
        uploader.close()


@pytest.fixture
def job(project: Project) -> Job:
    """A job that somebody has taken, so that there is an attempt."""
    project.create_task("task")
    project.append("job", "task")
    return project.fetch_job()


def attempt(job: Job, folder: Path, **files: bytes) -> Held:
    """The attempt at it, with these files."""
    held = Held(
        job_id=job.number, fence=1, name="job", allocation=Allocation(), signal="SIGTERM", grace=1, timeout=None
    )
    held.directory = folder
    (folder / "artifacts").mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / "artifacts" / name).write_bytes(content)
    return held


def test_nothing_left_is_sent_at_once(project: Project, job: Job, tmp_path: Path) -> None:
    with Ears().uploader(project.rest) as uploader:
        held = attempt(job, tmp_path)
        assert uploader.finish(held)
        held.directory = None
        assert uploader.finish(held)
        assert uploader.is_idle


def test_files_that_are_with_the_server_go_one_by_one(project: Project, job: Job, tmp_path: Path) -> None:
    held, ears = attempt(job, tmp_path, a=b"1", b=b"x" * (5 * 2**20), c=b""), Ears()
    with ears.uploader(project.rest) as uploader:
        assert not uploader.finish(held)
        assert ears.done.wait(30)
        assert uploader.is_idle
    assert (ears.words, held.artifacts_done) == ([""], True)
    assert {found.name: found.size for found in job.artifacts()} == {"a": 1, "b": 5 * 2**20, "c": 0}
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_large_files_of_one_attempt_do_not_hold_up_others(
    project: Project, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    original = Rest.send_artifact

    def note(self: Rest, job_id: int, name: str, data: bytes, **options: Any) -> Any:
        sent.append(name)
        return original(self, job_id, name, data, **options)

    monkeypatch.setattr(Rest, "send_artifact", note)
    (tmp_path / "other").mkdir()
    large = attempt(job, tmp_path, large=b"x" * (16 * 2**20))
    small = attempt(project.append("other", "task"), tmp_path / "other", small=b"1")
    project.fetch_job()
    done: list[Held] = []
    uploader = ArtifactUploader(project.rest, on_sent=lambda *_: None, on_done=done.append)
    uploader.finish(large)
    uploader.finish(small)
    uploader.start()
    wait_until(lambda: done == [small, large])
    uploader.close()
    assert sent.index("small") == 4
    assert len(sent) == 17


def test_end_is_reported_before_the_files_when_there_is_no_progress(
    project: Project, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = threading.Event()
    refusing.set()
    original = Rest.send_artifact

    def refuse(self: Rest, job_id: int, name: str, data: bytes, **options: Any) -> Any:
        if refusing.is_set():
            raise ServerFaultError("the disk of the server is full")
        return original(self, job_id, name, data, **options)

    monkeypatch.setattr(Rest, "send_artifact", refuse)
    held, ears = attempt(job, tmp_path, a=b"1"), Ears()
    with ears.uploader(project.rest, stalled=0.2) as uploader:
        uploader.finish(held)
        wait_until(lambda: ears.words)
        assert ears.words == [LATE]
        assert not held.artifacts_done
        refusing.clear()
        assert ears.done.wait(30)
    assert ears.words == [LATE]
    assert job.artifact("a").read() == b"1"


def test_end_is_reported_before_the_files_when_they_take_too_long(project: Project, job: Job, tmp_path: Path) -> None:
    held, ears = attempt(job, tmp_path, a=b"x" * (20 * 2**20)), Ears()
    with ears.uploader(project.rest, patience=0.0) as uploader:
        uploader.finish(held)
        assert ears.done.wait(60)
    assert ears.words == [LATE]
    assert job.artifact("a").size == 20 * 2**20


def test_time_without_a_server_does_not_count(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    original = Rest.send_artifact

    def note(self: Rest, job_id: int, name: str, data: bytes, **options: Any) -> Any:
        tries.append(job_id)
        return original(self, job_id, name, data, **options)

    monkeypatch.setattr(Rest, "send_artifact", note)
    nobody = Rest(Transport(parse_address("127.0.0.1", free_port())))
    held, ears = attempt(job, tmp_path, a=b"1"), Ears()
    with ears.uploader(nobody, stalled=0.01, patience=0.01) as uploader:
        uploader.finish(held)
        wait_until(lambda: len(tries) > 3)
        assert ears.words == []
    assert (tmp_path / "artifacts" / "a").exists()


def test_files_of_a_stale_attempt_are_given_up(project: Project, job: Job, tmp_path: Path) -> None:
    job.set_status("PENDING")
    project.fetch_job()
    held, ears = attempt(job, tmp_path, a=b"1"), Ears()
    with ears.uploader(project.rest) as uploader:
        uploader.finish(held)
        assert ears.done.wait(30)
    assert job.artifacts() == []


def test_dropped_files_are_not_sent(project: Project, job: Job, tmp_path: Path) -> None:
    held = attempt(job, tmp_path, a=b"1")
    uploader = ArtifactUploader(project.rest, on_sent=lambda *_: None, on_done=lambda _: None)
    uploader.finish(held)
    uploader.drop(held)
    assert uploader.is_idle
    assert held.artifacts_done
    uploader.close()


def test_only_what_lies_in_the_folder_is_sent(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    assert is_empty(folder)
    folder.mkdir()
    assert is_empty(folder)
    (folder / "sub").mkdir()
    assert not is_empty(folder)
    (tmp_path / "outside").write_text("x")
    (folder / "sub" / "b").write_text("b")
    (folder / "a").write_text("a")
    (folder / "inside").symlink_to("sub/b")
    (folder / "loop").symlink_to("loop")
    (folder / "folder").symlink_to("sub")
    (folder / "out").symlink_to(tmp_path / "outside")
    (folder / "around").symlink_to(tmp_path / "folder" / "a")
    (folder / os.fsdecode(b"\xff")).write_text("no unicode")
    found = look_through(folder)
    sub, odd = folder / "sub" / "b", folder / os.fsdecode(b"\xff")
    assert found.files == [
        ("a", folder / "a"), ("around", folder / "a"), ("inside", sub), ("sub/b", sub), ("\ufffd", odd),
    ]  # fmt: skip
    assert [complaint.split(" was")[0] for complaint in found.complaints] == [
        "Artifact 'folder'", "Artifact 'loop'", "Artifact 'out'",
    ]  # fmt: skip


def test_complaints_stay_short(tmp_path: Path) -> None:
    for number in range(15):
        (tmp_path / f"link-{number:02}").symlink_to("/")
    found = look_through(tmp_path)
    assert found.words.count("left out") == 11
    assert found.words.endswith("5 more artifacts were left out.")
    assert MOST == 10_000
