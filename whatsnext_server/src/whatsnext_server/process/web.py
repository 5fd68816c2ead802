"""The web server that runs the application, and the socket that it listens on."""

from __future__ import annotations

import gc
import socket
import sys
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from whatsnext_core.errors import ConfigurationError
from whatsnext_server.process.joining import JoiningProtocol

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

Announce = Callable[[str, int], None]
"""Called with the URL and the port once the server listens."""


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


def settle_in() -> None:
    """Let this process run Python as a server does; called when all that stays has been made."""
    sys.setswitchinterval(SWITCH)
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


def announce_to(announce: Announce, listener: socket.socket) -> None:
    """Tell the address of a socket that listens."""
    host, port = listener.getsockname()[:2]
    announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}", port)


class WebServer(uvicorn.Server):
    """A web server for the application."""

    def __init__(self, app: FastAPI) -> None:
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


__all__ = ["BACKLOG", "Announce", "WebServer", "announce_to", "listen", "settle_in"]
