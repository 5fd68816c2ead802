"""Runs the application until a signal ends it: in this process, or in several that this one leads."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

from fastapi import FastAPI

from whatsnext_server.app import create_app
from whatsnext_server.config import ServerSettings
from whatsnext_server.process.leading import Leader, check_shared
from whatsnext_server.process.logs import configure_logging
from whatsnext_server.process.opening import opened_storage
from whatsnext_server.process.signals import ending_by_signal
from whatsnext_server.process.web import Announce, WebServer, announce_to, listen, settle_in

OPEN_WARNING = "The server is open: whoever reaches %s may use it. Set api_keys, or listen on 127.0.0.1."

_log = logging.getLogger(__name__)


def serve(settings: ServerSettings, *, config: str | Path | None = None, announce: Announce) -> None:
    """Serve until SIGTERM or SIGINT; then answer what is waiting, write what was accepted, and return.

    Args:
        settings: How to serve.
        config: The config file that holds the plugins' settings; None for those that are found.
        announce: Called with the URL and the port once the server listens.

    Raises:
        WhatsNextError: it cannot start; the message says why.
    """
    configure_logging(settings)
    with ending_by_signal():
        if settings.processes > 1:
            _serve_by_several(settings, config, announce)
            return
        with opened_storage(settings, config) as storage, listen(settings.host, settings.port) as listener:
            _warn_if_open(settings)
            server = _Server(create_app(settings, storage, config=config), announce)
            settle_in()
            server.run(sockets=[listener])


def _serve_by_several(settings: ServerSettings, config: str | Path | None, announce: Announce) -> None:
    check_shared(settings, config)
    with opened_storage(settings, config):
        pass  # it has answered, and its tables are as they must be; each process opens it for itself
    with listen(settings.host, settings.port) as listener:
        _warn_if_open(settings)
        Leader(settings, config, listener, announce).run()


def _warn_if_open(settings: ServerSettings) -> None:
    if settings.is_open and not settings.is_local:
        _log.warning(OPEN_WARNING, settings.host)


def write_port_file(path: Path, port: int) -> None:
    """Write a port into a file that appears with its whole content."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(f"{port}\n")
    draft.replace(path)


class _Server(WebServer):
    """A server that tells when it listens."""

    def __init__(self, app: FastAPI, announce: Announce) -> None:
        super().__init__(app)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and announce the address."""
        await super().startup(sockets)
        for each in (sockets or [])[:1]:
            announce_to(self._announce, each)


__all__ = ["listen", "serve", "write_port_file"]
