"""Events in the library: from now on or from then on, each once, whatever becomes of the connection."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.client.support import unique
from tests.support import free_port
from tests.support.server import ServerProcess
from whatsnext.api.client import InvalidError, Job, Project, Server, ServerUnreachableError
from whatsnext_client.address import parse_address
from whatsnext_client.errors import UnexpectedAnswerError
from whatsnext_client.events import EventStream
from whatsnext_client.transport import Transport
from whatsnext_core.model import Event, EventKind

K = EventKind


@pytest.fixture
def project(project: Project) -> Project:
    """A project with a task."""
    project.create_task("train")
    return project


def told(events: Iterator[Event], count: int) -> list[tuple[int, str]]:
    return [(event.job_id, event.kind.value) for event in (next(events) for _ in range(count))]


def test_stream_begins_when_it_is_made(project: Project) -> None:
    project.append("before", "train")
    with project.events() as events:
        job = project.append("job", "train")
        job.cancel()
        assert told(events, 1) == [(job.number, "submitted")]
        assert told(events, 1) == [(job.number, "cancelled")]
        event = next(iter(project.events(0)))
        assert (event.kind, event.project_id, event.data) == (K.SUBMITTED, project.id, {"to": "PENDING"})


def test_stream_is_filtered_and_begins_where_it_is_told_to(project: Project, server: Server) -> None:
    first, second = project.append("a", "train"), project.append("b", "train")
    with project.events(0, kinds=["SUBMITTED"]) as events:
        begin = next(events)
        assert told(events, 1) == [(second.number, "submitted")]
    with server.events(begin.id, jobs=[first, second]) as events:
        assert told(events, 1) == [(second.number, "submitted")]
        first.cancel()
        assert told(events, 1) == [(first.number, "cancelled")]
    with server.events(since=begin.at, jobs=[first.number]) as events:
        assert told(events, 2) == [(first.number, "submitted"), (first.number, "cancelled")]
    with server.events(since=datetime.now(UTC) + timedelta(days=1)) as events:
        project.append("c", "train")
        assert next(events).job_id > second.number
    with pytest.raises(InvalidError, match="exploded"):
        project.events(kinds=["exploded"])
    with pytest.raises(InvalidError, match="not queued"):
        project.events(jobs=[Job("new", "train")])


def test_batches_hold_what_came_together_and_none_is_lost_between_two_ways_to_read(project: Project) -> None:
    ids = project.extend_queue([Job(str(number), "train") for number in range(300)])
    with project.events(0) as events:
        seen = [next(events).job_id]
        for batch in events.batches():
            seen += [event.job_id for event in batch]
            if len(seen) >= 300:
                break
        late = project.append("late", "train")
        assert next(events).job_id == late.id
    assert sorted(seen) == sorted(ids)


def test_closed_stream_ends(project: Project) -> None:
    events = project.events()
    closer = threading.Timer(0.2, events.close)
    closer.start()
    assert list(events) == []
    assert list(events.batches()) == []
    closer.join()


def test_stream_outlives_a_crash_of_the_server(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "server") as process, Server("127.0.0.1", process.port, retry_for=60) as server:
        project = server.append_project(unique("project"))
        project.create_task("train")
        with project.events() as events:
            jobs = [project.append("first", "train")]
            assert told(events, 1) == [(jobs[0].number, "submitted")]
            jobs.append(project.append("unread", "train"))
            process.kill()
            process.start()
            jobs.append(project.append("later", "train"))
            assert told(events, 2) == [(job.number, "submitted") for job in jobs[1:]]


def test_server_that_is_away_for_too_long_is_an_error(server_process: ServerProcess) -> None:
    with pytest.raises(ServerUnreachableError, match="Is it running"):
        EventStream(Transport(parse_address(f"http://127.0.0.1:{free_port()}", None), retry_for=0.1))
    transport = Transport(parse_address(server_process.url, None), retry_for=0)
    with pytest.raises(InvalidError, match="exploded"):
        EventStream(transport, {"kind": "exploded"})
    with pytest.raises(UnexpectedAnswerError, match="no stream of events"):
        EventStream(_Misled(parse_address(server_process.url, None)))


class _Misled(Transport):
    """A way to something that answers, but not with events."""

    def open_stream(self, path: str, *arguments: object, **options: object) -> object:  # type: ignore[override]
        assert path == "/events"
        return super().open_stream("/", *arguments, **options)  # type: ignore[arg-type]


def test_list_of_events_is_read_page_by_page(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whatsnext_client.rest.PAGE", 2)
    ids = project.extend_queue([Job(str(number), "train") for number in range(5)])
    pages = list(project.rest.event_pages({"project_id": project.id}))
    assert sorted(event.job_id for page, _ in pages for event in page) == sorted(ids)
    assert len(pages) >= 3
    place = pages[-1][1]
    assert [page for page, _ in project.rest.event_pages({"project_id": project.id}, after=place)] == [[]]
