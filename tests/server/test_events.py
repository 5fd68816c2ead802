"""Events as a list and as a stream: numbered, filtered, resumable, and there at once."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.components import PostgreSQLServer
from tests.server.serving import Api, Program, program, serving
from tests.server.storages import upgraded
from tests.server.streams import listening
from tests.support import wait_until
from whatsnext_core.memory import MemoryStorage
from whatsnext_core.model import EventKind
from whatsnext_core.storage import EventFilter
from whatsnext_server.config import ServerSettings
from whatsnext_server.events import listening as listening_module
from whatsnext_server.events.feed import Feed
from whatsnext_server.events.listening import Audience, Listener
from whatsnext_server.events.stream import EventStream
from whatsnext_server.process.opening import opened_storage

KINDS = ["submitted", "cancelled"]


def listed(api: Api, **query: Any) -> list[dict[str, Any]]:
    """The events that a list gives."""
    found: list[dict[str, Any]] = api.call("GET", "/events", params=query, headers={"Accept": "application/json"})
    return found


def kinds(events: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(event["job_id"], event["kind"]) for event in events]


# -- lists -------------------------------------------------------------------------------------------------------------


def test_list_is_filtered_and_read_in_parts(api: Api) -> None:
    project_id, task_id = api.queue()
    first, second = api.job(project_id, task_id), api.job(project_id, task_id)
    other = api.job(*api.queue())
    for job in (first, second, other):
        api.call("POST", f"/jobs/{job}/cancel")
    assert kinds(listed(api, project_id=project_id)) == [
        (first, "submitted"),
        (second, "submitted"),
        (first, "cancelled"),
        (second, "cancelled"),
    ]
    assert kinds(listed(api, job_id=f"{first},{other}", kind="CANCELLED")) == [
        (first, "cancelled"),
        (other, "cancelled"),
    ]
    assert kinds(listed(api, job_id=[first, second], project_id=project_id, limit=1)) == [(first, "submitted")]
    assert listed(api, project_id=project_id, kind="lost,retried") == []
    event = listed(api, job_id=second, kind="submitted")[0]
    assert event["data"] == {"to": "PENDING"}
    assert datetime.fromisoformat(event["at"]).tzinfo is not None


def test_list_tells_where_to_go_on_and_whether_it_is_complete(api: Api) -> None:
    project_id, task_id = api.queue()
    jobs = [api.job(project_id, task_id) for _ in range(5)]
    place, seen, rounds = 0, [], 0
    while True:
        query: dict[str, Any] = {"project_id": project_id, "kind": "submitted", "after": place, "limit": 2}
        response = api.http.get("/events/", params=query, headers={"Accept": "application/json"})
        seen += [event["job_id"] for event in response.json()]
        place, rounds = int(response.headers["x-events-after"]), rounds + 1
        if response.headers["x-events-complete"] == "true":
            break
    assert seen == jobs
    assert rounds == 3
    assert listed(api, after=place) == []


def test_list_begins_at_a_time(api: Api) -> None:
    project_id, task_id = api.queue()
    old = api.job(project_id, task_id)
    (event,) = listed(api, job_id=old)
    moment = datetime.fromisoformat(event["at"])
    wait_until(lambda: datetime.now(UTC) > moment)
    between = datetime.now(UTC).isoformat()
    new = api.job(project_id, task_id)
    assert kinds(listed(api, project_id=project_id, since=between)) == [(new, "submitted")]
    assert kinds(listed(api, project_id=project_id, since=event["at"]))[0] == (old, "submitted")
    assert kinds(listed(api, project_id=project_id, since=between.replace("+00:00", ""))) == [(new, "submitted")]


@pytest.mark.parametrize(
    ("query", "status", "word"),
    [
        ({"kind": "exploded"}, 400, "exploded"),
        ({"job_id": "seven"}, 400, "seven"),
        ({"job_id": "0"}, 400, "'0'"),
        ({"job_id": ",".join(map(str, range(1, 1_002)))}, 400, "1001 jobs"),
        ({"after": -1}, 422, "after"),
        ({"after": "x"}, 422, "after"),
        ({"since": "yesterday"}, 422, "since"),
        ({"limit": 100_000}, 422, "limit"),
        ({"project_id": 0}, 422, "project_id"),
    ],
)
def test_bad_question_is_refused_by_name(memory_api: Api, query: dict[str, Any], status: int, word: str) -> None:
    for accepted in ("application/json", "text/event-stream"):
        response = memory_api.http.get("/events", params=query, headers={"Accept": accepted})
        assert response.status_code == status
        assert word in response.text
    bad = memory_api.http.get("/events", headers={"Last-Event-ID": "x7"})
    assert (bad.status_code, "x7" in bad.text) == (422, True)


# -- streams -----------------------------------------------------------------------------------------------------------


def test_stream_begins_now_and_brings_what_happens(api: Api) -> None:
    project_id, task_id = api.queue()
    before = api.job(project_id, task_id)
    with listening(api, project_id=project_id) as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert int(stream.last_id) >= listed(api, job_id=before)[-1]["id"]
        begun = time.monotonic()
        job = api.job(project_id, task_id)
        event = stream.event()
        assert time.monotonic() - begun < 30
        assert (event["job_id"], event["kind"], event["data"]) == (job, "submitted", {"to": "PENDING"})
        api.call("POST", f"/jobs/{job}/cancel")
        assert stream.event()["kind"] == "cancelled"
        assert listed(api, job_id=job) == listed(api, job_id=job, after=0)


def test_stream_is_resumed_behind_the_last_id(api: Api) -> None:
    project_id, task_id = api.queue()
    jobs = [api.job(project_id, task_id) for _ in range(4)]
    numbers = [event["id"] for event in listed(api, project_id=project_id)]
    with listening(api, project_id=project_id, after=0) as stream:
        assert [event["id"] for event in stream.events(4)] == numbers
        live = api.job(project_id, task_id)
        assert stream.event()["job_id"] == live
    with listening(api, {"Last-Event-ID": str(numbers[1])}, project_id=project_id, after=0) as stream:
        assert [event["job_id"] for event in stream.events(3)] == [*jobs[2:], live]
    moment = listed(api, job_id=jobs[3])[0]["at"]
    with listening(api, project_id=project_id, since=moment) as stream:
        assert stream.event()["job_id"] in jobs


def test_stream_has_only_what_was_asked_for(api: Api) -> None:
    project_id, task_id = api.queue()
    followed, other = api.job(project_id, task_id), api.job(project_id, task_id)
    with (
        listening(api, job_id=followed) as of_job,
        listening(api, project_id=project_id, kind="cancelled") as of_kind,
        listening(api, job_id=[followed, other], kind="retried", after=0) as of_both,
    ):
        for job in (other, followed):
            api.call("POST", f"/jobs/{job}/cancel")
            api.call("POST", f"/jobs/{job}/retry")
        assert kinds(of_job.events(2)) == [(followed, "cancelled"), (followed, "retried")]
        assert kinds(of_kind.events(2)) == [(other, "cancelled"), (followed, "cancelled")]
        assert kinds(of_both.events(2)) == [(other, "retried"), (followed, "retried")]


def test_listener_is_told_how_far_it_came_while_nothing_concerns_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whatsnext_server.events.feed.KEEP_ALIVE", 0.05)
    with listening(api, project_id=api.project()) as stream:
        job = api.job(*api.queue())
        newest = listed(api, job_id=job)[-1]["id"]
        wait_until(lambda: stream.block() and int(stream.last_id) >= newest)


def test_many_listeners_hear_of_one_event_and_leave_nothing_behind(memory_api: Api) -> None:
    project_id, task_id = memory_api.queue()
    feed: Feed = memory_api.app.state.services.feed  # type: ignore[union-attr]  # it is here
    wait_until(lambda: feed.followers == 0)
    sockets = [open_stream(memory_api, f"/events?project_id={project_id}") for _ in range(50)]
    wait_until(lambda: feed.followers == 50)
    memory_api.job(project_id, task_id)
    for each in sockets:
        read_until(each, b"event: submitted")
    for each in sockets:
        each.close()
    wait_until(lambda: feed.followers == 0)


def open_stream(api: Api, path: str) -> socket.socket:
    """A connection on which a stream was asked for, and its first bytes have come."""
    host, _, port = api.url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    read_until(connection, b"retry:")
    return connection


def read_until(connection: socket.socket, words: bytes) -> None:
    found = b""
    while words not in found:
        part = connection.recv(65_536)
        assert part, found
        found += part


def test_listener_that_lags_reads_on_from_the_database(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening_module, "QUEUE", 10)
    project_id, task_id = api.queue()
    with listening(api, project_id=project_id) as stream:
        jobs = [{"name": f"{number}", "task_id": task_id, "parameters": {}} for number in range(1_500)]
        made = api.call("POST", f"/projects/{project_id}/jobs/batch", {"jobs": jobs}, 201)["job_ids"]
        found = stream.events(1_500)
        assert sorted(event["job_id"] for event in found) == made
        numbers = [event["id"] for event in found]
        assert numbers == sorted(set(numbers))
        assert stream.events(0) == []
        late = api.job(project_id, task_id)
        assert stream.event()["job_id"] == late


@pytest.mark.anyio
async def test_listener_that_takes_nothing_is_cut_off() -> None:
    feed = Feed(MemoryStorage())
    feed.start()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def receive() -> Any:
        await asyncio.Event().wait()

    stream = EventStream(feed, Listener(EventFilter()), stuck=0.01)
    async with asyncio.timeout(30):
        await stream({"type": "http", "client": ("x", 1)}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert feed.followers == 0
    await feed.stop()


# -- with keys, and at the end -----------------------------------------------------------------------------------------


def test_stream_needs_a_key_and_counts_as_one_request() -> None:
    settings = ServerSettings(api_keys=("key",), rate_limit_per_minute=4)
    with serving(MemoryStorage(), settings) as api:
        assert api.http.get("/events").status_code == 401
        with listening(api, {"X-API-Key": "key"}) as stream:
            project = api.http.post("/projects/", json={"name": "p"}, headers={"X-API-Key": "key"})
            assert project.status_code == 201
            assert stream.response.status_code == 200
        statuses = [
            api.http.get("/events", headers={"X-API-Key": "key", "Accept": "application/json"}).status_code
            for _ in range(4)
        ]
        assert (statuses[0], statuses[-1]) == (200, 429)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Program]:
    with program(tmp_path, f"sqlite:///{tmp_path / 'q.db'}") as found:
        yield found


def test_streams_end_at_once_when_the_server_is_asked_to_and_go_on_after_its_restart(
    running: Program, tmp_path: Path
) -> None:
    project_id, task_id = running.api.queue()
    with listening(running.api, project_id=project_id) as stream:
        job = running.api.job(project_id, task_id)
        assert stream.event()["job_id"] == job
        begun = time.monotonic()
        running.daemon.process.terminate()
        with pytest.raises(StopIteration):
            stream.event()
        assert running.daemon.process.wait(30) == 0
        assert time.monotonic() - begun < 10
    with program(tmp_path, f"sqlite:///{tmp_path / 'q.db'}") as again:
        missed = again.api.job(project_id, task_id)
        with listening(again.api, {"Last-Event-ID": stream.last_id}, project_id=project_id) as resumed:
            assert resumed.event()["job_id"] == missed


@contextmanager
def two_servers(url: str) -> Iterator[tuple[Api, Api]]:
    """Two servers on one database."""
    with (
        opened_storage(ServerSettings(database=url)) as first,
        opened_storage(ServerSettings(database=url)) as second,
        serving(first) as one,
        serving(second) as other,
    ):
        yield one, other


@pytest.mark.postgresql
def test_two_servers_stream_what_either_does_and_miss_nothing(postgresql: PostgreSQLServer) -> None:
    with postgresql.database() as url:
        upgraded(url)
        with two_servers(url) as (one, other):
            project_id, task_id = one.queue()
            with listening(one, project_id=project_id) as here, listening(other, project_id=project_id) as there:
                jobs = []
                for _ in range(20):
                    jobs += [one.job(project_id, task_id), other.job(project_id, task_id)]
                seen = [stream.events(40) for stream in (here, there)]
            assert seen[0] == seen[1] == listed(one, project_id=project_id)
            assert sorted(event["job_id"] for event in seen[0]) == sorted(jobs)


# -- who hears what ----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_audience_forgets_who_left() -> None:
    audience = Audience()
    every, mine = Listener(EventFilter(), 0), Listener(EventFilter(job_ids={1, 2}), 0)
    audience.add(every)
    audience.add(mine)
    assert len(audience) == 2
    audience.remove(mine)
    audience.remove(mine)
    audience.remove(every)
    assert len(audience) == 0
    assert vars(audience) == vars(Audience())
    assert EventKind.parse("LOST") is EventKind.LOST
