"""A receiver of webhooks: a real HTTP server that checks signatures, and answers as a test tells it to."""

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from attrs import frozen

from whatsnext_notifier_webhook import SignatureError, verify

SECRET = "a secret of the tests"


@frozen
class Received:
    """A request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it tells."""
        found: list[dict[str, Any]] = json.loads(self.body)["events"]
        return found


class Receiver:
    """Takes what is signed with the secret."""

    def __init__(self) -> None:
        self.status = 204
        """What it answers to a genuine request."""
        self.text = b""
        self.location = ""
        self.hangs = False
        """Whether it answers nothing for as long as it runs."""
        self.seen: list[Received] = []
        """Every request."""
        self.taken: list[Received] = []
        """Those that it answered with 2xx."""
        self._ended = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # its name is fixed by the base class
                receiver.handle(self)

            do_GET = do_POST  # noqa: N815  # as above

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}/hook?token=hush"

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request."""
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        received = Received(request.path, {name.lower(): value for name, value in request.headers.items()}, body)
        self.seen.append(received)
        if self.hangs:
            self._ended.wait(60)
            return
        status, text = self.status, self.text
        try:
            verify(SECRET, received.headers, body)
        except SignatureError as error:
            status, text = 401, str(error).encode()
        if status < 300:
            self.taken.append(received)
        request.send_response(status)
        request.send_header("Content-Length", str(len(text)))
        if self.location:
            request.send_header("Location", self.location)
        request.end_headers()
        request.wfile.write(text)

    def numbers(self) -> Sequence[int]:
        """The numbers of the events that it has taken."""
        return [event["id"] for received in self.taken for event in received.events]

    def refuse(self, refusing: bool) -> None:
        """Refuse everything from now on, or take it again."""
        self.status = 503 if refusing else 204

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
