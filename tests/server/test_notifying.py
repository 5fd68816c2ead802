"""Notifiers get every event after its commit, in order, at least once; and none holds up anything else."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.components import PostgreSQLServer
from tests.server.serving import Program, serving
from tests.server.storages import opened, upgraded
from tests.support import wait_until
from whatsnext_core.errors import PluginError
from whatsnext_core.memory import MemoryStorage
from whatsnext_core.model import Event, JobSpec, TaskSpec
from whatsnext_core.notifying import Notifier
from whatsnext_core.storage import Storage
from whatsnext_core.testing.storage import Story
from whatsnext_server.app import create_app
from whatsnext_server.config import ServerSettings
from whatsnext_server.events import notifying
from whatsnext_server.events.delivery import Pace
from whatsnext_server.events.notifying import holder_of
from whatsnext_server.process.opening import opened_storage
from whatsnext_server.services import Services
from whatsnext_server.upkeep.pruning import SLACK, forget_before

pytestmark = pytest.mark.anyio
QUICK = Pace(lease=0.9, first=0.01, longest=0.02)


class Toy:
    """A notifier that remembers what it was called with, and fails when it is told to."""

    def __init__(self, batch: int = 200) -> None:
        self.batch = batch
        self.calls: list[list[int]] = []
        self.taken: list[int] = []
        self.threads: set[int] = set()
        self.fails = False
        self.closed = False

    def notify(self, events: Sequence[Event]) -> None:
        self.threads.add(threading.get_ident())
        numbers = [event.id for event in events]
        self.calls.append(numbers)
        if self.fails:
            raise ConnectionError("the far end is away")
        self.taken += numbers

    def close(self) -> None:
        self.closed = True


@asynccontextmanager
async def server(
    storage: Storage, pace: Pace = QUICK, url: str = "memory://", **notifiers: Notifier
) -> AsyncIterator[Services]:
    """What one server process runs on, with these notifiers."""
    services = Services(ServerSettings(database=url), storage, notifiers, pace)
    services.start()
    try:
        yield services
    finally:
        await services.stop()


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition, while the event loop goes on."""
    await asyncio.to_thread(wait_until, condition)


async def submit(services: Services, count: int = 1) -> None:
    """Submit jobs, in a project of their own, one in each transaction."""
    project = await services.write(lambda writer, now: writer.create_project(f"p {now.isoformat()}", "", now))
    task = await services.write(lambda writer, now: writer.create_task(project.id, TaskSpec(name="t"), now))
    spec = JobSpec(name="j", task_id=task.id)
    for _ in range(count):
        await services.write(lambda writer, now: writer.submit(project.id, [spec], now))


def numbers(storage: Storage, after: int = 0) -> list[int]:
    """The numbers of the events that there are."""
    with storage.read() as reader:
        return [event.id for event in reader.events(after, 10_000)]


@pytest.fixture(params=["memory", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    with opened(request.param, tmp_path) as found:
        yield found


async def test_events_are_delivered_in_order_from_now_on(storage: Storage) -> None:
    Story(storage).job(Story(storage).task())
    before = numbers(storage)
    small, large = Toy(batch=3), Toy()
    async with server(storage, small=small, large=large) as services:
        await until(lambda: len(cursors(storage)) == 2)
        await submit(services, 20)
        await until(lambda: len(small.taken) == len(large.taken) == 20)
        assert small.taken == large.taken == numbers(storage, before[-1])
        assert max(map(len, small.calls)) <= 3
        assert len(small.threads) == len(large.threads) == 1
        assert small.threads != large.threads
        await until(lambda: [place for place, _, _ in cursors(storage).values()] == [small.taken[-1]] * 2)
    assert (small.closed, large.closed) == (True, True)


def cursors(storage: Storage) -> dict[str, tuple[int, str | None, int]]:
    """Place, holder and failures of each cursor."""
    with storage.read() as reader:
        return {each.name: (each.place, each.holder, each.failures) for each in reader.cursors()}


async def test_failing_notifier_is_tried_again_and_holds_up_no_other(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = Toy(), Toy()
    bad.fails = True
    async with server(storage, bad=bad, good=good) as services:
        await until(lambda: len(cursors(storage)) == 2)
        await submit(services)
        await until(lambda: len(bad.calls) > 3 and len(good.taken) == 1)
        await submit(services)
        await until(lambda: len(good.taken) == 2 and cursors(storage)["bad"][2] > 3)
        assert bad.taken == []
        assert all(call == bad.calls[0] for call in bad.calls)
        with storage.read() as reader:
            state = next(each for each in reader.cursors() if each.name == "bad")
        assert state.error == "ConnectionError: the far end is away"
        bad.fails = False
        await until(lambda: bad.taken == good.taken)
        await until(lambda: cursors(storage)["bad"][2] == 0)
    assert "'bad' failed 1 times in a row and is up to" in caplog.text


async def test_restarted_server_goes_on_where_the_notifier_was(storage: Storage) -> None:
    first, second = Toy(), Toy()
    first.fails = True
    async with server(storage, toy=first) as services:
        await until(lambda: cursors(storage))
        await submit(services, 3)
        await until(lambda: first.calls)
    assert cursors(storage)["toy"][1] is None
    async with server(storage) as services:
        await submit(services, 2)
    async with server(storage, toy=second):
        await until(lambda: len(second.taken) == 5)
    assert second.taken == numbers(storage)


async def test_embedded_database_is_taken_over_at_once_after_a_crash(storage: Storage) -> None:
    holder = holder_of(ServerSettings(database="memory://"))
    assert holder == holder_of(ServerSettings(database="sqlite:///q.db"))
    assert holder_of(ServerSettings(database="postgresql://x/y")) != holder_of(
        ServerSettings(database="postgresql://x/y")
    )
    with storage.write() as writer:
        writer.take_cursor("toy", holder, timedelta(hours=1), storage.clock())
    toy = Toy()
    async with server(storage, toy=toy) as services:
        await submit(services)
        await until(lambda: toy.taken)


@pytest.mark.postgresql
async def test_one_of_several_servers_delivers_and_another_takes_over(postgresql: PostgreSQLServer) -> None:
    with postgresql.database() as url:
        settings = ServerSettings(database=upgraded(url))
        with opened_storage(settings) as one, opened_storage(settings) as two:
            with one.write() as writer:
                writer.take_cursor("toy", "a server that died", timedelta(seconds=0.5), one.clock())
            first, second = Toy(), Toy()
            async with AsyncExitStack() as stack:
                other = await stack.enter_async_context(server(two, url=url))
                leading = AsyncExitStack()
                await leading.enter_async_context(server(one, url=url, toy=first))
                await submit(other)
                await until(lambda: first.taken)
                following = await stack.enter_async_context(server(two, url=url, toy=second))
                await submit(other, 10)
                await submit(following, 10)
                await until(lambda: len(first.taken) == 21)
                assert second.calls == []
                await leading.aclose()
                await submit(other, 5)
                await until(lambda: len(second.taken) == 5)
                assert first.taken + second.taken == numbers(two)


async def test_server_that_lost_its_cursor_calls_no_more(caplog: pytest.LogCaptureFixture) -> None:
    storage, toy = MemoryStorage(), Toy()
    async with server(storage, Pace(lease=0.03, first=0.01), toy=toy) as services:
        await submit(services)
        await until(lambda: cursors(storage))

        def steal(writer: Any, now: datetime) -> Any:
            return writer.take_cursor("toy", "another", timedelta(hours=1), now + timedelta(hours=1))

        await services.write(steal)
        await until(lambda: "is left to another server" in caplog.text)
        called = len(toy.calls)
        await submit(services)
        await asyncio.sleep(0.05)
        assert len(toy.calls) <= called + 1
        assert cursors(storage)["toy"][1] == "another"


async def test_hanging_notifier_neither_keeps_its_lease_nor_holds_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifying, "STOP", 0.05)
    released = threading.Event()

    class Hanging(Toy):
        def notify(self, events: Sequence[Event]) -> None:
            super().notify(events)
            released.wait(60)

    toy, other = Hanging(), Toy()
    storage = MemoryStorage()
    async with server(storage, Pace(lease=0.06, hanging=0.01), toy=toy, other=other) as services:
        await until(lambda: len(cursors(storage)) == 2)
        await submit(services)
        await until(lambda: toy.calls and other.taken)
        (name,) = [each.name for each in await lapsed(storage)]
        assert name == "toy"
    assert (toy.closed, other.closed) == (False, True)
    released.set()


async def lapsed(storage: Storage) -> list[Any]:
    """The cursors whose lease has lapsed, once there are some."""
    found: list[Any] = []

    def look() -> bool:
        with storage.read() as reader:
            now = datetime.now(UTC)
            found[:] = [each for each in reader.cursors() if each.expires_at is not None and each.expires_at < now]
        return bool(found)

    await until(look)
    return found


def test_missing_notifier_is_fatal_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="notifier 'pigeon' not found"):
        create_app(ServerSettings(database="memory://", notifiers=("pigeon",)))
    with pytest.raises(AssertionError, match="Error: Plugin for the notifier 'pigeon' not found"):
        Program(tmp_path, "memory://", "--notifiers", "pigeon")


def test_state_of_notifiers_can_be_asked_for() -> None:
    storage = MemoryStorage()
    story = Story(storage)
    cursor = story.take_cursor("toy", "one")
    with serving(storage) as api:
        api.job(*api.queue())
        (state,) = api.call("GET", "/notifiers")
    assert (state["name"], state["place"], state["behind"], state["holder"]) == ("toy", cursor.place, 1, "one")
    assert (state["failures"], state["error"]) == (0, "")


# -- retention ---------------------------------------------------------------------------------------------------------


def test_events_that_a_notifier_has_yet_to_get_are_kept_for_a_while() -> None:
    storage = MemoryStorage()
    story = Story(storage)
    settings = ServerSettings(database="memory://", retention_days=1, notifier_patience_days=7)
    day = timedelta(days=1)

    def forgets(now: datetime) -> datetime:
        return story.read(lambda reader: forget_before(reader, now, settings))

    assert forgets(story.now) == story.now - day
    cursor = story.take_cursor("toy", "one")
    task = story.task()
    written = story.now
    story.job(task)
    assert forgets(story.now) == story.now - day
    story.tick(3 * 86_400)
    story.take_cursor("toy", "one")
    assert forgets(story.now) == written - SLACK
    story.tick(10 * 86_400)
    assert forgets(story.now) == story.now - day, "its server was not heard of for longer than the patience"
    story.take_cursor("toy", "one")
    assert forgets(story.now) == story.now - 8 * day, "the patience has an end"
    story.move_cursor("toy", "one", cursor.place + 1)
    assert forgets(story.now) == story.now - day
