"""Work in many steps is quick while nobody else writes, and gives way as soon as somebody does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from whatsnext_core.memory import MemoryStorage
from whatsnext_core.model import Condition, JobSpec, JobStatus, TaskSpec
from whatsnext_core.storage import Writer
from whatsnext_server.config import ServerSettings
from whatsnext_server.sync.waiting import WaitingRoom
from whatsnext_server.upkeep import housekeeping
from whatsnext_server.upkeep.housekeeping import Housekeeper
from whatsnext_server.upkeep.stride import ALONE, LONGEST, SHARED, Stride
from whatsnext_server.writer import GroupWriter

pytestmark = pytest.mark.anyio

JOBS = 4_000


class TellingRoom(WaitingRoom):
    """Says when all clients have been told twice to look for orders."""

    def __init__(self) -> None:
        super().__init__()
        self.told_once, self.told_twice = asyncio.Event(), asyncio.Event()

    def orders(self, client_id: str | None = None) -> None:
        (self.told_twice if self.told_once.is_set() else self.told_once).set()
        super().orders(client_id)


@pytest.fixture
async def writer() -> AsyncIterator[GroupWriter]:
    writer = GroupWriter(MemoryStorage())
    writer.start()
    yield writer
    await asyncio.to_thread(writer.close)


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which a stride sees how long others take."""
    found = Clock()
    monkeypatch.setattr("whatsnext_server.upkeep.stride.monotonic", found)
    return found


def stride(writer: GroupWriter) -> Stride:
    return Stride(writer, first=64, fewest=16, most=256)


async def waits(writer: GroupWriter, stride: Stride, took: float, *, others: int = 0, more: bool = True) -> bool:
    """Write as a step does, and as often as others do meanwhile; tell whether there is a pause before the next step."""
    for _ in range(1 + others):
        await writer.write(lambda _, __: None)
    rest = stride.rest(took, more=more)
    try:
        rest.send(None)
    except StopIteration:
        return False
    rest.close()
    return True


async def test_steps_follow_each_other_at_once_while_nobody_else_writes(writer: GroupWriter) -> None:
    alone = stride(writer)
    found = []
    for took in (ALONE / 10, ALONE / 10, ALONE / 10, ALONE * 0.9, ALONE * 2):
        assert not await waits(writer, alone, took)
        found.append(alone.limit)
    assert found == [128, 256, 256, 256, 128]


@pytest.mark.usefixtures("clock")
async def test_steps_are_smaller_and_leave_room_while_others_write(writer: GroupWriter) -> None:
    shared = stride(writer)
    found = []
    for took in (ALONE * 0.9, SHARED * 0.9, SHARED * 2, SHARED * 2, SHARED / 10):
        assert await waits(writer, shared, took, others=1)
        found.append(shared.limit)
    assert found == [32, 32, 16, 16, 32]
    assert not await waits(writer, shared, ALONE / 10)


async def test_step_may_take_as_long_as_others_do(writer: GroupWriter, clock: Clock) -> None:
    shared = stride(writer)
    found = []
    for took, others in ((SHARED * 2, SHARED * 3), (SHARED * 2, SHARED), (LONGEST * 0.9, 1.0), (LONGEST * 1.1, 1.0)):
        clock.now += took + others
        await waits(writer, shared, took, others=1)
        found.append(shared.limit)
    assert found == [64, 32, 32, 16]


async def test_last_step_is_followed_by_no_pause_and_no_larger_step(writer: GroupWriter) -> None:
    last = stride(writer)
    assert not await waits(writer, last, SHARED / 10, others=3, more=False)
    assert last.limit == 64


async def test_step_hears_how_much_it_may_do_and_is_the_last_if_it_does_less(writer: GroupWriter) -> None:
    alone = stride(writer)
    assert await alone.step(lambda _, __, limit: limit) == (64, True)
    assert await alone.step(lambda _, __, limit: limit - 1) == (127, False)
    assert alone.limit == 128


async def test_clients_are_not_told_after_each_step_of_many(
    writer: GroupWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "TELL_EVERY", 3600.0)
    project = await writer.write(fall)
    room = TellingRoom()
    housekeeper = Housekeeper(ServerSettings(), writer, room)
    before = writer.commits
    housekeeper.start()
    try:
        async with asyncio.timeout(60):
            await room.told_twice.wait()
    finally:
        await housekeeper.stop()
    assert writer.commits - before > 4
    assert (await writer.write(lambda writer, _: writer.counts(project)))[JobStatus.BLOCKED] == JOBS - 1


def fall(writer: Writer, now: datetime) -> int:
    """Cancel the root of a graph that is too large for one transaction, and return its project."""
    project = writer.create_project("p", "", now).id
    task = writer.create_task(project, TaskSpec(name="t"), now).id
    numbers = writer.reserve_job_ids(JOBS)
    parents: list[dict[int, Condition]] = [{numbers[place // 2]: Condition.SUCCESS} for place in range(JOBS - 1)]
    specs = zip(numbers, [{}, *parents], strict=True)
    writer.submit(project, [JobSpec(id=one, name="j", task_id=task, depends=above) for one, above in specs], now)
    writer.cancel(numbers[:1], now)
    return project
