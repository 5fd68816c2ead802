"""Brief commands that are run in the event loop, where nobody else is there and the database is near."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from datetime import datetime

import pytest

from tests.server.serving import Api, serving
from whatsnext_core.errors import DuplicateError, StorageError, TransientStorageError
from whatsnext_core.memory import MemoryStorage
from whatsnext_core.storage import Page, Reader, Writer
from whatsnext_server.http.errors import StoppingError
from whatsnext_server.writer import CROWD, SWIFT, GroupWriter, Ticket

pytestmark = pytest.mark.anyio


class Near:
    """A storage in memory that can write at once, and notes in which threads it wrote."""

    def __init__(self) -> None:
        self.memory = MemoryStorage()
        self.threads: list[str] = []
        self.refuses = False
        """Whether somebody else writes."""
        self.commit_error: Exception | None = None
        """What the next commit fails with."""
        self.slow = 0.0
        """Seconds that a commit takes."""

    @contextmanager
    def write(self) -> Iterator[Writer]:
        with self.memory.write() as writer:
            yield writer
            self.threads.append(threading.current_thread().name)
            time.sleep(self.slow)
            if self.commit_error is not None:
                error, self.commit_error = self.commit_error, None
                raise error

    def write_at_once(self) -> AbstractContextManager[Writer]:
        if self.refuses:
            raise TransientStorageError("Somebody else writes.")
        return self.write()

    def read(self) -> AbstractContextManager[Reader]:
        return self.memory.read()

    def clock(self) -> datetime:
        return self.memory.clock()

    def check(self) -> None:
        self.memory.check()

    def close(self) -> None:
        self.memory.close()

    def names(self) -> list[str]:
        with self.read() as reader:
            return [project.name for project in reader.projects(Page(limit=10_000))]


@asynccontextmanager
async def running(storage: Near) -> AsyncIterator[GroupWriter]:
    writer = GroupWriter(storage)
    writer.start()
    try:
        yield writer
    finally:
        await asyncio.to_thread(writer.close)


def creates(name: str) -> Callable[[Writer, datetime], int]:
    return lambda writer, now: writer.create_project(name, "", now).id


async def test_lone_brief_command_is_run_in_the_event_loop() -> None:
    storage = Near()
    async with running(storage) as writer:
        assert [await writer.write(creates(name), brief=True) for name in "ab"] == [1, 2]
        assert storage.threads == [threading.current_thread().name] * 2
        assert await writer.write(creates("c")) == 3
        assert storage.threads[2] != threading.current_thread().name, "it did not say that it is brief"
        assert writer.commits == writer.commands == 3


async def test_brief_commands_that_come_at_the_same_moment_share_a_transaction() -> None:
    storage = Near()
    async with running(storage) as writer:
        tasks = [asyncio.create_task(writer.write(creates(f"p{number}"), brief=True)) for number in range(20)]
        assert await asyncio.gather(*tasks) == list(range(1, 21))
        assert writer.commits < 20
        assert threading.current_thread().name not in storage.threads
        assert await writer.write(creates("soon"), brief=True) == 21
        assert threading.current_thread().name not in storage.threads, "others were there a moment ago"
        await asyncio.sleep(2 * CROWD)
        assert await writer.write(creates("later"), brief=True) == 22
        assert storage.threads[-1] == threading.current_thread().name


async def test_nothing_is_run_before_what_came_earlier() -> None:
    storage = Near()
    async with running(storage) as writer:
        earlier = writer.submit(creates("a"))
        later = asyncio.create_task(writer.write(creates("b"), brief=True))
        assert (await asyncio.wrap_future(earlier), await later) == (1, 2)


async def test_what_would_have_to_wait_for_another_process_is_left_to_the_thread() -> None:
    storage = Near()
    storage.refuses = True
    async with running(storage) as writer:
        assert await writer.write(creates("a"), brief=True) == 1
        assert storage.threads != [threading.current_thread().name]


async def test_slow_disk_holds_up_the_event_loop_once() -> None:
    storage = Near()
    storage.slow = 2 * SWIFT
    async with running(storage) as writer:
        for name in "abc":
            await writer.write(creates(name), brief=True)
        assert [thread == threading.current_thread().name for thread in storage.threads] == [True, False, False]
        storage.slow = 0.0
        for name in "de":
            await writer.write(creates(name), brief=True)
        assert storage.threads[-1] == threading.current_thread().name


async def test_command_that_fails_leaves_nothing() -> None:
    storage = Near()

    def breaks(writer: Writer, now: datetime) -> None:
        writer.create_project("half", "", now)
        raise RuntimeError("a defect")

    async with running(storage) as writer:
        await writer.write(creates("a"), brief=True)
        with pytest.raises(DuplicateError):
            await writer.write(creates("a"), brief=True)
        with pytest.raises(RuntimeError, match="a defect"):
            await writer.write(breaks, brief=True)
    assert storage.names() == ["a"]


async def test_one_of_two_commands_that_fails_does_not_hurt_the_other() -> None:
    storage = Near()
    loop = asyncio.get_running_loop()
    async with running(storage) as writer:
        await writer.write(creates("a"), brief=True)
        first, second = loop.create_future(), loop.create_future()
        at_once = await writer.is_quiet()
        assert at_once
        writer.accept(Ticket(creates("a"), first, loop), Ticket(creates("b"), second, loop), at_once=at_once)
        with pytest.raises(DuplicateError):
            await first
        await second
    assert storage.names() == ["a", "b"]


async def test_failed_commit_is_told_and_not_run_again() -> None:
    storage = Near()
    storage.commit_error = StorageError("the disk is full")
    async with running(storage) as writer:
        with pytest.raises(StorageError, match="the disk is full"):
            await writer.write(creates("a"), brief=True)
        assert len(storage.threads) == 1
        assert await writer.write(creates("b"), brief=True) == 1


async def test_command_after_the_end_is_refused() -> None:
    storage = Near()
    async with running(storage) as writer:
        pass
    with pytest.raises(StoppingError):
        await writer.write(creates("a"), brief=True)
    assert storage.threads == []


@pytest.fixture
def near_api() -> Iterator[tuple[Near, Api]]:
    """A server on a storage that can write at once."""
    storage = Near()
    with serving(storage) as api:
        yield storage, api


def test_small_requests_of_a_lone_caller_mostly_wake_no_thread(near_api: tuple[Near, Api]) -> None:
    storage, api = near_api
    project_id, task_id = api.queue()
    worker = api.worker()
    time.sleep(2 * CROWD)
    storage.threads.clear()
    for number in range(0, 20, 2):
        job_id = api.job(project_id, task_id)
        (taken,) = api.sync(worker, number, want=1)["assignments"]
        end = {"job_id": job_id, "fence": taken["fence"], "succeeded": True}
        assert api.sync(worker, number + 1, ended=[end])["outcomes"][0]["accepted"]
        job_id = api.job(project_id, task_id)
        assert api.call("GET", f"/projects/{project_id}/fetch_job")["job"]["id"] == job_id
        assert api.call("PUT", f"/jobs/{job_id}", {"status": "COMPLETED"})["data"]["status"] == "COMPLETED"
    assert storage.threads.count("whatsnext-writer") < 30, "of 60, and only where housekeeping came between"
