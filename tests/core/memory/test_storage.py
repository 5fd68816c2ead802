"""What the storage in memory promises beyond the kit: threads, undoing, its plugin."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whatsnext_core.errors import ConfigurationError, StorageError
from whatsnext_core.hookspecs import StorageBackend
from whatsnext_core.memory import MemoryStorage
from whatsnext_core.memory.journal import Groups, Journal, Table
from whatsnext_core.memory.plugin import open_memory, whatsnext_storage_backends
from whatsnext_core.storage import Page, Storage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = 30


def test_blocks_of_one_thread_nest_only_for_reading() -> None:
    storage = MemoryStorage()
    with storage.read(), storage.read() as inner:
        assert inner.projects(Page()) == []
        with pytest.raises(StorageError, match="This thread reads"):
            storage.write().__enter__()
    with storage.write():
        for nested in (storage.read, storage.write):
            with pytest.raises(StorageError, match="This thread writes"):
                nested().__enter__()


def test_readers_of_several_threads_are_in_together_and_a_writer_alone() -> None:
    storage = MemoryStorage()
    together = threading.Barrier(2, timeout=PATIENCE)
    seen: list[int] = []

    def look() -> None:
        with storage.read() as reader:
            together.wait()
            seen.append(len(reader.projects(Page())))
            together.wait()

    other = threading.Thread(target=look)
    other.start()
    written = threading.Event()

    def write() -> None:
        with storage.write() as writer:
            writer.create_project("a", "", NOW)
        written.set()

    with storage.read() as reader:
        together.wait()
        writer = threading.Thread(target=write)
        writer.start()
        with storage.read() as again:
            seen.append(len(again.projects(Page())))
        together.wait()
        seen.append(len(reader.projects(Page())))
        assert not written.is_set()
    assert written.wait(PATIENCE)
    for thread in (other, writer):
        thread.join(PATIENCE)
    assert seen == [0, 0, 0]


def test_writers_wait_for_each_other() -> None:
    storage = MemoryStorage()
    total = 40

    def work() -> None:
        for _ in range(total):
            with storage.write() as writer:
                found = len(writer.projects(Page(limit=1_000)))
                writer.create_project(f"{found}", "", NOW)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    with storage.read() as reader:
        assert [project.name for project in reader.projects(Page(limit=1_000))] == [*map(str, range(3 * total))]


def test_it_is_a_storage_and_says_when_it_is_closed() -> None:
    storage = open_memory("memory:")
    assert isinstance(storage, Storage)
    assert storage.clock() - datetime.now(UTC) < timedelta(seconds=PATIENCE)
    storage.close()
    for use in (storage.read, storage.write):
        with pytest.raises(StorageError, match="closed"):
            use().__enter__()


def test_plugin_opens_its_scheme() -> None:
    (backend,) = whatsnext_storage_backends()
    assert isinstance(backend, StorageBackend)
    assert (backend.name, backend.schemes, backend.config) == ("memory", ("memory",), None)
    backend.open("memory://", None).close()
    with pytest.raises(ConfigurationError, match="'memory://x' names more than 'memory://'"):
        open_memory("memory://x")


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(1, 3)), max_size=12), st.integers(0, 12))
def test_undoing_brings_back_every_row(changes: list[tuple[int, int | None]], kept: int) -> None:
    journal = Journal()
    table = Table[int, int](journal)

    def apply(part: list[tuple[int, int | None]]) -> None:
        for key, row in part:
            if row is None:
                table.drop(key)
            else:
                table.put(key, row)

    apply(changes[:kept])
    before, mark = {key: table[key] for key in table}, journal.mark()
    apply(changes[kept:])
    journal.undo_to(mark)
    assert {key: table[key] for key in table} == before
    assert len(table) == len(before)
    journal.undo_to(0)
    assert not list(table)
    journal.clear()
    assert journal.mark() == 0


def test_groups_exist_while_they_have_members() -> None:
    groups = Groups[str, int]()
    groups.move(2, None, "a")
    groups.move(1, None, "a")
    groups.move(1, "a", "a")
    assert (list(groups), groups.keys("a"), groups.keys("b")) == (["a"], [1, 2], [])
    groups.move(1, "a", "b")
    groups.move(2, "a", None)
    assert list(groups) == ["b"]
