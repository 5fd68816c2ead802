"""The state directory of a worker, and what it writes down."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve

from tests.client.support import run_python
from whatsnext_client.engine.folder import StateFolder, default_root, slugify
from whatsnext_client.engine.journal import SLACK, Journal
from whatsnext_client.engine.records import Record
from whatsnext_client.errors import WorkerError
from whatsnext_core.errors import InvalidError
from whatsnext_core.model import Allocation, AttemptEnd, Cause, Share

LOCKED = """
from pathlib import Path
from whatsnext_client.engine.folder import StateFolder
print(StateFolder.acquire(Path({root!r}), "worker").client_id)
try:
    StateFolder.acquire_named(Path({root!r}), "named")
except Exception as error:
    print(error)
"""


def record(job_id: int, *, words: str = "", confirmed: bool = False) -> Record:
    """What is known of an attempt."""
    end = AttemptEnd(
        job_id=job_id, fence=2, succeeded=False, cause=Cause.EXIT, message=words, result={"ü": [1, None, "\n"]}
    )
    return Record(
        job_id=job_id, fence=2, name="näme\n", formatter="f", signal="SIGTERM", grace=3.5, timeout=None,
        allocation=Allocation(cpu=1, memory=5, devices=(Share(device="0", millis=500),)), started_at=12.5,
        handle={"pid": 17}, logs={"stdout": "/x/stdout"}, end=end, confirmed=confirmed,
    )  # fmt: skip


def test_a_record_survives_being_written_and_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.save(record(1))
    journal.save(record(2))
    journal.save(record(1, confirmed=True))
    journal.forget("2-2")
    journal.close()
    assert list(Journal(tmp_path / "journal").records()) == [record(1, confirmed=True)]


def test_an_end_is_written_beside_what_is_known_already(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    first, second = record(1), record(2)
    assert second.end is not None
    for before in (evolve(first, end=None), first):
        journal = Journal(path)
        journal.save(before)
        journal.save(evolve(second, end=None))
        journal.save_end("2-2", second.end)
        journal.flush()
        assert list(journal.records()) == [before, second]
        assert list(Journal(path).records()) == [before, second]  # which writes it anew
        assert list(Journal(path).records()) == [before, second]


def test_an_end_of_an_attempt_that_nothing_else_is_known_of_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b'{"1-1": 5}\n{"1-1": {"end": {}}}\n{"2-2": {"end": {}}}\n')
    assert list(Journal(path).records()) == []


def test_a_torn_last_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.save(record(1))
    journal.harden()
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"2-2": {"job_id": 2, "fen')
    assert list(Journal(path).records()) == [record(1)]


def test_what_finds_no_room_on_the_disk_is_written_once_there_is_some(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.save(record(1))
    journal.flush()
    with largest_file(path.stat().st_size + 10):
        journal.save(record(2))
        journal.flush()  # ten bytes of it
        with pytest.raises(OSError, match="File too large"):
            journal.flush()
        journal.save(record(3))
    journal.flush()
    assert list(Journal(path).records()) == [record(1), record(2), record(3)]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let this process write no file beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_record_of_another_kind_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b'{"1-1": {"unknown": true}}\n[1]\n\xff\xfe\n')
    assert list(Journal(path).records()) == []
    assert "1-1 cannot be read" in caplog.text


def test_the_journal_does_not_grow_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.save(record(1))
    for _ in range(60):
        journal.save(record(2, words="x" * 60_000))
        journal.flush()
        journal.forget("2-2")
    journal.flush()
    assert path.stat().st_size < SLACK + 200_000
    assert list(journal.records()) == [record(1)]
    assert list(Journal(path).records()) == [record(1)]
    end = record(1).end
    assert end is not None
    for _ in range(60):
        journal.save_end("1-2", evolve(end, message="x" * 60_000))
        journal.save(record(1))
        journal.flush()
    assert path.stat().st_size < SLACK + 400_000
    assert list(Journal(path).records()) == [record(1)]


def test_a_worker_keeps_its_id_and_two_processes_never_share_it(tmp_path: Path) -> None:
    first = StateFolder.acquire(tmp_path, "worker")
    named = StateFolder.acquire_named(tmp_path, "named")
    done = run_python(LOCKED.format(root=str(tmp_path)), cwd=tmp_path)
    other, refusal = done.stdout.splitlines()
    assert other != first.client_id
    assert "Another process is the worker 'named' now" in refusal
    client_id = first.client_id
    first.close()
    named.close()
    again = StateFolder.acquire(tmp_path, "worker")
    assert again.client_id == client_id
    StateFolder.acquire_named(tmp_path, "named").close()
    again.close()


def test_a_forgotten_folder_lets_go_of_its_lock(tmp_path: Path) -> None:
    client_id = StateFolder.acquire(tmp_path, "worker").client_id
    assert StateFolder.acquire(tmp_path, "worker").client_id == client_id


def test_the_id_may_be_any_label(tmp_path: Path) -> None:
    folder = StateFolder.acquire(tmp_path, "Ünser Wörker / 1" * 20)
    assert len(folder.client_id) <= 128
    folder.close()
    with pytest.raises(InvalidError, match="client id"):
        StateFolder.acquire_named(tmp_path, "../escape")


def test_scratch_directories_are_empty_and_only_known_ones_are_kept(tmp_path: Path) -> None:
    folder = StateFolder.acquire(tmp_path, "worker")
    (folder.scratch("1-1") / "left").write_text("over")
    assert [path.name for path in folder.scratch("1-1").rglob("*")] == ["artifacts"]
    folder.scratch("2-1")
    folder.discard_others({"2-1"})
    assert [path.name for path in folder.attempts.iterdir()] == ["2-1"]
    folder.discard("2-1")
    folder.discard("2-1")
    folder.close()
    assert list(folder.attempts.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkerError, match=r"cannot be written.*state_dir"):
        StateFolder.acquire(tmp_path / "file", "worker")


def test_the_default_place_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_root("here_8000") == tmp_path / "whatsnext" / "workers" / "here_8000"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_root("x").is_relative_to(tmp_path / "home" / ".local" / "state")
    assert slugify("///") == "worker"
    assert os.path.pardir not in slugify("../..")
