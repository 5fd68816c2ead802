"""What a server's answer means: its document, or the error that its status and its sentence make."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import requests

from whatsnext_client.errors import (
    NotAuthenticatedError,
    NotPermittedError,
    OffsetError,
    RateLimitError,
    ServerFaultError,
    UnexpectedAnswerError,
)
from whatsnext_core.errors import ConflictError, InvalidError, NotFoundError, TooLargeError, WhatsNextError

_ERRORS: Final[Mapping[int, type[WhatsNextError]]] = {
    HTTPStatus.BAD_REQUEST: InvalidError,
    HTTPStatus.UNAUTHORIZED: NotAuthenticatedError,
    HTTPStatus.FORBIDDEN: NotPermittedError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.PRECONDITION_FAILED: ConflictError,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLargeError,
    HTTPStatus.UNPROCESSABLE_ENTITY: InvalidError,
    HTTPStatus.TOO_MANY_REQUESTS: RateLimitError,
}
_LONGEST: Final = 500
LARGE: Final = 65_536
"""Bytes from which on it is worth to import what reads them faster."""


def document(response: requests.Response, *, sync: bool = False) -> Any:
    """Return the JSON document of a response, the answer to a ``sync`` for instance; None if it has no content."""
    content = response.content
    if not content:
        return None
    if len(content) >= LARGE and response.encoding == "utf-8":
        from whatsnext_client import bulk

        with suppress(ValueError):  # what it does not know, it leaves to the standard library
            return bulk.read_exchange(content) if sync else bulk.read(content)
    try:
        return response.json()
    except ValueError as error:
        raise UnexpectedAnswerError(
            f"{response.url} answered {response.status_code} with something that is no JSON: "
            f"{response.text[:80]!r}. Is it a WhatsNext server?"
        ) from error


def check(response: requests.Response) -> requests.Response:
    """Return the response if the server did what it was asked, and raise the error that it describes otherwise."""
    if response.ok:
        return response
    raise error_of(response)


def error_of(response: requests.Response) -> WhatsNextError:
    """Return the error that a refusing response describes."""
    status = response.status_code
    sentence = _sentence(response)
    size = _size(response) if status == HTTPStatus.CONFLICT else None
    if size is not None:
        return OffsetError(sentence, size)
    if status in _ERRORS:
        return _ERRORS[status](sentence)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerFaultError(f"The server failed ({status} {response.reason}): {sentence}")
    return UnexpectedAnswerError(f"{response.url} answered {status} {response.reason}: {sentence}")


def _size(response: requests.Response) -> int | None:
    """Return the size of a log or a file that a refusal names."""
    try:
        size = response.json().get("size")
    except (ValueError, AttributeError):
        return None
    return size if isinstance(size, int) else None


def _sentence(response: requests.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        body = None
    detail = body.get("detail") if isinstance(body, Mapping) else None
    if isinstance(detail, str) and detail:
        return detail
    if isinstance(detail, list):
        return "; ".join(_complaint(item) for item in detail) or response.reason
    return response.text[:_LONGEST].strip() or response.reason


def _complaint(item: Any) -> str:
    """Return one entry of FastAPI's list of what is wrong with a request as a sentence with its place and value."""
    if not isinstance(item, Mapping):
        return str(item)
    place = ".".join(str(step) for step in item.get("loc", ()) if step not in {"body", "query", "path"})
    message = str(item.get("msg", item))
    given = item.get("input")
    simple = isinstance(given, str | int | float | bool) and repr(given) not in message
    shown = f" (given: {given!r:.80})" if simple else ""
    named = not place or place.rpartition(".")[2] in message
    return f"{message}{shown}" if named else f"{place}: {message}{shown}"
