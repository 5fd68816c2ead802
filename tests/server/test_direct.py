"""Endpoints that are called directly get what FastAPI would give them, and answer what it would answer."""

import asyncio
import functools
import logging
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.server.serving import Api, serving
from whatsnext_core.memory import MemoryStorage
from whatsnext_server.app import create_app
from whatsnext_server.config import ServerSettings
from whatsnext_server.http import errors
from whatsnext_server.http.direct import Direct, call_of
from whatsnext_server.http.routing import Endpoint
from whatsnext_server.routers import ALL

JSON = {"Content-Type": "application/json"}
ROUTES = [route for router in ALL for route in router.routes if isinstance(route, Endpoint)]
NEW_JOB = b'{"name":"j","project_id":1,"task":"t","parameters":{"x":[1,2.5,null]},"depends":{"7":"a"}}'
FITTING: list[tuple[str, str, bytes | None, dict[str, str]]] = [
    ("POST", "/jobs/", NEW_JOB, JSON),
    ("POST", "/jobs", NEW_JOB, {"Content-Type": "Application/JSON; charset=utf-8"}),
    ("POST", "/jobs/?name=x", NEW_JOB, JSON),
    ("PUT", "/jobs/17", b'{"status":"completed","name":null}', JSON),
    ("GET", "/jobs/17", None, {}),
    ("GET", "/jobs/0017/", None, {}),
    ("GET", "/jobs/?project_id=1&limit=7&order=newest&task=&name=a+b%20c", None, {}),
    ("GET", "/jobs/?limit=7&limit=8&status_=x&unknown=1", None, {}),
    ("GET", "/clients/?active_only=off&skip=3", None, {}),
    ("POST", "/clients/worker-1/sync", b"anything", {"Content-Type": "text/plain"}),
    ("DELETE", "/projects/3/jobs/4", None, {}),
    ("GET", "/projects/name/a%2Fb/c%20d", None, {}),
    ("GET", "/tasks/name/t?project_id=5", None, {}),
    ("PATCH", "/jobs/1/logs/stderr?fence=2&offset=0", b"\x00\xff", {}),
    ("GET", "/jobs/1/artifacts/plots/loss.png", None, {"Range": "bytes=0-9", "if-none-match": '"x"'}),
    ("HEAD", "/jobs/1/artifacts/plots/loss.png/", None, {"If-Match": '"\xe9"'}),
    ("GET", "/events?since=2026-01-31T12:00:00Z&after=0", None, {"Last-Event-ID": "12"}),
    ("GET", "/", None, {}),
]
OTHERS: list[tuple[str, str, bytes | None, dict[str, str]]] = [
    ("GET", "/jobs/?status=pending&status=running", None, {}),
    ("POST", "/jobs/", NEW_JOB, {"Content-Type": "application/merge-patch+json"}),
]
"""Requests that FastAPI answers, though nothing is wrong with them."""
WRONG: list[tuple[str, str, bytes | None, dict[str, str]]] = [
    ("POST", "/jobs/", NEW_JOB, {}),
    ("POST", "/jobs/", NEW_JOB, {"Content-Type": "text/plain"}),
    ("POST", "/jobs/", NEW_JOB, {"Content-Type": "application/x/y+json"}),
    ("POST", "/jobs/", None, JSON),
    ("POST", "/jobs/", b"null", JSON),
    ("POST", "/jobs/", b'{"name":7,"unknown":1}', JSON),
    ("POST", "/jobs/", b"{", JSON),
    ("PUT", "/jobs/x", b"{", JSON),
    ("PUT", "/jobs/x", b'{"priority":"high"}', JSON),
    ("GET", "/jobs/0", None, {}),
    ("GET", "/projects/name/a%00b", None, {}),
    ("GET", "/tasks/name/t?project_id=1&x=%00", None, {}),
    ("GET", "/jobs/?limit=-1&order=x", None, {}),
    ("GET", "/jobs/1/logs/nix?offset=", None, {}),
    ("PATCH", "/jobs/1/logs/stdout?offset=1", b"x", {}),
    ("GET", "/events", None, {"Last-Event-ID": "x"}),
    ("PATCH", "/jobs/1", None, {}),
    ("GET", "/nothing", None, {}),
]


class Pair:
    """The endpoints twice, called directly and through FastAPI; they only note what they were called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        routes: list[BaseRoute] = [
            Endpoint(route.path, self.noting(route.endpoint), methods=route.methods) for route in ROUTES
        ]
        self.apps: list[FastAPI] = []
        for middleware in ([Middleware(errors.LastResort), Middleware(Direct, routes)], []):
            app = FastAPI(middleware=middleware, routes=routes, redirect_slashes=False)
            errors.install(app)
            self.apps.append(app)

    def noting(self, endpoint: Any) -> Any:
        """A function with the same parameters as an endpoint."""

        @functools.wraps(endpoint)
        async def note(**arguments: Any) -> Response:
            request = arguments.pop("request", None)
            arguments["all of the body"] = await request.body() if request else None
            arguments["headers"] = dict(request.headers) if request else None
            self.calls.append((endpoint.__name__, arguments))
            return Response(endpoint.__name__)

        return note

    async def ask(self, method: str, path: str, content: bytes | None, headers: dict[str, str]) -> tuple[Any, Any]:
        """What came of a request, directly and through FastAPI: status, body, and what an endpoint was called with."""
        found = []
        for app in self.apps:
            self.calls.clear()
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
                raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
                async with asyncio.timeout(30):
                    answer = await client.request(method, path, content=content, headers=raw)
            found.append((answer.status_code, dict(answer.headers), answer.content, list(self.calls)))
        return found[0], found[1]


@pytest.fixture(scope="module")
def pair() -> Pair:
    """The endpoints twice."""
    return Pair()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{min(route.methods)} {route.path}")
def test_every_endpoint_can_be_called_directly(route: Endpoint) -> None:
    assert call_of(route) is not None


@pytest.mark.anyio
@pytest.mark.parametrize("request_", [*FITTING, *OTHERS], ids=str)
async def test_endpoint_gets_what_fastapi_would_give_it(pair: Pair, request_: Any) -> None:
    directly, through_fastapi = await pair.ask(*request_)
    assert directly == through_fastapi
    assert len(directly[-1]) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("request_", WRONG, ids=str)
async def test_what_does_not_fit_is_answered_as_fastapi_would(pair: Pair, request_: Any) -> None:
    directly, through_fastapi = await pair.ask(*request_)
    assert directly == through_fastapi
    assert directly[0] >= 400


@pytest.mark.anyio
@pytest.mark.parametrize("request_", FITTING, ids=str)
async def test_what_fits_does_not_pass_through_fastapi(pair: Pair, request_: Any, monkeypatch: Any) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("FastAPI was asked")

    monkeypatch.setattr(pair.apps[0].router, "default", refuse)
    monkeypatch.setattr(pair.apps[0].router, "routes", [])
    directly, _ = await pair.ask(*request_)
    assert directly[0] == 200


class Broken(MemoryStorage):
    """A storage with a defect."""

    def read(self) -> Any:
        """Fail as nobody foresaw."""
        raise RuntimeError("inner workings")


def test_defect_is_500_logged_and_leaves_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    with serving(Broken()) as api:
        answer = api.http.get("/jobs/7")
        assert (answer.status_code, answer.headers.get("connection")) == (500, None)
        assert "failed unexpectedly" in answer.json()["detail"]
        assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
            "GET /jobs/7 failed unexpectedly"
        ]
        assert "inner workings" in caplog.text


class Counting:
    """A layer that notes what passes through it."""

    def __init__(self, app: ASGIApp, seen: list[str]) -> None:
        self._app = app
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        self._seen.append(scope["path"])
        await self._app(scope, receive, send)


async def ask(app: FastAPI, path: str) -> int:
    """The status that an application answers."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
        return (await client.get(path)).status_code


@pytest.mark.anyio
async def test_layer_that_was_added_sees_all_requests() -> None:
    app, seen = create_app(ServerSettings(database="memory://"), MemoryStorage()), list[str]()
    app.add_middleware(Counting, seen=seen)
    assert [await ask(app, path) for path in ("/", "/openapi.json", "/nothing")] == [200, 200, 404]
    assert seen == ["/", "/openapi.json", "/nothing"]


@pytest.mark.anyio
@pytest.mark.parametrize("observed", [False, True])
async def test_fastapi_hears_of_all_requests_if_somebody_observes_them(observed: bool, monkeypatch: Any) -> None:
    app, heard = create_app(ServerSettings(database="memory://"), MemoryStorage()), list[str]()

    async def hear(self: FastAPI, scope: Scope, receive: Receive, send: Send) -> None:
        heard.append(scope["path"])
        await Starlette.__call__(self, scope, receive, send)

    monkeypatch.setattr(FastAPI, "__call__", hear)
    monkeypatch.setattr(app, "_native_telemetry", SimpleNamespace(enabled=lambda: observed), raising=False)
    assert [await ask(app, "/") for _ in range(3)] == [200, 200, 200]
    assert len(heard) == (3 if observed else 1), "the first one makes the layers"


def test_errors_of_endpoints_get_their_statuses(memory_api: Api) -> None:
    detail = memory_api.call("GET", "/jobs/999999", status=404)["detail"]
    assert "999999" in detail
    assert memory_api.call("POST", "/jobs/", status=422, content=b"", headers=JSON)["detail"][0]["type"] == "missing"
