"""Sends the head of an answer together with what follows it.

The web server writes the two apart, and each goes out at once: that is one more call of the operating system, one more
packet, and one more time that whoever waits for the answer is woken.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST: Final = 64 * 1024
"""Bytes that are joined, at most; to copy more costs more than to send it apart."""


class Joining:
    """A transport that keeps what is written until more is, or until nothing else is to do at the moment."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.transport = transport
        """What it writes to."""
        self._loop = loop
        self._kept = b""
        self._later: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        """Send this with what is kept, or keep it."""
        if self._later is None:
            self._kept, self._later = data, self._loop.call_soon(self._send)
        else:
            self._later.cancel()
            self._send(data)

    def close(self) -> None:
        """Close the transport after what is kept was sent."""
        if self._later is not None:
            self._later.cancel()
            self._send()
        self.transport.close()

    def _send(self, data: bytes = b"") -> None:
        kept, self._kept, self._later = self._kept, b"", None
        if self.transport.is_closing():
            return
        if len(kept) + len(data) > MOST:
            self.transport.write(kept)
            self.transport.write(data)
        else:
            self.transport.write(b"".join((kept, data)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)


class JoiningProtocol(HttpToolsProtocol):
    """HTTP, with each answer in one piece if it is short."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in its base
        """Begin to serve a connection."""
        super().connection_made(cast("asyncio.Transport", Joining(transport, self.loop)))

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over as it is."""
        self.transport = cast("Joining", self.transport).transport
        super().handle_websocket_upgrade()


__all__ = ["MOST", "Joining", "JoiningProtocol"]
