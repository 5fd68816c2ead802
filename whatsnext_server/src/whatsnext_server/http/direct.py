"""Calls endpoints directly, without the layers of the framework that ours have no use for.

FastAPI describes the endpoints and answers whatever does not fit them, so that each such answer has one source. What
fits, and that is nearly everything, takes the short way.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from re import Pattern
from typing import Any

from fastapi import params
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError, create_model
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from whatsnext_server.http.errors import LastResort, answer_to
from whatsnext_server.http.reading import parse_json
from whatsnext_server.http.routing import JSON, StrictRequest, check_address, check_content_type


class Call:
    """How an endpoint is called whose parameters are the request, its JSON body, and parts of path, query and headers.

    Pydantic checks them all at once, by the types by which FastAPI checks them one after the other.

    Raises:
        TypeError: it has a parameter of another kind.
    """

    def __init__(self, endpoint: Callable[..., Awaitable[Response]]) -> None:
        self._endpoint = endpoint
        self._request: list[str] = []
        self._body: str | None = None
        self._query: list[str] = []
        self._headers: dict[bytes, str] = {}
        fields: dict[str, Any] = {}
        for name, parameter in inspect.signature(endpoint, eval_str=True).parameters.items():
            if parameter.annotation is Request:
                self._request.append(name)
            else:
                self._note(name, parameter.annotation)
                default = ... if parameter.default is parameter.empty else parameter.default
                fields[name] = (parameter.annotation, default)
        self._arguments = create_model("Arguments", **fields)

    def _note(self, name: str, kind: Any) -> None:
        """Note where a parameter comes from."""
        match next((each for each in getattr(kind, "__metadata__", ()) if isinstance(each, params.Param)), None):
            case params.Path(alias=None):
                pass
            case params.Query(alias=None):
                self._query.append(name)
            case params.Header(alias=alias, convert_underscores=True):
                self._headers[(alias or name.replace("_", "-")).lower().encode()] = alias or name
            case None if isinstance(kind, type) and issubclass(kind, BaseModel) and self._body is None:
                self._body = name
            case _:
                raise TypeError(f"Only FastAPI can read {name}")

    async def answer(self, request: StrictRequest, given: dict[str, Any]) -> Response | None:
        """Return what the endpoint answers to a request with these parts of the path; None if it does not fit."""
        check_address(request)
        scope = request.scope
        if self._query and scope["query_string"]:
            query = request.query_params
            given.update((name, query[name]) for name in self._query if name in query)
        if self._headers:
            found = [each for each in scope["headers"] if each[0] in self._headers]
            given.update((self._headers[name], value.decode("latin-1")) for name, value in reversed(found))
        if self._body is not None:
            body = await request.body() if check_content_type(request) == JSON else b""
            if not body:
                return None
            given[self._body] = parse_json(body)
        try:
            arguments = vars(self._arguments.model_validate(given))
        except ValidationError:
            return None
        return await self._endpoint(**arguments, **dict.fromkeys(self._request, request))


class Direct:
    """Lets the endpoint that a request means answer it, found by method and first word of the path."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._calls: dict[tuple[str, str], list[tuple[Pattern[str], Call | None]]] = {}
        for route in routes:
            if isinstance(route, Route):
                call = call_of(route)
                for method in route.methods or ():
                    key = (method, _first_word(route.path))
                    self._calls.setdefault(key, []).append((route.path_regex, call))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        call, parts = self._find(scope) if scope["type"] == "http" else (None, {})
        if call is None:
            await self._app(scope, receive, send)
            return
        request = StrictRequest(scope, receive, send)
        try:
            response = await call.answer(request, parts)
        except Exception as error:  # noqa: BLE001  # the last resort: it is answered, and logged if nobody foresaw it
            response = await answer_to(error, scope)
        else:
            if response is None:
                await self._app(scope, request.again(), send)
                return
        if response is not None:
            is_whole = type(response).__call__ is Response.__call__
            await (response if is_whole else LastResort(response))(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[Call | None, dict[str, Any]]:
        """Return what answers a request, if it is called directly, and the parts of the path."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        for pattern, call in self._calls.get((scope["method"], _first_word(path)), ()):
            match = pattern.match(path)
            if match is not None:
                return call, match.groupdict()
        return None, {}


def call_of(route: Route) -> Call | None:
    """Return how to call the endpoint of a route; None if only FastAPI can."""
    if not isinstance(route, APIRoute) or route.dependencies or not inspect.iscoroutinefunction(route.endpoint):
        return None
    try:
        return Call(route.endpoint)
    except TypeError:
        return None


def _first_word(path: str) -> str:
    return path[1:].partition("/")[0]


__all__ = ["Call", "Direct", "call_of"]
