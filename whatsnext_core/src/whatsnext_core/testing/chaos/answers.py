"""Listens in on what servers answer, and notes each end of an attempt that they acknowledged."""

from __future__ import annotations

import json
from typing import Any, Final

from attrs import define, frozen

HEADERS_END: Final = b"\r\n\r\n"


@frozen
class Acknowledged:
    """A server said that it has taken in the end of an attempt."""

    job_id: int
    """The job."""
    fence: int
    """The attempt."""
    status: str
    """What the job was then."""


@define
class Ear:
    """Listens to the answers on one connection of HTTP/1.1."""

    found: set[Acknowledged]
    """Where acknowledgements are noted."""
    _pending: bytes = b""
    _lost: bool = False

    def hear(self, data: bytes) -> None:
        """Take in the next bytes that the server sent."""
        self._pending += data
        while not self._lost and (end := self._pending.find(HEADERS_END)) >= 0:
            length = _length(self._pending[:end])
            if length is None:  # a stream, or something else without a length: nothing more is understood
                self._lost = True
                return
            begin = end + len(HEADERS_END)
            if len(self._pending) < begin + length:
                return
            body, self._pending = self._pending[begin : begin + length], self._pending[begin + length :]
            if b'"outcomes"' in body:
                self._note(json.loads(body))

    def _note(self, answer: Any) -> None:
        for outcome in answer.get("outcomes", ()):
            if outcome["accepted"]:
                self.found.add(Acknowledged(outcome["job_id"], outcome["fence"], outcome["status"]))


def _length(headers: bytes) -> int | None:
    for line in headers.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    return 0 if b" 204 " in headers.split(b"\r\n", 1)[0] else None
