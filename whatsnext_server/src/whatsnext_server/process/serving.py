"""Runs the application in this process until a signal ends it."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from whatsnext_core.errors import ConfigurationError
from whatsnext_server.app import create_app
from whatsnext_server.config import ServerSettings
from whatsnext_server.process.joining import JoiningProtocol
from whatsnext_server.process.logs import configure_logging
from whatsnext_server.process.opening import opened_storage

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open; longer than clients pause between two requests."""
GRACE = 15
"""Seconds that running requests get to be answered once the server was asked to end."""
SILENT = 60
"""Seconds after which a connection ends whose other side takes nothing of what it was sent: its machine is gone."""
BACKLOG = 2048
"""Connections that may wait to be accepted."""
SWITCH = 0.001
"""Seconds that one thread may keep others from running Python: reading a large batch holds up nobody for longer."""
YOUNG = 50_000
"""Objects that are made before Python looks for garbage among them: as many as a large batch needs, which would else be
gone through again and again while it is worked on, for a third of the time that it takes."""
OPEN_WARNING = "The server is open: whoever reaches %s may use it. Set api_keys, or listen on 127.0.0.1."

_log = logging.getLogger(__name__)


def serve(settings: ServerSettings, *, config: str | Path | None = None, announce: Callable[[str, int], None]) -> None:
    """Serve until SIGTERM or SIGINT; then answer what is waiting, write what was accepted, and return.

    Args:
        settings: How to serve.
        config: The config file that holds the plugins' settings; None for those that are found.
        announce: Called with the URL and the port once the server listens.

    Raises:
        WhatsNextError: it cannot start; the message says why.
    """
    configure_logging(settings)
    sys.setswitchinterval(SWITCH)
    with (
        ending_by_signal(),
        opened_storage(settings, config) as storage,
        listen(settings.host, settings.port) as listener,
    ):
        if settings.is_open and not settings.is_local:
            _log.warning(OPEN_WARNING, settings.host)
        server = _Server(create_app(settings, storage, config=config), announce)
        gc.freeze()
        gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
        server.run(sockets=[listener])


@contextmanager
def ending_by_signal() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the block with the exit status 0, also while no web server listens to them."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: sys.exit(0)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address; ConfigurationError if that is not possible."""
    listener: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT * 1000)
        listener.bind(address)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise ConfigurationError(
            f"Cannot listen on host {host}, port {port}: {error.strerror}. Use a free port (0 finds one) and an "
            f"address of this machine."
        ) from error
    return listener


def write_port_file(path: Path, port: int) -> None:
    """Write a port into a file that appears with its whole content."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(f"{port}\n")
    draft.replace(path)


class _Server(uvicorn.Server):
    """A server that tells when it listens."""

    def __init__(self, app: FastAPI, announce: Callable[[str, int], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=JoiningProtocol,
                log_config=None,
                access_log=False,
                lifespan="on",
                backlog=BACKLOG,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=GRACE,
            )
        )
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and announce the address."""
        await super().startup(sockets)
        for each in (sockets or [])[:1]:
            host, port = each.getsockname()[:2]
            self._announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}", port)


__all__ = ["listen", "serve", "write_port_file"]
