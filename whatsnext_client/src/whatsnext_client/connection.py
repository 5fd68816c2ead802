"""One thread's connection to the server.

``requests`` finds the way there, once: proxies, certificates, cookies. Each request then goes straight to the pool of
``urllib3`` that it found. What ``Session.request`` and its adapter do for every single request, which is to prepare it,
to merge settings and to wrap the answer, takes twice as long as to send it: measured, CPU time for a small request and
its answer, 0.69 ms by ``Session.post`` and 0.23 ms so.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Final, TypeAlias, cast
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import extract_cookies_to_jar, get_cookie_header
from requests.utils import get_encoding_from_headers, get_environ_proxies, super_len
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError, ReadTimeoutError

Parameters: TypeAlias = Mapping[str, str | int | float | bool | Sequence[str | int] | None]
"""What a query says; None is left out."""

LONGEST_CONNECT: Final = 10.0
"""Seconds that a connection may take to be made, at most."""


class Connection:
    """A way to one server for one thread, which is kept open from one request to the next.

    Args:
        url: Address of the server, without a slash at its end.

    Raises:
        requests.RequestException: the settings of the environment name a proxy that is none.
    """

    def __init__(self, url: str) -> None:
        self.session = requests.Session()
        """The same way, for what it is used for in other manners."""
        self.session.trust_env = False
        self.session.proxies = get_environ_proxies(url)
        verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        self.session.verify = verify
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
        self.session.mount("http://", adapter)
        self.session.mount("https://", adapter)
        self._url = url
        self._first = requests.Request("GET", f"{url}/").prepare()
        pool = adapter.get_connection_with_tls_context(self._first, verify, proxies=self.session.proxies)
        self._pool = cast("HTTPConnectionPool", pool)
        self._retries = adapter.max_retries
        self._root = adapter.request_url(self._first, self.session.proxies).removesuffix("/")
        """What stands before a path in a request: all of the address if it goes to a proxy."""

    def exchange(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        params: Parameters | None = None,
        data: bytes | BinaryIO | None = None,
        timeout: float,
    ) -> requests.Response:
        """Return the whole answer to a request, whatever it says; redirects are not followed.

        Args:
            method: The method.
            path: The path, quoted.
            headers: The headers.
            params: The query.
            data: The body; a file is read from where it stands to its end.
            timeout: Seconds that the server may be silent.

        Raises:
            requests.ConnectTimeout: the connection could not be made in time.
            requests.ReadTimeout: the server was silent for too long.
            requests.ConnectionError: the connection could not be made, or broke.
        """
        query = urlencode({key: each for key, each in (params or {}).items() if each is not None}, doseq=True)
        target = f"{path}?{query}" if query else path
        own = dict(headers)
        if self.session.cookies and (cookie := get_cookie_header(self.session.cookies, self._first)):  # type: ignore[no-untyped-call]
            own["Cookie"] = cookie
        if data is not None and not isinstance(data, bytes):
            own["Content-Length"] = str(super_len(data))  # type: ignore[no-untyped-call]
        try:
            found = self._pool.urlopen(
                method,
                self._root + target,
                body=data,
                headers=own,
                retries=self._retries,
                redirect=False,
                assert_same_host=False,
                timeout=Timeout(connect=min(timeout, LONGEST_CONNECT), read=timeout),
            )
        except (HTTPError, OSError) as error:
            raise _translated(error) from error
        if "set-cookie" in found.headers:
            extract_cookies_to_jar(self.session.cookies, self._first, found)  # type: ignore[no-untyped-call]
        return _answer(self._url + target, found)

    def close(self) -> None:
        """Close it; the next request opens it again."""
        self.session.close()
        self._pool.close()


class _Answer(requests.Response):
    """A response whose whole content is there: it is not read once more, piece by piece."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._whole = content

    @property
    def content(self) -> bytes:
        """The content."""
        return self._whole


def _answer(url: str, found: BaseHTTPResponse) -> requests.Response:
    response = _Answer(found.data)
    response.status_code, response.reason, response.url = found.status, found.reason or "", url
    response.headers.update(found.headers)
    response.encoding = get_encoding_from_headers(response.headers) or "utf-8"
    response.raw = io.BytesIO(found.data)
    return response


def _translated(error: Exception) -> requests.RequestException:
    """Return the error of ``requests`` for one of ``urllib3``."""
    reason = error.reason if isinstance(error, MaxRetryError) else error
    if isinstance(reason, ConnectTimeoutError) and not isinstance(reason, NewConnectionError):
        return requests.ConnectTimeout(error)
    if isinstance(reason, ReadTimeoutError):
        return requests.ReadTimeout(error)
    return requests.ConnectionError(error)
