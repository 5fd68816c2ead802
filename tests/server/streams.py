"""Listeners for tests: what a server streams, read event by event."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.server.serving import Api


class Stream:
    """An open stream of events."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.last_id = ""
        """The last id that came, with or without an event."""
        self._lines = response.iter_lines()

    def block(self) -> dict[str, str]:
        """The fields of the next block; StopIteration at the end of the stream."""
        found: dict[str, str] = {}
        while line := next(self._lines):
            name, _, value = line.partition(":")
            found[name] = value.removeprefix(" ")
        self.last_id = found.get("id", self.last_id)
        return found

    def event(self) -> dict[str, Any]:
        """The next event."""
        while "data" not in (found := self.block()):
            pass
        event: dict[str, Any] = json.loads(found["data"])
        assert (found["id"], found["event"]) == (str(event["id"]), event["kind"])
        return event

    def events(self, count: int) -> list[dict[str, Any]]:
        """The next events."""
        return [self.event() for _ in range(count)]


@contextmanager
def listening(api: Api, headers: dict[str, str] | None = None, **query: Any) -> Iterator[Stream]:
    """An open stream of a server, of which the first block has come."""
    with api.http.stream(
        "GET", "/events", params=query, headers={"Accept": "text/event-stream", **(headers or {})}
    ) as response:
        assert response.status_code == 200, response.read()
        stream = Stream(response)
        stream.block()
        yield stream
