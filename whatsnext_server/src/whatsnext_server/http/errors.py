"""Errors of the server, and the one place where errors become answers.

Every answer with an error has a ``detail`` that names the value and says what to do: a sentence, or FastAPI's list for
a body that does not fit its schema.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whatsnext_core.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    OffsetError,
    StorageError,
    TooLargeError,
    UncertainStorageError,
    WhatsNextError,
)
from whatsnext_core.model.limits import shorten
from whatsnext_server.http.answers import Answer

_log = logging.getLogger(__name__)


class ServerError(WhatsNextError):
    """The server cannot do what it was asked for."""


class UnavailableError(ServerError):
    """The server cannot do it now; the same request may work later."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which to try again."""


class BusyError(UnavailableError):
    """So many requests wait already that this one was refused."""

    def __init__(self) -> None:
        super().__init__("The server has too many requests waiting; nothing was written. Try again in a second.", 1)


class StoppingError(UnavailableError):
    """The server is going down and takes in no more."""

    def __init__(self) -> None:
        super().__init__("The server is going down; nothing was written. Try again in a few seconds.", 5)


STATUSES: Final[tuple[tuple[type[WhatsNextError], int], ...]] = (
    (TooLargeError, 413),
    (InvalidError, 400),
    (NotFoundError, 404),
    (ConflictError, 409),
    (StorageError, 503),
    (UnavailableError, 503),
)
"""Which status an error gets: that of the first class which it belongs to, else 500."""


def status_of(error: WhatsNextError) -> int:
    """Return the status that an error gets."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def install(app: FastAPI) -> None:
    """Make all errors of ``app`` become answers here."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def _domain(request: Request, error: Exception) -> Response:
    error = cast("WhatsNextError", error)
    status = status_of(error)
    content: dict[str, Any] = {"detail": str(error)}
    headers: dict[str, str] = {}
    if isinstance(error, OffsetError):
        content["size"] = error.size
    if isinstance(error, UnavailableError):
        headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, StorageError):
        if not isinstance(error, UncertainStorageError):  # what may have been written is not to be repeated blindly
            headers["Retry-After"] = "1"
        _log.error("%s %s: the database failed: %s", request.method, request.url.path, error)
    elif status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("%s %s: %s", request.method, request.url.path, error)
    return Answer(content, status, headers)


async def _validation(_: Request, error: Exception) -> Response:
    return Answer({"detail": problems(cast("RequestValidationError", error).errors())}, 422)


async def _http(request: Request, error: Exception) -> Response:
    error = cast("HTTPException", error)
    headers = dict(error.headers or {})
    detail = error.detail
    path = shorten(request.url.path, 200)
    if error.status_code == HTTPStatus.NOT_FOUND and detail == "Not Found":
        detail = f"There is nothing at {path}; /docs lists what there is."
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = sorted(_methods(request))
        headers["Allow"] = ", ".join(allowed)
        detail = f"{request.method} is not possible at {path}; use {' or '.join(allowed)}."
    return Answer({"detail": detail}, error.status_code, headers)


async def _unforeseen(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed unexpectedly", request.method, request.scope["path"], exc_info=error)
    return Answer({"detail": "The server failed unexpectedly; its log says why. Please report it."}, 500)


_HANDLERS: Final = {WhatsNextError: _domain, RequestValidationError: _validation, HTTPException: _http}


async def answer_to(error: Exception, scope: Scope) -> Response | None:
    """Return the answer to a request that failed: 500, with a line in the log, if nobody foresaw the error.

    None if whoever sent it went away.
    """
    if isinstance(error, ClientDisconnect):
        _log.debug("%s %s: whoever sent it went away", scope["method"], scope["path"])
        return None
    handle = next((_HANDLERS[kind] for kind in type(error).__mro__ if kind in _HANDLERS), _unforeseen)
    return await handle(Request(scope), error)


class LastResort:
    """Answers what failed and was not answered yet."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, note)
        except Exception as error:
            if scope["type"] != "http" or (started and not isinstance(error, ClientDisconnect)):
                raise
            response = await answer_to(error, scope)
            if response is not None:
                await response(scope, receive, send)


def _methods(request: Request) -> set[str]:
    """Return the methods that the path of a request has."""
    methods: set[str] = set()
    for route in request.app.router.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return methods


def problems(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return FastAPI's list of problems, with messages that name the value, and free of what JSON cannot hold."""
    found = []
    for error in errors:
        place = [part if isinstance(part, int) else str(part) for part in error.get("loc", ())]
        what = ".".join(str(part) for part in place[1:]) or "The body"
        text = str(error.get("msg", "It is not valid")).removeprefix("Value error, ")
        if error.get("type") == "missing":
            message = f"{what} is missing; it must be given."
        elif error.get("type") == "extra_forbidden":
            message = f"{what} is unknown here; remove it, or see /docs for the names that there are."
        else:
            message = f"{what} is {shorten(error.get('input'))}: {text[:1].lower()}{text[1:]}."
        found.append({"type": str(error.get("type", "")), "loc": place, "msg": message})
    return found


__all__ = [
    "BusyError",
    "LastResort",
    "ServerError",
    "StoppingError",
    "UnavailableError",
    "answer_to",
    "install",
    "problems",
    "status_of",
]
