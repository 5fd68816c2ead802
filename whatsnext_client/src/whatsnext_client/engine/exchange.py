"""The threads that talk to the server: one with what cannot wait, one with a request that the server may hold."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import cattrs

from whatsnext_client.backoff import Backoff
from whatsnext_client.engine.ledger import Ledger
from whatsnext_client.engine.news import News
from whatsnext_client.engine.records import Held
from whatsnext_client.errors import (
    AccessError,
    RateLimitError,
    ServerFaultError,
    ServerUnreachableError,
    UnexpectedAnswerError,
    WorkerError,
)
from whatsnext_client.rest import Rest
from whatsnext_core.converters import from_json, to_json, tolerant_converter
from whatsnext_core.errors import ConflictError, InvalidError, NotFoundError, WhatsNextError
from whatsnext_core.model import Task
from whatsnext_core.sync import SyncRequest, SyncResponse

_log = logging.getLogger(__name__)

ANSWER_WITHIN: Final = 15.0
"""Seconds that the server may take beyond the time that it may hold a request."""
LONGEST_PAUSE: Final = 5.0
"""Seconds between two tries while the server is away, at most."""
PAUSES: Final = 8
"""Tries that there is time for in one lease, at least: once it is back, the server gives everybody one more."""
REMEMBERED_TASKS: Final = 1000
"""Tasks that are not read again."""
PASSING: Final = (ServerUnreachableError, ServerFaultError, RateLimitError, UnexpectedAnswerError, AccessError)
"""What may be over at the next try."""


class Exchange:
    """Sends what the ledger has to say until it is closed, and hands on what comes back.

    Args:
        rest: The server's endpoints.
        client_id: The worker.
        ledger: What it says, and what takes in the answers.
        register: Registers the worker again, on a server that does not know it.
        on_news: Called with each answer, in one of the threads.
        on_given_up: Called with attempts whose end the server never accepts.
        on_fatal: Called with the error that ends the worker.
        on_outage: Called when the server does not answer any more.
    """

    def __init__(
        self,
        rest: Rest,
        client_id: str,
        ledger: Ledger,
        *,
        register: Callable[[], None],
        on_news: Callable[[News], None],
        on_given_up: Callable[[tuple[Held, ...]], None],
        on_fatal: Callable[[Exception], None],
        on_outage: Callable[[], None],
    ) -> None:
        self.failing_since: float | None = None
        """Since when the server is away, by the monotonic clock; None while it answers."""
        self._rest = rest
        self._client_id = client_id
        self._ledger = ledger
        self._register = register
        self._on_news = on_news
        self._on_given_up = on_given_up
        self._on_fatal = on_fatal
        self._on_outage = on_outage
        self._converter = _make_converter()
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._guard, args=(loop,), name=f"whatsnext-{name}", daemon=True)
            for name, loop in (("prompt", self._send_prompt), ("hold", self._send_held))
        ]

    def start(self) -> None:
        """Begin to talk."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End: what is on its way is no longer waited for, and nothing new is sent."""
        self._closed.set()
        with self._ledger.changed:
            self._ledger.changed.notify_all()
        self._threads[0].join(ANSWER_WITHIN)

    def _guard(self, step: Callable[[], None]) -> None:
        try:
            while not self._closed.is_set():
                step()
        except Exception as error:  # noqa: BLE001 - the worker's loop raises it
            if not self._closed.is_set():
                self._on_fatal(error)

    def _send_prompt(self) -> None:
        request = self._next(self._ledger.prompt_due, self._ledger.compose_prompt)
        if request is not None:
            self._deliver(request)

    def _send_held(self) -> None:
        request = self._next(self._ledger.hold_due, self._ledger.compose_hold)
        if request is not None:
            self._deliver(request)

    def _next(self, due: Callable[[], float | None], compose: Callable[[], SyncRequest]) -> SyncRequest | None:
        """Wait until a request is due, and return it; None when the exchange is closed."""
        with self._ledger.changed:
            while not self._closed.is_set():
                moment = due()
                pause = None if moment is None else moment - time.monotonic()
                if pause is not None and pause <= 0:
                    return compose()
                self._ledger.sleepers.sleep(due, pause)
        return None

    def _deliver(self, request: SyncRequest) -> None:
        """Send a request again and again, always under its number, until it is answered."""
        body, wait = to_json(request), request.wait
        backoff = Backoff(float("inf"), longest=min(LONGEST_PAUSE, self._ledger.lease / PAUSES))
        while not self._closed.is_set():
            sent_at = time.monotonic()
            try:
                response = self._ask(body, wait + ANSWER_WITHIN)
            except PASSING as error:
                self._note_outage(error)
            except NotFoundError:
                self._reregister()
            except ConflictError as error:
                raise WorkerError(f"The server does not take this process for {self._client_id}: {error}") from error
            except InvalidError as error:
                self._take_refusal(request, error)
                return
            else:
                self._note_return()
                self._on_news(self._ledger.answered(request, response, sent_at))
                return
            wait, body["wait"] = 0.0, 0
            self._closed.wait(backoff.pause() or 0.0)

    def _ask(self, body: Mapping[str, Any], timeout: float) -> SyncResponse:
        answer = self._rest.sync(self._client_id, body, timeout=timeout)
        try:
            return from_json(answer, SyncResponse, what="the server's answer", converter=self._converter)
        except InvalidError as error:
            raise UnexpectedAnswerError(str(error)) from error

    def _take_refusal(self, request: SyncRequest, error: InvalidError) -> None:
        if not request.ended:
            raise WorkerError(f"The server does not understand this worker: {error}") from error
        _log.warning("The server refused a report of %d ends: %s", len(request.ended), error)
        given_up = self._ledger.refused(request)
        if given_up:
            self._on_given_up(given_up)

    def _reregister(self) -> None:
        _log.warning("The server does not know worker %s; registering it again", self._client_id)
        try:
            self._register()
        except WhatsNextError as error:
            self._note_outage(error)

    def _note_outage(self, error: Exception) -> None:
        if self.failing_since is None:
            self.failing_since = time.monotonic()
            _log.warning("%s The jobs go on; what they yield is kept here until the server is back.", error)
            self._on_outage()

    def _note_return(self) -> None:
        if self.failing_since is not None:
            _log.warning("The server answers again after %.0f seconds", time.monotonic() - self.failing_since)
            self.failing_since = None


def _make_converter() -> cattrs.Converter:
    """Return what reads answers. Most jobs of a batch are of one task, which is read once."""
    converter = tolerant_converter()
    read = converter.get_structure_hook(Task)
    known: dict[tuple[Any, Any], Task] = {}

    def read_task(data: Any, kind: type[Task]) -> Task:
        key = (data.get("id"), data.get("updated_at"))
        if key not in known:
            if len(known) >= REMEMBERED_TASKS:
                known.clear()
            known[key] = read(data, kind)
        return known[key]

    converter.register_structure_hook(Task, read_task)
    return converter
