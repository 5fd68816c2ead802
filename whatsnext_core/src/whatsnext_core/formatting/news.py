"""A descriptor that is readable while there is something to ask for."""

from __future__ import annotations

import socket
import weakref
from contextlib import suppress


class Bell:
    """Rings until it is silenced; any thread may ring it."""

    def __init__(self) -> None:
        self._heard, self._rung = socket.socketpair()
        self._heard.setblocking(False)
        self._rung.setblocking(False)
        self._finalize = weakref.finalize(self, _close, self._heard, self._rung)

    def ring(self) -> None:
        """Make the descriptor readable."""
        with suppress(OSError):
            self._rung.send(b"!")

    def silence(self) -> None:
        """Make it unreadable until the next ring."""
        with suppress(OSError):
            while self._heard.recv(4096):
                continue

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._heard.fileno()

    def close(self) -> None:
        """Close it; it rings no more."""
        self._finalize()


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        each.close()
