"""The journal storage does what a storage must, and remembers it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from storage_journal import JournalStorage, open_journal

from whatsnext_core.errors import ConfigurationError, StorageError
from whatsnext_core.storage import Page, Storage
from whatsnext_core.testing import StorageConformance

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class TestJournalStorage(StorageConformance):
    """Every scenario that a storage must pass."""

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[JournalStorage]:
        """An empty storage."""
        storage = JournalStorage(tmp_path / "q.journal", sync=False)
        yield storage
        storage.close()

    @pytest.fixture
    def reopen(self, storage: JournalStorage, tmp_path: Path) -> Iterator[Callable[[], Storage]]:
        """What closes the storage, and opens it again."""
        opened: list[Storage] = []

        def reopen() -> Storage:
            storage.close()
            opened.append(JournalStorage(tmp_path / "q.journal", sync=False))
            return opened[-1]

        yield reopen
        for each in opened:
            each.close()


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
    with pytest.raises(StorageError, match="stop the other server first"):
        JournalStorage(tmp_path / "q.journal")
    storage.close()


def test_a_journal_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened: No such file or directory"):
        JournalStorage(tmp_path / "nowhere" / "q.journal")


@pytest.mark.parametrize("url", ["journal:", "journal://host/q"])
def test_a_url_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="names no file"):
        open_journal(url, None)
