"""Asks servers by REST, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

PAGE: Final = 1_000


class RefusedError(Exception):
    """A server answered, and not well."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status}: {words}")
        self.status = status


class Rest:
    """The endpoints of one address. A connection is made for each request, so that each meets what happens."""

    def __init__(self, port: int, *, timeout: float = 10.0) -> None:
        self._port = port
        self._timeout = timeout

    def call(self, method: str, path: str, body: Any = None, **parameters: Any) -> Any:
        """Return the answer to a request.

        Raises:
            RefusedError: the server said no.
            OSError, http.client.HTTPException: there was no answer, or half of one.
        """
        return json.loads(self.ask(method, path, body, **parameters)[0] or b"null")

    def ask(self, method: str, path: str, body: Any = None, **parameters: Any) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout)
        try:
            target = f"{path}?{urlencode(parameters)}" if parameters else path
            headers = {"Accept": "application/json", "Content-Type": "application/json"}
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            raise RefusedError(response.status, content.decode(errors="replace")[:500])
        return content, {name.lower(): value for name, value in response.getheaders()}

    def jobs(self, project_id: int) -> Iterator[dict[str, Any]]:
        """Yield all jobs of a project."""
        after = 0
        while page := self.call("GET", "/jobs/", project_id=project_id, after_id=after, limit=PAGE):
            yield from page
            after = page[-1]["id"]

    def events(self, project_id: int) -> Iterator[dict[str, Any]]:
        """Yield all events of a project."""
        after = "0"
        while True:
            content, headers = self.ask("GET", "/events", project_id=project_id, after=after, limit=PAGE)
            yield from json.loads(content)
            after = headers["x-events-after"]
            if headers["x-events-complete"] == "true":
                return
