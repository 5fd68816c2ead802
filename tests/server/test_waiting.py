import asyncio
from datetime import datetime

import pytest

from whatsnext_core.memory import MemoryStorage
from whatsnext_core.model import Allocation, Assignment, Job, JobStatus, Requirement, Task
from whatsnext_core.storage import Writer
from whatsnext_core.sync import Order, OrderKind, SyncResponse
from whatsnext_server.config import ServerSettings
from whatsnext_server.services import Services
from whatsnext_server.sync.given import GivenOrders
from whatsnext_server.sync.waiting import PROBES, Seat, WaitingRoom, Wake

pytestmark = pytest.mark.anyio


def seats(room: WaitingRoom, count: int, *projects: int) -> list[Seat]:
    found = [Seat(f"c{number}", f"s{number}", projects or None, wants=True) for number in range(count)]
    for seat in found:
        room.enter(seat)
    return found


async def woken(*found: Seat) -> list[Seat]:
    """Those of the seats that were woken."""
    results = await asyncio.gather(*(seat.wait(0.001) for seat in found))
    return [seat for seat, why in zip(found, results, strict=True) if why is not Wake.END]


async def test_as_many_are_woken_as_there_are_jobs() -> None:
    room = WaitingRoom()
    found = seats(room, 6)
    room.jobs(1, 2)
    assert await woken(*found) == found[:2]
    for seat in found[:2]:
        room.found(seat, 1)
    assert await woken(*found) == []


async def test_one_that_finds_nothing_passes_the_news_on() -> None:
    room = WaitingRoom()
    found = seats(room, 3)
    room.jobs(1, 1)
    for expected in found:
        assert await woken(*found) == [expected]
        room.found(expected, 0)
    assert await woken(*found) == []


async def test_one_that_leaves_passes_the_news_on() -> None:
    room = WaitingRoom()
    first, second = seats(room, 2)
    room.jobs(1, 1)
    room.leave(first)
    assert await woken(second) == [second]


async def test_few_look_at_the_same_time_and_in_the_end_all_did() -> None:
    room = WaitingRoom()
    found = seats(room, 3 * PROBES)
    room.jobs(None)
    looked: list[Seat] = []
    while now := await woken(*found):
        assert len(now) <= PROBES
        looked += now
        for seat in now:
            room.found(seat, 0)
    assert looked == found


def assignment(now: datetime) -> Assignment:
    task = Task(id=1, project_id=1, name="t", created_at=now, updated_at=now, requirement=Requirement())
    job = Job(
        id=1, name="j", project_id=1, task_id=1, task_name="t", parameters={}, priority=0, status=JobStatus.QUEUED,
        depends={}, created_at=now, updated_at=now,
    )  # fmt: skip
    return Assignment(job=job, task=task, fence=1, allocation=Allocation(cpu=1))


@pytest.mark.parametrize("taken", [0, 1])
async def test_submission_is_news_for_others_unless_the_first_idle_client_took_the_job(taken: int) -> None:
    services = Services(ServerSettings(), MemoryStorage())
    looks: list[str] = []

    def look(_: Writer, now: datetime) -> SyncResponse:
        looks.append("first")
        found = (assignment(now),) * taken
        return SyncResponse(now=now, lease=90, interval=20, num_pending=0, assignments=found)

    first, second = Seat("c1", "s1", wants=True, look=look), Seat("c2", "s2", wants=True)
    for seat in (first, second):
        services.room.enter(seat)
    waiting = [asyncio.create_task(seat.wait(20)) for seat in (first, second)]
    await asyncio.sleep(0)
    services.writer.start()
    try:
        assert await services.submit(1, lambda *_: "submitted") == "submitted"
    finally:
        await asyncio.to_thread(services.writer.close)
    await asyncio.sleep(0)
    assert looks == ["first"]
    assert await waiting[0] is Wake.LOOK
    assert (second.probing == 1) is not bool(taken), "who has no use for a job passes it on, and nobody else does"
    services.room.found(second, 0)
    assert first.probing == "", "it has looked already"
    second.wake(Wake.END)
    await waiting[1]


async def test_news_concerns_the_project_only() -> None:
    room = WaitingRoom()
    (one,), (other,) = seats(room, 1, 1), seats(room, 1, 2)
    room.jobs(2, 5)
    assert await woken(one, other) == [other]


async def test_one_that_wants_nothing_is_not_woken_for_jobs() -> None:
    room = WaitingRoom()
    seat = Seat("c", "s", None, wants=False, holds=True)
    room.enter(seat)
    room.jobs(None)
    assert await woken(seat) == []
    room.orders("other")
    assert await woken(seat) == []
    room.orders("c")
    assert await woken(seat) == [seat]
    room.orders()
    assert await woken(seat) == [seat]


async def test_news_during_a_look_leads_to_another_one() -> None:
    room = WaitingRoom()
    (seat,) = seats(room, 1)
    room.jobs(1, 1)
    assert await woken(seat) == [seat]
    room.jobs(1, 1)
    room.found(seat, 0)
    assert await woken(seat) == [seat]
    room.found(seat, 0)
    assert await woken(seat) == []


async def test_later_request_of_a_session_ends_the_earlier_one() -> None:
    room = WaitingRoom()
    earlier, later = Seat("c", "s"), Seat("c", "s")
    room.enter(earlier)
    room.enter(later)
    assert await earlier.wait(60) is Wake.END
    room.leave(earlier)
    assert len(room) == 1
    room.close()
    assert await later.wait(60) is Wake.END


async def test_nobody_is_held_once_the_room_is_closed() -> None:
    room = WaitingRoom()
    room.close()
    seat = Seat("c", "s")
    room.enter(seat)
    assert await seat.wait(60) is Wake.END


async def test_tick_lets_everybody_look_in_turn() -> None:
    room = WaitingRoom()
    found = seats(room, 100)
    looked: set[Seat] = set()
    for _ in range(2):
        room.tick()
        looked |= set(await woken(*found))
    assert looked == set(found)


async def test_standing_order_is_news_until_a_later_request() -> None:
    given = GivenOrders()
    cancel = Order(kind=OrderKind.CANCEL, job_id=1, fence=1)
    assert given.has_news(("c", "s"), 1, [cancel])
    given.note(("c", "s"), 1, [cancel])
    assert given.has_news(("c", "s"), 1, [cancel])
    assert not given.has_news(("c", "s"), 2, [cancel])
    assert given.has_news(("c", "s"), 2, [cancel, Order(kind=OrderKind.DRAIN)])
    given.note(("c", "s"), 2, [])
    assert given.has_news(("c", "s"), 3, [cancel])
