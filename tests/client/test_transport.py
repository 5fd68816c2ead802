"""The way to the server: what is repeated when a connection breaks, and what is not."""

import gzip
import socket
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from typing import Any

import pytest

from tests.support.network import free_port
from whatsnext_client.address import parse_address
from whatsnext_client.errors import (
    AnswerLostError,
    RateLimitError,
    ServerFaultError,
    ServerUnreachableError,
    UnexpectedAnswerError,
)
from whatsnext_client.transport import Transport, encode
from whatsnext_core.errors import InvalidError, NotFoundError, TooLargeError

DROP = b""
OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"a": true}'


def answer(status: str, body: str = '{"detail": "no"}', *headers: str) -> bytes:
    """An HTTP response that ends its connection."""
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, *headers, "", body]).encode()


class Peer:
    """A peer that reads one request on each connection, answers with the next of its answers, and closes."""

    def __init__(self, *answers: bytes, port: int = 0) -> None:
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._answers = list(answers)
        self._socket = socket.create_server(("127.0.0.1", port))
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._socket.getsockname()[1]
        return port

    def transport(self, **options: Any) -> Transport:
        """A way to it."""
        return Transport(parse_address("127.0.0.1", self.port), **{"retry_for": 5.0, **options})

    def _serve(self) -> None:
        for each in self._answers:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # the test is over, and the socket closed before all answers were asked for
                return
            with connection:
                text = connection.recv(65_536).decode()
                self.requests.append(text.partition(" HTTP")[0])
                self.headers.append(
                    dict(line.split(": ", 1) for line in text.partition("\r\n\r\n")[0].split("\r\n")[1:])
                )
                if each:
                    connection.sendall(each)

    def close(self) -> None:
        """Close the listening socket, which ends a thread that waits at it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    """Peers that are closed at the end."""
    found: list[Peer] = []
    yield found
    for peer in found:
        peer.close()


def test_a_reading_request_is_repeated_when_the_connection_breaks(peers: list[Peer]) -> None:
    peers.append(Peer(DROP, DROP, OK))
    assert peers[0].transport().get("/x") == {"a": True}
    assert peers[0].requests == ["GET /x"] * 3


def test_a_submission_that_was_sent_is_never_repeated(peers: list[Peer]) -> None:
    peers.append(Peer(DROP, OK))
    with pytest.raises(AnswerLostError, match="is unknown") as caught:
        peers[0].transport().post("/jobs/", {"name": "job"})
    assert peers[0].requests == ["POST /jobs/"]
    assert isinstance(caught.value, ConnectionError)


def test_a_submission_that_may_be_repeated_is(peers: list[Peer]) -> None:
    peers.append(Peer(DROP, OK))
    assert peers[0].transport().post("/clients/c/sync", {}, idempotent=True) == {"a": True}


def test_a_submission_waits_for_a_server_that_is_just_starting(peers: list[Peer]) -> None:
    port = free_port()
    transport = Transport(parse_address("127.0.0.1", port), retry_for=20.0)
    found: list[Any] = []
    thread = Thread(target=lambda: found.append(transport.post("/jobs/", {})))
    thread.start()
    peers.append(Peer(OK, port=port))
    thread.join(30)
    assert found == [{"a": True}]


def test_a_server_that_stays_away_is_named_after_the_time_is_over() -> None:
    port = free_port()
    transport = Transport(parse_address("127.0.0.1", port), retry_for=0.3)
    with pytest.raises(ServerUnreachableError, match=f"host 127.0.0.1, port {port}"):
        transport.get("/")


def test_a_server_that_never_answers_counts_as_gone() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        transport = Transport(parse_address("127.0.0.1", listener.getsockname()[1]), timeout=0.2, retry_for=0.0)
        with pytest.raises(ServerUnreachableError, match="did not answer in time"):
            transport.get("/")
    finally:
        listener.close()


def test_a_deletion_whose_answer_was_lost_has_succeeded_if_nothing_is_left(peers: list[Peer]) -> None:
    peers.append(Peer(DROP, answer("404 Not Found"), answer("404 Not Found")))
    transport = peers[0].transport()
    transport.delete("/jobs/1")
    with pytest.raises(NotFoundError):
        transport.delete("/jobs/1")


def test_too_many_requests_wait_as_long_as_the_server_says(peers: list[Peer]) -> None:
    peers.append(Peer(answer("429 Too Many Requests", '{"detail": "slow down"}', "Retry-After: 0.01"), OK))
    assert peers[0].transport().post("/jobs/", {}) == {"a": True}
    peers.append(Peer(answer("429 Too Many Requests", '{"detail": "slow down"}', "Retry-After: 3600")))
    with pytest.raises(RateLimitError, match="slow down"):
        peers[1].transport().get("/jobs/")


def test_a_server_that_goes_down_is_asked_again_when_it_says_so(peers: list[Peer]) -> None:
    peers.append(Peer(answer("503 Service Unavailable", '{"detail": "draining"}', "Retry-After: 0"), OK))
    assert peers[0].transport().post("/jobs/", {}) == {"a": True}
    peers.append(Peer(answer("503 Service Unavailable", '{"detail": "disk full"}')))
    with pytest.raises(ServerFaultError, match="disk full"):
        peers[1].transport().post("/jobs/", {})


@pytest.mark.parametrize(
    ("response", "error", "sentence"),
    [
        (answer("400 Bad Request", '{"detail": "Job 3 is odd."}'), InvalidError, r"^Job 3 is odd\.$"),
        (answer("404 Not Found", '{"detail": "No job 3."}'), NotFoundError, r"^No job 3\.$"),
        (answer("413 Payload Too Large", '{"detail": "too big"}'), TooLargeError, "too big"),
        (answer("500 Internal Server Error", "oh"), ServerFaultError, "500 Internal Server Error.*oh"),
        (answer("302 Found", "", "Location: http://elsewhere/"), UnexpectedAnswerError, "elsewhere"),
        (answer("418 I'm a teapot", "short"), UnexpectedAnswerError, "teapot"),
        (answer("200 OK", "<html>"), UnexpectedAnswerError, "no JSON"),
        (
            answer(
                "422 Unprocessable Entity",
                '{"detail": [{"loc": ["body", "required_cpu"], "msg": "Input should be positive", "input": -1}, '
                '{"loc": ["body"], "msg": "odd"}]}',
            ),
            InvalidError,
            r"^required_cpu: Input should be positive \(given: -1\); odd$",
        ),
    ],
)
def test_a_refusal_becomes_an_error_with_the_servers_own_words(
    peers: list[Peer], response: bytes, error: type[Exception], sentence: str
) -> None:
    peers.append(Peer(response))
    with pytest.raises(error, match=sentence):
        peers[0].transport().get("/x")


def test_what_is_no_json_is_not_sent() -> None:
    with pytest.raises(InvalidError, match="JSON"):
        encode({"x": float("inf")})
    with pytest.raises(InvalidError, match="JSON"):
        encode({"x": object()})


def test_a_key_that_cannot_stand_in_a_header_is_refused() -> None:
    with pytest.raises(InvalidError, match="API key"):
        Transport(parse_address("localhost"), api_key="two\nlines")


def test_connections_of_a_closed_transport_are_opened_anew(peers: list[Peer]) -> None:
    peers.append(Peer(OK, OK))
    transport = peers[0].transport()
    assert transport.get("/x") == {"a": True}
    transport.close()
    assert transport.get("/x") == {"a": True}


def test_an_answer_that_breaks_off_is_asked_for_again(peers: list[Peer]) -> None:
    peers.append(Peer(OK[:-3], OK))
    assert peers[0].transport().get("/x") == {"a": True}


def test_a_query_is_quoted_and_what_is_none_is_left_out(peers: list[Peer]) -> None:
    peers.append(Peer(OK))
    peers[0].transport().get("/x", {"name": "a b&c", "ids": [1, 2], "task": None})
    assert peers[0].requests == ["GET /x?name=a+b%26c&ids=1&ids=2"]


def test_an_answer_that_a_proxy_has_compressed_is_read(peers: list[Peer]) -> None:
    body = gzip.compress(b'{"a": true}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    peers.append(Peer(head.encode() + body))
    assert peers[0].transport().get("/x") == {"a": True}
    assert "gzip" in peers[0].headers[0]["Accept-Encoding"]


def test_a_balancer_gets_its_cookie_back(peers: list[Peer]) -> None:
    peers.append(Peer(answer("200 OK", "{}", "Set-Cookie: route=b; Path=/"), OK))
    transport = peers[0].transport()
    transport.get("/x")
    transport.get("/x")
    assert [headers.get("Cookie") for headers in peers[0].headers] == [None, "route=b"]


def test_a_proxy_of_the_environment_is_told_the_whole_address(
    peers: list[Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    peers.append(Peer(OK))
    monkeypatch.setenv("http_proxy", f"http://user:word@127.0.0.1:{peers[0].port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert Transport(parse_address("http://queue.example:8000")).post("/x", {"b": 1}) == {"a": True}
    assert peers[0].requests == ["POST http://queue.example:8000/x"]
    assert peers[0].headers[0]["Proxy-Authorization"].startswith("Basic ")


def test_a_proxy_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(InvalidError, match="proxy"):
        Transport(parse_address("http://queue.example:8000")).get("/x")
