"""What the server logs, for people or for machines; keys and other headers are never among it."""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whatsnext_core.converters import format_time
from whatsnext_server.config import ServerSettings

_log = logging.getLogger("whatsnext_server.requests")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the exception if there is one.

    With ``several`` processes it names the one.
    """

    def __init__(self, *, several: bool = False) -> None:
        super().__init__()
        self._several = several

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = {
            "time": format_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._several:
            entry["process"] = record.processName or ""
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """One line for people: time in UTC, level, message, and the exception below it.

    With ``several`` processes it names the one.
    """

    def __init__(self, *, several: bool = False) -> None:
        who = "%(processName)s " if several else ""
        super().__init__(f"%(asctime)s.%(msecs)03dZ %(levelname)-8s {who}%(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime


def configure_logging(settings: ServerSettings) -> None:
    """Send everything of the process to stderr, in the form and from the level that the settings ask for."""
    handler = logging.StreamHandler(sys.stderr)
    form = JsonFormatter if settings.log_format == "json" else TextFormatter
    handler.setFormatter(form(several=settings.processes > 1))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for chatty in ("alembic", "asyncio", "uvicorn"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


class RequestLog:
    """Logs each request with its status and time; used when the level is ``debug``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            took = (time.perf_counter() - begun) * 1000
            _log.debug("%s %s %d in %.1f ms", scope["method"], scope["path"], status, took)


__all__ = ["JsonFormatter", "RequestLog", "TextFormatter", "configure_logging"]
