"""What the processes of one server tell each other, so that nobody waits for a slow poll."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.server.serving import Api, serving
from tests.server.streams import listening
from tests.server.test_sync import claimed, held
from tests.support import wait_until
from whatsnext_core.memory import MemoryStorage
from whatsnext_server.config import ServerSettings
from whatsnext_server.events import feed
from whatsnext_server.http.security import Throttle
from whatsnext_server.process import siblings
from whatsnext_server.process.siblings import Lines, Siblings
from whatsnext_server.sync.waiting import WaitingRoom
from whatsnext_server.upkeep import housekeeping

NEVER = 3600.0


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Api, Api]]:
    """Two servers on one storage that look for what the other one did only when they are told."""
    monkeypatch.setattr(housekeeping, "TICK", NEVER)
    monkeypatch.setattr(feed, "POLL", NEVER)
    settings = ServerSettings(database="memory://", reap_seconds=NEVER, renew_seconds=NEVER, lease_seconds=20 * NEVER)
    storage, lines = MemoryStorage(), Lines.between(2)
    with ExitStack() as stack:
        stack.callback(lines.close)
        first, second = (
            stack.enter_context(serving(storage, settings, Siblings(lines, number))) for number in range(2)
        )
        yield first, second


def test_client_that_one_holds_gets_a_job_that_another_was_sent(pair: tuple[Api, Api]) -> None:
    first, second = pair
    project_id, task_id = first.queue()
    client_id = second.worker()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second.sync, client_id, want=1, wait=30, project_ids=[project_id])
        wait_until(lambda: held(second, client_id))
        job_id = first.job(project_id, task_id)
        assert claimed(waiting.result()) == [(job_id, 1)]


def test_client_that_one_holds_gets_jobs_of_a_batch_that_another_was_sent(pair: tuple[Api, Api]) -> None:
    first, second = pair
    project_id, _ = first.queue()
    client_id = second.worker()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second.sync, client_id, want=2, wait=30, project_ids=[project_id])
        wait_until(lambda: held(second, client_id))
        jobs = [{"name": "j", "task": "train"}] * 2
        ids = first.call("POST", f"/projects/{project_id}/jobs/batch", {"jobs": jobs}, 201)["job_ids"]
        assert claimed(waiting.result()) == [(each, 1) for each in ids]


def test_order_reaches_a_client_that_another_holds(pair: tuple[Api, Api]) -> None:
    first, second = pair
    project_id, task_id = first.queue()
    job_id, client_id = first.job(project_id, task_id), second.worker()
    ((_, fence),) = claimed(second.sync(client_id, 1, want=1, project_ids=[project_id]))
    with ThreadPoolExecutor(1) as pool:
        running = [{"job_id": job_id, "fence": fence}]
        waiting = pool.submit(second.sync, client_id, 2, running=running, wait=30)
        wait_until(lambda: held(second, client_id))
        first.call("POST", f"/jobs/{job_id}/cancel")
        assert [each["kind"] for each in waiting.result()["orders"]] == ["cancel"]


@pytest.mark.anyio
async def test_onlooker_hears_of_a_job_that_another_was_sent() -> None:
    lines = Lines.between(2)
    speaker, listener = Siblings(lines, 0), Siblings(lines, 1)
    room = WaitingRoom(listener)
    speaker.start(room, bool)
    listener.start(room, bool)
    with room.onlooker() as event:
        speaker.jobs(7, 1)
        await event.wait()
    speaker.stop()
    listener.stop()
    lines.close()


def test_events_reach_a_listener_of_another_one(pair: tuple[Api, Api]) -> None:
    first, second = pair
    with listening(second) as stream:
        project_id, task_id = first.queue()
        job_id = first.job(project_id, task_id)
        assert stream.event()["job_id"] == job_id


@pytest.mark.anyio
async def test_nothing_is_sent_to_who_waits_for_nothing() -> None:
    lines = Lines.between(3)
    speaker = Siblings(lines, 0)
    heard = Recorder()
    speaker.start(heard, heard.committed)
    idle, waiting = (Siblings(lines, number) for number in (1, 2))
    waiting.holds(yes=True)
    speaker.jobs(7, 2)
    speaker.jobs(7, 3)
    speaker.jobs(None, 1)
    speaker.orders("c")
    speaker.committed()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(BlockingIOError):
        lines.pairs[1][0].recv(1)
    assert json.loads(lines.pairs[2][0].recv(siblings.LONGEST)) == {"jobs": [[7, 5], [None, 1]], "orders": ["c"]}
    idle.follows(yes=True)
    speaker.committed()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert json.loads(lines.pairs[1][0].recv(siblings.LONGEST)) == {"events": True}
    with pytest.raises(BlockingIOError):
        lines.pairs[2][0].recv(1)
    speaker.stop()
    lines.close()


@pytest.mark.anyio
async def test_what_is_too_much_to_tell_is_told_as_anything() -> None:
    lines = Lines.between(2)
    speaker, listener, heard = Siblings(lines, 0), Siblings(lines, 1), Recorder()
    speaker.start(heard, heard.committed)
    listener.start(heard, heard.committed)
    listener.holds(yes=True)
    for number in range(10_000):
        speaker.orders(f"client-{number}")
    await heard.something.wait()
    assert (heard.orders, heard.jobs) == ([None], [(None, siblings.MANY)])
    speaker.stop()
    listener.stop()
    lines.close()


@pytest.mark.anyio
async def test_sibling_that_hears_nothing_holds_up_nobody() -> None:
    lines = Lines.between(2)
    speaker, deaf, heard = Siblings(lines, 0), Siblings(lines, 1), Recorder()
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, error: errors.append(error))
    speaker.start(heard, heard.committed)
    deaf.holds(yes=True)
    for number in range(5_000):
        speaker.jobs(number, 1)
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert errors == []
    speaker.stop()
    lines.close()


@pytest.mark.anyio
async def test_requests_count_wherever_they_were_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siblings, "COUNT_EVERY", 0.0)
    lines = Lines.between(2)
    both = [Siblings(lines, number) for number in range(2)]
    first, second = (Throttle(10, each) for each in both)
    for each in both:
        each.start(Recorder(), bool)
    count, counted = both[1].counts, asyncio.Event()

    def note(caller: str, number: int) -> None:
        count(caller, number)
        counted.set()

    both[1].counts = note
    assert [first.wait("me") for _ in range(10)] == [0] * 10
    await counted.wait()
    assert second.wait("me") > 0
    assert second.wait("you") == 0
    for each in both:
        each.stop()
    lines.close()


class Recorder:
    """Notes what is heard."""

    def __init__(self) -> None:
        self.jobs: list[tuple[int | None, int]] = []
        self.orders: list[str | None] = []
        self.something = asyncio.Event()

    def hear_jobs(self, project_id: int | None, count: int) -> None:
        """Note it."""
        self.jobs.append((project_id, count))

    def hear_orders(self, client_id: str | None) -> None:
        """Note it."""
        self.orders.append(client_id)
        self.something.set()

    def committed(self) -> None:
        """Note it."""
        self.something.set()
