import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from datetime import datetime

import pytest

from whatsnext_core.errors import DuplicateError, StorageError, TransientStorageError
from whatsnext_core.memory import MemoryStorage
from whatsnext_core.storage import Page, Reader, Writer
from whatsnext_server.http.errors import BusyError, StoppingError
from whatsnext_server.writer import GROUP, GroupWriter, Ticket

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def running(storage: MemoryStorage, capacity: int = 1000) -> AsyncIterator[GroupWriter]:
    writer = GroupWriter(storage, capacity=capacity)
    writer.start()
    try:
        yield writer
    finally:
        await asyncio.to_thread(writer.close)


@contextmanager
def stopped(writer: GroupWriter) -> Iterator[None]:
    """Keeps the writer busy, so that commands gather."""
    begun, release = threading.Event(), threading.Event()

    def wait(_: Writer, __: datetime) -> None:
        begun.set()
        release.wait()

    future = writer.submit(wait)
    begun.wait()
    try:
        yield
    finally:
        release.set()
        future.result()


def creates(name: str) -> Callable[[Writer, datetime], int]:
    return lambda writer, now: writer.create_project(name, "", now).id


def names(storage: MemoryStorage) -> list[str]:
    with storage.read() as reader:
        return [project.name for project in reader.projects(Page(limit=10_000))]


async def test_concurrent_commands_share_a_transaction() -> None:
    storage = MemoryStorage()
    async with running(storage) as writer:
        with stopped(writer):
            tasks = [asyncio.create_task(writer.write(creates(f"p{number}"))) for number in range(50)]
            await asyncio.sleep(0)
            before = writer.commits
        assert await asyncio.gather(*tasks) == list(range(1, 51))
        assert writer.commits - before == 2  # the one that kept it busy, and one for all
    assert names(storage) == [f"p{number}" for number in range(50)]


async def test_commands_that_come_together_share_a_transaction() -> None:
    storage = MemoryStorage()
    loop = asyncio.get_running_loop()
    async with running(storage) as writer:
        for number in range(20):
            order: list[str] = []
            first, second = loop.create_future(), loop.create_future()
            before = writer.commits
            writer.accept(
                Ticket(creates(f"a{number}"), first, loop, lambda order=order: order.append("first")),  # type: ignore[misc]  # the default binds it
                Ticket(creates(f"b{number}"), second, loop, lambda order=order: order.append("second")),  # type: ignore[misc]
            )
            assert await first < await second
            assert writer.commits == before + 1
            assert order == ["second", "first"], "a look that comes with a submission is answered first"


async def test_failing_command_hurts_no_other_one() -> None:
    storage = MemoryStorage()
    async with running(storage) as writer:
        with stopped(writer):

            def breaks(writer: Writer, now: datetime) -> None:
                writer.create_project("half", "", now)
                raise RuntimeError("a defect")

            commands = [creates("a"), creates("a"), breaks, creates("b")]
            tasks = [asyncio.create_task(writer.write(command)) for command in commands]
            await asyncio.sleep(0)
        first, second, third, last = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(second, DuplicateError)
    assert isinstance(third, RuntimeError)
    assert isinstance(first, int)
    assert isinstance(last, int)
    assert names(storage) == ["a", "b"]


async def test_lone_failing_command_leaves_nothing() -> None:
    storage = MemoryStorage()

    def breaks(writer: Writer, now: datetime) -> None:
        writer.create_project("half", "", now)
        raise RuntimeError("a defect")

    async with running(storage) as writer:
        with pytest.raises(RuntimeError):
            await writer.write(breaks)
        assert await writer.write(creates("whole")) >= 1
    assert names(storage) == ["whole"]


async def test_command_is_answered_after_its_commit() -> None:
    storage = MemoryStorage()
    async with running(storage) as writer:
        for number in range(20):
            await writer.write(creates(f"p{number}"))
            assert len(names(storage)) == number + 1


async def test_all_commands_of_a_transaction_have_one_time() -> None:
    storage = MemoryStorage()
    async with running(storage) as writer:
        with stopped(writer):
            tasks = [asyncio.create_task(writer.write(lambda _, now: now)) for _ in range(5)]
            await asyncio.sleep(0)
        assert len(set(await asyncio.gather(*tasks))) == 1


async def test_many_commands_are_spread_over_several_transactions() -> None:
    async with running(MemoryStorage(), capacity=10 * GROUP) as writer:
        with stopped(writer):
            tasks = [asyncio.create_task(writer.write(creates(f"p{number}"))) for number in range(2 * GROUP + 1)]
            await asyncio.sleep(0)
            before = writer.commits
        assert sorted(await asyncio.gather(*tasks)) == list(range(1, 2 * GROUP + 2))
        assert writer.commits - before >= 3


async def test_full_queue_refuses_at_once() -> None:
    async with running(MemoryStorage(), capacity=3) as writer:
        with stopped(writer):
            tasks = [asyncio.create_task(writer.write(creates(f"p{number}"))) for number in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(BusyError):
                await writer.write(creates("late"))
        assert sorted(await asyncio.gather(*tasks)) == [1, 2, 3]


async def test_closing_answers_what_waits_and_refuses_what_comes_later() -> None:
    storage = MemoryStorage()
    writer = GroupWriter(storage)
    writer.start()
    with stopped(writer):
        tasks = [asyncio.create_task(writer.write(creates(f"p{number}"))) for number in range(10)]
        await asyncio.sleep(0)
    await asyncio.to_thread(writer.close)
    assert sorted(await asyncio.gather(*tasks)) == list(range(1, 11))
    with pytest.raises(StoppingError):
        await writer.write(creates("late"))


async def test_command_whose_caller_gave_up_is_left_out() -> None:
    storage = MemoryStorage()
    async with running(storage) as writer:
        with stopped(writer):
            tasks = [asyncio.create_task(writer.write(creates(name))) for name in ("kept", "dropped")]
            await asyncio.sleep(0)
            tasks[1].cancel()
            await asyncio.sleep(0)
        await tasks[0]
    assert names(storage) == ["kept"]


class Unsteady:
    """A storage in memory whose next transactions fail with the given errors: when they begin, or at their commit."""

    def __init__(self, storage: MemoryStorage, errors: list[Exception]) -> None:
        self._storage = storage
        self._errors = errors
        self.at_commit = True

    @contextmanager
    def write(self) -> Iterator[Writer]:
        with self._storage.write() as writer:
            yield writer
            if self._errors and self.at_commit:
                raise self._errors.pop(0)

    def read(self) -> AbstractContextManager[Reader]:
        return self._storage.read()

    def clock(self) -> datetime:
        if self._errors and not self.at_commit:
            raise self._errors.pop(0)
        return self._storage.clock()

    def check(self) -> None:
        self._storage.check()

    def close(self) -> None:
        self._storage.close()


async def outcomes(storage: Unsteady, count: int) -> list[object]:
    """What becomes of commands that share the next transaction."""
    writer = GroupWriter(storage)
    tasks = [asyncio.create_task(writer.write(creates(f"p{number}"))) for number in range(count)]
    await asyncio.sleep(0)
    writer.start()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.to_thread(writer.close)
    return list(found)


async def test_transaction_that_the_database_undid_is_run_again() -> None:
    memory = MemoryStorage()
    storage = Unsteady(memory, [TransientStorageError("a deadlock"), TransientStorageError("another one")])
    assert await outcomes(storage, 3) == [1, 2, 3]
    assert names(memory) == ["p0", "p1", "p2"]


async def test_transaction_that_never_succeeds_fails_after_some_tries() -> None:
    memory = MemoryStorage()
    storage = Unsteady(memory, [TransientStorageError("a deadlock")] * 100)
    assert all(isinstance(each, TransientStorageError) for each in await outcomes(storage, 3))
    assert names(memory) == []


async def test_failed_commit_is_not_run_again() -> None:
    memory = MemoryStorage()
    found = await outcomes(Unsteady(memory, [StorageError("the disk is full")]), 3)
    assert all(isinstance(each, StorageError) for each in found)
    assert names(memory) == []


async def test_unreachable_database_fails_all_commands_at_once() -> None:
    memory = MemoryStorage()
    memory.close()
    storage = Unsteady(memory, [])
    found = await outcomes(storage, 3)
    assert all(isinstance(each, StorageError) for each in found)


async def test_broken_transaction_is_run_command_by_command() -> None:
    memory = MemoryStorage()
    storage = Unsteady(memory, [StorageError("broken"), StorageError("broken again")])
    storage.at_commit = False
    found = await outcomes(storage, 3)
    assert isinstance(found[0], StorageError)
    assert found[1:] == [1, 2]
    assert names(memory) == ["p1", "p2"]
