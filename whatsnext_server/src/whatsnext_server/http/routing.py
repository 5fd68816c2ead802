"""How endpoints are registered: paths with and without trailing slash, strict JSON bodies, documented errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.datastructures import URLPath
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import Receive, Scope, Send

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


def check_content_type(request: Request) -> None:
    """Raise HTTPException 400 unless the body is declared to be JSON; a browser sends nothing else unasked."""
    declared = request.headers.get("content-type", "")
    kind = declared.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise HTTPException(
            400, f"The body's Content-Type is {declared[:100]!r}; send JSON with Content-Type: application/json."
        )


class Index(BaseRoute):
    """Finds an endpoint by method and first word of the path, where trying one after the other takes longer than it.

    It stands before the endpoints themselves, which stay where they are for the description of the API, and for a
    request that none of them answers.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes: dict[tuple[str, str], list[Route]] = {}
        for route in routes:
            if isinstance(route, Route):
                for method in route.methods or ():
                    self._routes.setdefault((method, _first_word(route.path)), []).append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether an endpoint answers the request, and with what."""
        if scope["type"] == "http":
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            for route in self._routes.get((scope["method"], _first_word(path)), ()):
                match, child = route.matches(scope)
                if match is Match.FULL:
                    return match, {**child, "whatsnext.route": route}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the endpoint that was found answer."""
        await scope["whatsnext.route"].handle(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """Leave the naming of paths to the endpoints themselves."""
        raise NoMatchFound(name, path_params)


def _first_word(path: str) -> str:
    return path[1:].partition("/")[0]


def new_router(tag: str) -> APIRouter:
    """Return a router whose endpoints are shown under ``tag``."""
    return APIRouter(tags=[tag], route_class=Endpoint, redirect_slashes=False)


__all__ = [
    "PROBLEMS",
    "Endpoint",
    "Index",
    "StrictRequest",
    "accept_trailing_slash",
    "check_content_type",
    "json_body",
    "new_router",
    "problems",
]
