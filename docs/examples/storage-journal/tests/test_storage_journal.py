"""The journal storage does what a storage must, and remembers it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from storage_journal import JournalStorage, open_journal

from whatsnext_core.errors import ConfigurationError, StorageError
from whatsnext_core.storage import Page, Storage

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def projects(storage: Storage) -> list[str]:
    with storage.read() as reader:
        return [project.name for project in reader.projects(Page())]


def create_and_fail(storage: Storage) -> None:
    with storage.write() as writer:
        writer.create_project("given up", "", NOW)
        raise KeyError


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    storage = open_journal(f"journal://{tmp_path}/q.journal", None)
    with storage.write() as writer:
        writer.create_project("kept", "", NOW)
    with pytest.raises(KeyError):
        create_and_fail(storage)
    storage.close()
    again = JournalStorage(tmp_path / "q.journal")
    assert projects(again) == ["kept"]
    again.close()


def test_a_transaction_that_was_cut_off_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "q.journal"
    storage = JournalStorage(path, sync=False)
    for name in ("first", "second"):
        with storage.write() as writer:
            writer.create_project(name, "", NOW)
    storage.close()
    path.write_bytes(path.read_bytes()[:-1])
    storage = JournalStorage(path)
    with storage.write() as writer:
        writer.create_project("third", "", NOW)
    storage.close()
    storage = JournalStorage(path)
    assert projects(storage) == ["first", "third"]
    storage.close()


def test_two_servers_do_not_share_a_journal(tmp_path: Path) -> None:
    storage = JournalStorage(tmp_path / "q.journal")
    with pytest.raises(StorageError, match="another server has it"):
        JournalStorage(tmp_path / "q.journal")
    storage.close()


@pytest.mark.parametrize("url", ["journal:", "journal://host/q"])
def test_a_url_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="names no file"):
        open_journal(url, None)
