"""Events as they happen: a stream that goes on when the connection breaks or the server is restarted."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

import requests

from whatsnext_client import answers
from whatsnext_client.backoff import Backoff
from whatsnext_client.connection import Parameters
from whatsnext_client.errors import UnexpectedAnswerError
from whatsnext_client.transport import Transport
from whatsnext_core.converters import from_json, ignoring_extra_keys
from whatsnext_core.model import Event, EventKind

SILENCE: Final = 45.0
"""Seconds without a word from the server, which speaks every 15, after which the connection counts as broken."""
QUICK: Final = 0.5
"""Seconds: a connection that broke sooner is made again after as long, lest both sides do nothing else."""
KINDS: Final = frozenset(kind.value for kind in EventKind)

_EVENT: Final = ignoring_extra_keys(Event)
_PASSING: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_BROKEN: Final = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class EventStream:
    """Events as they happen, in the order of their numbers: none is left out, and none comes twice.

    It is connected once it is made, so what happens from then on will come. A lost connection is made again, and the
    stream goes on behind the last event; only when no server answers for ``retry_for`` seconds it ends with an error.
    Iterate over it for single events, over ``batches()`` for what comes together. It has no end: leave the loop when
    you have seen enough, and close it, or use it as a context.

    Args:
        transport: The way to the server.
        params: Filters, as ``GET /events`` takes them.
        after: Number behind which it begins; None for now.
        retry_for: Seconds to go on trying when the connection fails; None for those of the transport.

    Raises:
        ServerUnreachableError: no server answers in time; while it is made, and later.
        WhatsNextError: the server refused; see ``answers``.
    """

    def __init__(
        self,
        transport: Transport,
        params: Parameters | None = None,
        *,
        after: int | None = None,
        retry_for: float | None = None,
    ) -> None:
        self._transport = transport
        self._params = dict(params or {})
        self._retry_for = transport.retry_for if retry_for is None else retry_for
        self.place = after
        """Number of the last event that was received, or that did not concern the stream."""
        self._response: requests.Response | None = None
        self._blocks: Iterator[Sequence[Mapping[str, str]]] = iter(())
        self._waiting: deque[Event] = deque()
        self._connected_at = 0.0
        self._closed = False
        self._connect(Backoff(self._retry_for))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        while not self._waiting:
            if self._closed:
                raise StopIteration
            self._waiting.extend(self._receive())
        return self._waiting.popleft()

    def batches(self) -> Iterator[list[Event]]:
        """Yield events, those together that came together; none when the server only said that it is there."""
        while self._waiting or not self._closed:
            batch = list(self._waiting) or self._receive()
            self._waiting.clear()
            yield batch

    def close(self) -> None:
        """Close the connection, and end the iteration."""
        self._closed = True
        if self._response is not None:
            shutdown = getattr(self._response.raw, "shutdown", None)  # what lets go of a thread that waits for bytes
            if shutdown is not None:
                with suppress(ValueError, OSError):
                    shutdown()
            self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- the connection ------------------------------------------------------------------------------------------------

    def _connect(self, backoff: Backoff) -> None:
        """Open the stream and read its first block, which tells where it begins."""
        while True:
            pause = self._try(backoff)
            if pause is None:
                return
            time.sleep(pause)

    def _try(self, backoff: Backoff) -> float | None:
        """Try once; return None if the stream is open, else how long to wait before the next try."""
        if self._response is not None:
            self._response.close()
        headers = {"Accept": "text/event-stream"}
        if self.place is not None:
            headers["Last-Event-ID"] = str(self.place)
        try:
            response = self._transport.open_stream("/events", self._params, headers=headers, silence=SILENCE)
            if response.status_code in _PASSING:
                pause = backoff.pause(at_least=_retry_after(response))
                if pause is not None:
                    response.close()
                    return pause
            answers.check(response)
            if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
                raise UnexpectedAnswerError(f"{response.url} gave no stream of events. Is it a WhatsNext server?")
            self._response, self._blocks = response, _blocks(response)
            self._waiting.extend(self._next())
            self._connected_at = time.monotonic()
        except _BROKEN as error:
            pause = backoff.pause()
            if pause is None:
                raise self._transport.unreachable(error) from error
            return pause
        return None

    def _receive(self) -> list[Event]:
        """Return the next events; the connection is made again if it broke."""
        try:
            return self._next()
        except _BROKEN:
            if self._closed:
                return []
        except (AttributeError, ValueError):  # of urllib3, when another thread closed the connection
            if not self._closed:
                raise
            return []
        if time.monotonic() - self._connected_at < QUICK:
            time.sleep(QUICK)
        self._connect(Backoff(self._retry_for))
        return []

    def _next(self) -> list[Event]:
        """Return the events of the next piece; ConnectionError at the end of the stream."""
        blocks = next(self._blocks, None)
        if blocks is None:
            raise requests.ConnectionError("the server ended the stream")
        found = []
        for block in blocks:
            if "data" in block and block.get("event") in KINDS:
                event = read_event(_document(block["data"]))
                if self.place is None or event.id > self.place:
                    found.append(event)
            if block.get("id", "").isdigit():
                self.place = max(self.place or 0, int(block["id"]))
        return found


def parameters(
    *,
    project_id: int | None = None,
    job_ids: Collection[int] = (),
    kinds: Collection[str] = (),
    since: datetime | None = None,
) -> dict[str, Any]:
    """Return filters as ``GET /events`` takes them."""
    found: dict[str, Any] = {
        "project_id": project_id,
        "job_id": ",".join(map(str, job_ids)) or None,
        "kind": ",".join(kinds) or None,
        "since": None if since is None else since.isoformat(),
    }
    return {name: value for name, value in found.items() if value is not None}


def read_event(document: Any) -> Event:
    """Return the event that a document of the server describes."""
    return from_json(document, Event, what="event", converter=_EVENT)


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UnexpectedAnswerError(f"The server sent an event that is no JSON: {text!r:.80}.") from error


def _blocks(response: requests.Response) -> Iterator[Sequence[Mapping[str, str]]]:
    """Yield the blocks of a stream, those together that came in one piece."""
    rest = b""
    chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
    for piece in response.iter_content(None if chunked else 1):
        rest += piece
        if b"\n\n" in piece or rest.endswith(b"\n\n"):
            whole, rest = rest.rsplit(b"\n\n", 1)
            yield [_fields(block) for block in whole.decode().split("\n\n")]


def _fields(block: str) -> Mapping[str, str]:
    pairs = (line.partition(":") for line in block.split("\n"))
    return {name: value.removeprefix(" ") for name, _, value in pairs if name}


def _retry_after(response: requests.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("Retry-After", 0)))
    except ValueError:
        return 0.0
