import logging
from collections.abc import Iterator

import pytest
from starlette.types import Message, Scope

from tests.server.serving import Api, serving
from whatsnext_core.memory import MemoryStorage
from whatsnext_server.config import ServerSettings
from whatsnext_server.hookspecs import Credentials, DeniedError
from whatsnext_server.http.security import Doorkeeper, Guard

KEYS = ("first-key", "second-key", "third-key")


@pytest.fixture(scope="module")
def guarded() -> Iterator[Api]:
    with serving(MemoryStorage(), ServerSettings(api_keys=KEYS, log_level="debug")) as api:
        yield api


@pytest.mark.parametrize("key", KEYS)
def test_each_key_opens(guarded: Api, key: str) -> None:
    guarded.call("GET", "/projects/", headers={"X-API-Key": key})


def test_no_key_is_401(guarded: Api) -> None:
    response = guarded.http.get("/projects/")
    assert (response.status_code, response.json()) == (
        401,
        {"detail": "This server needs an API key; send it in the header X-API-Key."},
    )
    assert "www-authenticate" in response.headers


@pytest.mark.parametrize("key", [b"", b"first-ke", b"first-keys", b"FIRST-KEY", b"first-key,second-key", b"\xe9"])
def test_wrong_key_is_403(guarded: Api, key: bytes) -> None:
    response = guarded.http.get("/projects/", headers=[(b"X-API-Key", key)])
    assert response.status_code == 403
    assert "not valid" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/checkdb", "/checkdb/", "/docs", "/docs/", "/redoc", "/openapi.json"])
def test_open_paths_need_no_key(guarded: Api, path: str) -> None:
    assert guarded.http.get(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/projects", "/docs/x", "/docs//", "/checkdb/..%2fprojects", "/nothing", "/openapi.json/x"]
)
def test_anything_else_needs_a_key_even_if_it_does_not_exist(guarded: Api, path: str) -> None:
    assert guarded.http.get(path).status_code == 401


def test_keys_are_never_logged(guarded: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        guarded.call("GET", "/projects/?x=1", headers={"X-API-Key": KEYS[0]})
        guarded.call("GET", "/projects/", status=403, headers={"X-API-Key": "wrong-key"})
    assert "/projects/" in caplog.text
    assert not any(key in caplog.text for key in (*KEYS, "wrong-key"))


def test_keys_are_not_shown_with_the_settings() -> None:
    from whatsnext_server.config import load_server_settings

    settings = load_server_settings(overrides={"api_keys": "hidden-key", "database": "postgresql://me:pw@h/d"})
    assert settings.api_keys == ("hidden-key",)
    assert "hidden-key" not in repr(settings)
    assert "pw" not in repr(settings)


def test_description_names_the_header_if_keys_are_needed(guarded: Api, memory_api: Api) -> None:
    description = guarded.call("GET", "/openapi.json")
    scheme = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    assert description["components"]["securitySchemes"] == {"ApiKey": scheme}
    operation = description["paths"]["/jobs/"]["post"]
    assert operation["security"] == [{"ApiKey": []}]
    assert {"401", "403"} <= operation["responses"].keys()
    assert "security" not in description["paths"]["/checkdb"]["get"]
    assert "securitySchemes" not in memory_api.call("GET", "/openapi.json")["components"]


class Tokens:
    """Reads one header, and fails when it is asked to."""

    def __init__(self) -> None:
        self.seen: list[Credentials] = []

    def authenticate(self, credentials: Credentials) -> str | None:
        self.seen.append(credentials)
        token = credentials.headers.get("authorization")
        match token:
            case None:
                return None
            case "good":
                return "ann"
            case "bad":
                raise DeniedError("The token 'bad' has expired; get a new one.")
            case _:
                raise RuntimeError("the token service is down")


@pytest.mark.anyio
async def test_websocket_without_a_key_is_closed() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def nothing(*_: object) -> None:
        raise AssertionError("it came in")

    guard = Guard(nothing, Doorkeeper(ServerSettings(api_keys=("key",)), {}), 0)
    scope: Scope = {"type": "websocket", "path": "/live", "headers": [], "client": ("10.0.0.1", 5)}
    await guard(scope, nothing, send)  # type: ignore[arg-type]  # nothing is received
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def judge(doorkeeper: Doorkeeper, **headers: str) -> tuple[str | None, int]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": raw, "client": ("10.0.0.1", 5), "method": "GET", "path": "/jobs/"}
    verdict = await doorkeeper.judge(scope)
    return verdict.caller, verdict.status


@pytest.mark.anyio
async def test_authenticator_lets_in_denies_and_fails_closed(caplog: pytest.LogCaptureFixture) -> None:
    tokens = Tokens()
    doorkeeper = Doorkeeper(ServerSettings(api_keys=("key",)), {"tokens": tokens})
    assert await judge(doorkeeper, authorization="good") == ("tokens:ann", 200)
    assert await judge(doorkeeper, authorization="bad") == (None, 403)
    assert await judge(doorkeeper) == (None, 401)
    assert await judge(doorkeeper, x_api_key="wrong") == (None, 403)
    assert await judge(doorkeeper, authorization="boom") == (None, 403)
    assert "the token service is down" in caplog.text
    assert len(tokens.seen) == 5
    assert await judge(doorkeeper, x_api_key="key", authorization="bad") == ("key 1", 200)
    assert len(tokens.seen) == 5
    assert (tokens.seen[0].address, tokens.seen[0].path) == ("10.0.0.1", "/jobs/")
