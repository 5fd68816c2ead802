"""Carries requests to the server: kept-alive connections, retries that repeat nothing by mistake, errors with names."""

from __future__ import annotations

import json
import os
import threading
import time
import weakref
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, BinaryIO, Final

import requests
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

from whatsnext_client import answers
from whatsnext_client.address import Address
from whatsnext_client.backoff import Backoff
from whatsnext_client.connection import LONGEST_CONNECT, Connection, Parameters
from whatsnext_client.errors import AnswerLostError, ServerUnreachableError, UnexpectedAnswerError
from whatsnext_core.errors import InvalidError

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "PATCH"})
"""Methods that may be repeated when it is unknown whether the server got them."""
GATEWAY: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})


class Transport:
    """A way to one server, for several threads and forked processes at once: none shares another's connections."""

    def __init__(
        self, address: Address, *, api_key: str | None = None, timeout: float = 30.0, retry_for: float = 30.0
    ) -> None:
        self.address = address
        self.timeout = timeout
        self.retry_for = retry_for
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",  # a proxy may do that
            "User-Agent": "whatsnext-client",
        }
        if api_key:
            self._headers["X-API-Key"] = _header_value(api_key)
        self._local = threading.local()
        self._connections: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._lock = threading.Lock()

    def get(self, path: str, params: Parameters | None = None, **options: Any) -> Any:
        """Return the document at a path."""
        return answers.document(self.send("GET", path, params=params, **options))

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """Return the answer to a document that is posted."""
        return answers.document(self.send("POST", path, body=body, **options))

    def put(self, path: str, body: Any = None, **options: Any) -> Any:
        """Return the answer to a change."""
        return answers.document(self.send("PUT", path, body=body, **options))

    def delete(self, path: str, **options: Any) -> Any:
        """Return the answer to a deletion."""
        return answers.document(self.send("DELETE", path, **options))

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Parameters | None = None,
        body: Any = None,
        data: bytes | BinaryIO | None = None,
        content_type: str = "application/octet-stream",
        extra: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        timeout: float | None = None,
        retry_for: float | None = None,
    ) -> requests.Response:
        """Return the server's answer to a request, if it is a good one.

        A connection that could not be made is tried again for ``retry_for`` seconds. A request that was sent and had no
        answer is repeated only if it is ``idempotent`` (by default, if its method is); 429 and 503 are
        repeated after the time that the server names. ``data`` is sent as it is, as ``content_type``; a file is
        read while it is sent, from its beginning each time. ``extra`` are headers.

        Raises:
            ServerUnreachableError: nobody answers in time.
            AnswerLostError: the connection broke, and the request must not be repeated.
            WhatsNextError: the server refused; see ``answers``.
        """
        repeatable = method in IDEMPOTENT if idempotent is None else idempotent
        headers = {**self._headers, **(extra or {})}
        if body is not None:
            data = encode(body)
            headers["Content-Type"] = "application/json"
        elif data is not None:
            headers["Content-Type"] = content_type
        limit = self.timeout if timeout is None else timeout
        backoff = Backoff(self.retry_for if retry_for is None else retry_for)
        repeated = False
        while True:
            if data is not None and not isinstance(data, bytes):
                data.seek(0)
            try:
                response = self._connection().exchange(
                    method, path, params=params, data=data, headers=headers, timeout=limit
                )
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                if not (repeatable or _was_never_sent(error)):
                    raise AnswerLostError(
                        f"The connection to the server at {self.address} broke before its answer came "
                        f"({_reason(error)}); whether it did what it was asked ({method} {path}) is unknown. "
                        f"Look, and repeat it if it did not."
                    ) from error
                pause = backoff.pause()
                if pause is None:
                    raise self.unreachable(error) from error
            except (requests.RequestException, UnicodeError, ValueError) as error:
                raise InvalidError(f"The request {method} {path} cannot be sent: {error}.") from error
            else:
                after = _retry_after(response)
                pause = backoff.pause(at_least=after) if _comes_back(response, repeatable=repeatable) else None
                if pause is None:
                    if repeated and method == "DELETE" and response.status_code == HTTPStatus.NOT_FOUND:
                        return response
                    return self._checked(response)
            repeated = True
            time.sleep(pause)

    def unreachable(self, error: Exception) -> ServerUnreachableError:
        """Return the error that says that nobody answers, and why."""
        return ServerUnreachableError(
            f"Cannot reach a WhatsNext server at host {self.address.host}, port {self.address.port}: {_reason(error)}. "
            f"Is it running (whatsnext-server run), and are host and port right?"
        )

    def greet(self, *, wait_for: float = 0.0) -> None:
        """Make sure that a WhatsNext server answers, for ``wait_for`` seconds at most."""
        response = self.send("GET", "/", retry_for=wait_for)
        try:
            greeting = response.json()
        except ValueError:
            greeting = None
        if not isinstance(greeting, Mapping) or greeting.get("message") != "OK":
            raise UnexpectedAnswerError(
                f"Something answers at host {self.address.host}, port {self.address.port}, but it is no WhatsNext "
                f"server: {response.text[:80]!r}."
            )

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        with self._lock:
            connections = list(self._connections)
            self._connections.clear()
            self._local = threading.local()
        for connection in connections:
            connection.close()

    def _checked(self, response: requests.Response) -> requests.Response:
        if response.is_redirect:
            raise UnexpectedAnswerError(
                f"{response.url} redirects to {response.headers.get('Location')}; use that address for the server."
            )
        return answers.check(response)

    def open_stream(
        self, path: str, params: Parameters | None = None, *, headers: Mapping[str, str], silence: float
    ) -> requests.Response:
        """Return the beginning of an answer that goes on, on a connection of its own, which ends with the answer.

        It is not checked, and nothing is tried again: the caller goes on where a broken one ended.

        Args:
            path: Path of the endpoint.
            params: Its query.
            headers: Further headers.
            silence: Seconds without a byte after which the connection counts as broken.

        Raises:
            requests.RequestException: the connection failed.
        """
        connect = min(self.timeout, LONGEST_CONNECT)
        return self._connect().session.get(
            self.address.url + path,
            params=params,
            headers={**self._headers, **headers, "Connection": "close"},
            timeout=(connect, silence),
            allow_redirects=False,
            stream=True,
        )

    def _connection(self) -> Connection:
        mine: tuple[int, Connection] | None = getattr(self._local, "connection", None)
        if mine is None or mine[0] != os.getpid():
            mine = self._local.connection = (os.getpid(), self._connect())
        return mine[1]

    def _connect(self) -> Connection:
        connection = Connection(self.address.url)
        with self._lock:
            self._connections.add(connection)
        return connection


def encode(body: Any) -> bytes:
    """Return a document as JSON in UTF-8.

    Raises:
        InvalidError: it holds something that is no JSON, NaN included.
    """
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidError(f"The value cannot be written as JSON: {error}.") from error


def _header_value(key: str) -> str:
    if not key.isascii() or not key.isprintable() or key != key.strip():
        raise InvalidError(
            "The API key holds blanks, control characters or letters beyond ASCII; no server has such one."
        )
    return key


def _was_never_sent(error: Exception) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    return isinstance(reason, NewConnectionError | NameResolutionError)


def _reason(error: Exception) -> str:
    """Return why a connection failed, in a few words."""
    if isinstance(error, requests.Timeout):
        return "it did not answer in time"
    cause: BaseException | None = error
    innermost = str(error)
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            innermost = cause.strerror.lower()
        following = cause.args[0] if cause.args and isinstance(cause.args[0], BaseException) else None
        following = getattr(cause, "reason", None) if isinstance(cause, MaxRetryError) else following
        cause = following or cause.__cause__ or cause.__context__
    return innermost


def _retry_after(response: requests.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("Retry-After", 0)))
    except ValueError:
        return 0.0


def _comes_back(response: requests.Response, *, repeatable: bool) -> bool:
    """Return whether the same request may succeed later, and repeating it does nothing twice."""
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    if response.status_code not in GATEWAY:
        return False
    return repeatable or (response.status_code == HTTPStatus.SERVICE_UNAVAILABLE and "Retry-After" in response.headers)
