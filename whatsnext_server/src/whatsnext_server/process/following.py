"""One of the processes that serve together: it is handed connections, and tells when one of them ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from attrs import evolve
from fastapi import FastAPI

from whatsnext_core.errors import ConfigurationError, UnreachableStorageError, WhatsNextError
from whatsnext_server.app import create_app
from whatsnext_server.config import ServerSettings
from whatsnext_server.process.joining import JoiningProtocol
from whatsnext_server.process.opening import opened_storage
from whatsnext_server.process.siblings import Lines, Siblings
from whatsnext_server.process.signals import ENDING, ending_by_signal
from whatsnext_server.process.web import WebServer, settle_in

CONNECTION: Final = b"c"
HURRY: Final = b"h"
"""What the leader sends: a connection to serve, and not to wait for what is under way."""
SERVES: Final = b"+"
ENDED: Final = b"-"
REFUSED: Final = b"!"
"""What it is told: this process serves; a connection has ended; it cannot start, with a kind of error and a text."""
AT_ONCE: Final = 64
"""Connections that are taken before others get their turn."""
KINDS: Final[dict[bytes, type[WhatsNextError]]] = {
    b"u": UnreachableStorageError,
    b"c": ConfigurationError,
    b"e": WhatsNextError,
}
"""The errors that the leader can tell apart, by how they are sent; each is the first that it is one of."""


def follow(
    number: int,
    settings: ServerSettings,
    config: str | Path | None,
    lines: Lines,
    channel: socket.socket,
    others: Iterable[socket.socket],
) -> NoReturn:
    """Serve what the leader hands over, until it asks to end or is gone; called in the new process, which it ends.

    Args:
        number: Which of the processes this is, from 0 on.
        settings: How to serve.
        config: The config file that holds the plugins' settings; None for those that are found.
        lines: Where the processes hear each other.
        channel: Where the leader is heard and told.
        others: What belongs to the leader, and is closed here.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for each in others:
        each.close()
    for number_of_signal in ENDING:
        signal.signal(number_of_signal, _leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    settings = evolve(settings, upgrade=False, database_wait_seconds=0)
    try:
        with opened_storage(settings, config) as storage:
            app = create_app(settings, storage, config=config, siblings=Siblings(lines, number))
            server = _Server(app, channel)
            settle_in()
            with ending_by_signal():
                server.run(sockets=[])
    except WhatsNextError as error:
        kind = next(kind for kind, each in KINDS.items() if isinstance(error, each))
        with suppress(OSError):
            channel.sendall(REFUSED + kind + str(error).encode())
        raise SystemExit(1) from error
    raise SystemExit(0)


def _leave(*_: object) -> None:
    """End before anything is served; an exception might be raised where Python tells of it and goes on."""
    os._exit(0)


class _Protocol(JoiningProtocol):
    """A connection that was handed over, and tells when it ends."""

    def __init__(self, ended: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self._ended: Callable[[], None] | None = ended

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that it ended."""
        super().connection_lost(exc)
        self._tell()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over as it is; from here on it does not count."""
        super().handle_websocket_upgrade()
        self._tell()

    def _tell(self) -> None:
        if self._ended is not None:
            self._ended()
            self._ended = None


class _Server(WebServer):
    """A server that listens nowhere: its connections come from the leader."""

    def __init__(self, app: FastAPI, channel: socket.socket) -> None:
        super().__init__(app)
        self._channel = channel
        self._told = b""
        self._arriving: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell the leader."""
        await super().startup(sockets)
        self._channel.setblocking(False)
        asyncio.get_running_loop().add_reader(self._channel, self._hear)
        self._tell(SERVES)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End; Ctrl+C goes to all processes of a terminal, and the leader alone decides about the second one."""
        super().handle_exit(signal.SIGTERM if sig == signal.SIGINT else sig, frame)

    def _tell(self, word: bytes) -> None:
        """Tell the leader a word, after those that it could not take before."""
        self._told += word
        with suppress(OSError):
            self._told = self._told[self._channel.send(self._told) :]

    def _hear(self) -> None:
        for _ in range(AT_ONCE):
            try:
                word, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                word, descriptors = b"", []
            for descriptor in descriptors:
                self._take(descriptor)
            if word == HURRY:
                self.force_exit = True
            if not word:
                asyncio.get_running_loop().remove_reader(self._channel)
                if not self.should_exit:
                    logging.getLogger(__name__).warning("The leading process is gone, so this one ends")
                signal.raise_signal(signal.SIGTERM)
                return

    def _take(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        connection = socket.socket(fileno=descriptor)
        connection.setblocking(False)
        if self.should_exit:
            connection.close()
            self._ended()
            return
        task = asyncio.get_running_loop().create_task(self._begin(connection))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _begin(self, connection: socket.socket) -> None:
        """Serve a connection as if it had been accepted here."""
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                lambda: _Protocol(
                    self._ended, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
                ),
                connection,
            )
        except OSError:
            connection.close()
            self._ended()

    def _ended(self) -> None:
        self._tell(ENDED)


__all__ = ["CONNECTION", "ENDED", "HURRY", "KINDS", "REFUSED", "SERVES", "follow"]
