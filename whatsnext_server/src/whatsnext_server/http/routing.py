"""How endpoints are registered: paths with and without trailing slash, strict JSON bodies, documented errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive

from whatsnext_server.http.reading import parse_json
from whatsnext_server.schemas.common import Problem

PROBLEMS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("A value breaks a rule.", "The priority of job 'train' is 99999999999; it must be from -2147483647 to ..."),
    401: ("No API key was sent.", "This server needs an API key; send it in the header X-API-Key."),
    403: (
        "The API key is not one of the server's, or a page of another site sent the request.",
        "The API key that was sent is not valid here.",
    ),
    404: ("Something that was named does not exist.", "Project with id 999 not found."),
    409: ("The present state forbids it.", "A project named 'digits' exists already."),
    412: (
        "It is not what was asked for any more.",
        "Artifact 'model.pt' of job 17 has the ETag ... now; fetch it anew.",
    ),
    413: ("The body, or a value in it, is too large.", "The body has more than 4194304 bytes, the most that ..."),
    416: (
        "The range lies behind the end.",
        "Artifact 'model.pt' of job 17 has 5 bytes; the range 'bytes=9-' has none.",
    ),
    429: ("Too many requests from one key or address.", "More than 600 requests in a minute; try again in 12 seconds."),
    503: ("The server cannot do it now.", "The database cannot be reached; try again in a second."),
}
"""The statuses of errors, each with what it means and an example."""


JSON: Final = "application/json"
"""The type that bodies are declared to have."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of error answers, for ``responses=``."""
    return {
        status: {
            "model": Problem,
            "description": PROBLEMS[status][0],
            "content": {"application/json": {"example": {"detail": PROBLEMS[status][1]}}},
        }
        for status in statuses
    }


def json_body(schema: str, example: Any) -> dict[str, Any]:
    """Return the documentation of a body that the endpoint reads by itself, for ``openapi_extra=``."""
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def accept_trailing_slash(route: Route) -> None:
    """Let a route match its path with and without a slash at the end."""
    pattern = route.path_regex.pattern.removesuffix("$").removesuffix("/")
    route.path_regex = re.compile(pattern.replace(">.*)", ">.*?)") + "/?$")


class StrictRequest(Request):
    """A request whose body is JSON in the strict sense."""

    async def json(self) -> Any:
        """Return what the body says."""
        return parse_json(await self.body())

    async def body(self) -> bytes:
        """Return the body, which mostly comes in one piece."""
        if not hasattr(self, "_body"):  # FastAPI's documentation of custom requests keeps it under this name too
            parts, goes_on = [], True
            while goes_on:
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                parts.append(message.get("body", b""))
                goes_on = message.get("more_body", False)
            self._body = b"".join(parts)
        return self._body

    def again(self) -> Receive:
        """Return what receives the body once more, if it was read."""
        if not hasattr(self, "_body"):
            return self.receive
        messages = iter([{"type": "http.request", "body": self._body, "more_body": False}])

        async def receive() -> Message:
            return next(messages, None) or await self.receive()

        return receive


class Endpoint(APIRoute):
    """An endpoint that answers at its path with and without a trailing slash."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        accept_trailing_slash(self)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that answers a request."""
        handle = super().get_route_handler()
        has_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            check_address(request)
            if has_body:
                check_content_type(request)
            return await handle(StrictRequest(request.scope, request.receive))

        return strict


def check_address(request: Request) -> None:
    """Raise HTTPException 400 if path or query contain a NUL, which no name has and some databases stumble over."""
    if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise HTTPException(400, "The path or the query contains a NUL (%00); remove it.")


def check_content_type(request: Request) -> str:
    """Return what the body is declared to be; HTTPException 400 unless it is JSON. A browser sends none unasked."""
    found = next((value for name, value in request.scope["headers"] if name == b"content-type"), b"")
    declared = found.decode("latin-1")
    kind = declared.partition(";")[0].strip().lower()
    if kind != JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        raise HTTPException(
            400, f"The body's Content-Type is {declared[:100]!r}; send JSON with Content-Type: application/json."
        )
    return kind


def new_router(tag: str) -> APIRouter:
    """Return a router whose endpoints are shown under ``tag``."""
    return APIRouter(tags=[tag], route_class=Endpoint, redirect_slashes=False)


__all__ = [
    "JSON",
    "PROBLEMS",
    "Endpoint",
    "StrictRequest",
    "accept_trailing_slash",
    "check_content_type",
    "json_body",
    "new_router",
    "problems",
]
