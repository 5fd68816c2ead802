"""Who may use the server, and how often: API keys, authenticators of plugins, and the rate limit."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import Final

from attrs import frozen
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage as CounterStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from whatsnext_server.config import ServerSettings
from whatsnext_server.hookspecs import Authenticator, Credentials, DeniedError
from whatsnext_server.http.answers import Answer
from whatsnext_server.process.siblings import Siblings

OPEN_PATHS: Final = frozenset({"/", "/checkdb", "/docs", "/redoc", "/openapi.json"})
"""The paths that need no key."""
HEADER: Final = b"x-api-key"
NO_KEY: Final = "This server needs an API key; send it in the header X-API-Key."
WRONG_KEY: Final = "The API key that was sent is not valid here; ask whoever runs the server for one."
CHALLENGE: Final = {"WWW-Authenticate": 'ApiKey realm="WhatsNext"'}

POLICY_VIOLATION: Final = 1008
"""The code that closes a WebSocket which may not come in."""

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Verdict:
    """What became of the credentials of a request."""

    caller: str | None
    """Who sends it; None if it may not come in."""
    status: int = 200
    """The status that it is refused with."""
    detail: str = ""
    """Why, in a sentence."""


class Doorkeeper:
    """Decides who comes in."""

    def __init__(self, settings: ServerSettings, authenticators: Mapping[str, Authenticator]) -> None:
        self._digests = [_digest(key.encode()) for key in settings.api_keys]
        self._authenticators = dict(authenticators)

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to decide."""
        return bool(self._digests or self._authenticators)

    async def judge(self, scope: Scope) -> Verdict:
        """Return whether the request of ``scope`` may come in."""
        sent = next((value for name, value in scope["headers"] if name == HEADER), None)
        if sent is not None:
            number = self._find(sent)
            if number is not None:
                return Verdict(caller=f"key {number}")
        if self._authenticators:
            verdict = await self._ask(_credentials(scope))
            if verdict is not None:
                return verdict
        if sent is None:
            return Verdict(caller=None, status=401, detail=NO_KEY)
        return Verdict(caller=None, status=403, detail=WRONG_KEY)

    def _find(self, sent: bytes) -> int | None:
        """Return the number of the key that was sent; all are compared, whichever it is, in constant time."""
        digest, found = _digest(sent), None
        for number, each in enumerate(self._digests, 1):
            if hmac.compare_digest(each, digest):
                found = number
        return found

    async def _ask(self, credentials: Credentials) -> Verdict | None:
        """Return what the authenticators say; None if none of them found anything to read."""
        for name, authenticator in self._authenticators.items():
            try:
                caller = await asyncio.to_thread(authenticator.authenticate, credentials)
            except DeniedError as error:
                return Verdict(caller=None, status=403, detail=str(error) or WRONG_KEY)
            except Exception:  # noqa: BLE001  # the boundary to code of strangers: it denies
                _log.exception("The authenticator %r failed; the request is refused", name)
                return Verdict(
                    caller=None, status=403, detail=f"The authenticator {name!r} failed; the server's log says why."
                )
            if caller is not None:
                return Verdict(caller=f"{name}:{caller}")
        return None


class Throttle:
    """Counts the requests of each caller in windows of a minute, those to other processes of this server too."""

    def __init__(self, per_minute: int, siblings: Siblings | None = None) -> None:
        self._item = RateLimitItemPerMinute(per_minute)
        self._limiter = FixedWindowRateLimiter(CounterStorage())
        self._siblings = siblings
        if siblings is not None:
            siblings.counts = self._add

    def wait(self, caller: str) -> int:
        """Count a request and return the seconds that the caller must wait; 0 if it may go on."""
        if self._siblings is not None:
            self._siblings.request(caller)
        if self._limiter.hit(self._item, caller):
            return 0
        reset = self._limiter.get_window_stats(self._item, caller).reset_time
        return max(1, ceil(reset - time.time()))

    def _add(self, caller: str, count: int) -> None:
        self._limiter.hit(self._item, caller, cost=count)


class Guard:
    """Lets requests in: those with a valid key, those that an authenticator knows, and those of the open paths."""

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper, per_minute: int, siblings: Siblings | None = None) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
        self._per_minute = per_minute
        self._throttle = Throttle(per_minute, siblings) if per_minute else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        verdict = Verdict(caller=_address(scope))
        if self._doorkeeper.is_needed and not is_open_path(scope["path"]):
            verdict = await self._doorkeeper.judge(scope)
        refusal = self._refusal(verdict, _address(scope))
        if refusal is not None:
            await _refuse(refusal, scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = verdict.caller
        await self._app(scope, receive, send)

    def _refusal(self, verdict: Verdict, address: str) -> Answer | None:
        """Return the answer to a request that does not come in. Who shows no valid key is counted by address."""
        seconds = self._throttle.wait(verdict.caller or address) if self._throttle else 0
        if seconds:
            detail = f"More than {self._per_minute} requests in a minute; try again in {seconds} seconds."
            return Answer({"detail": detail}, 429, {"Retry-After": str(seconds)})
        if verdict.caller is None:
            headers = (
                {"WWW-Authenticate": 'ApiKey realm="WhatsNext"'} if verdict.status == HTTPStatus.UNAUTHORIZED else None
            )
            return Answer({"detail": verdict.detail}, verdict.status, headers)
        return None


async def _refuse(refusal: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await refusal(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})


def is_open_path(path: str) -> bool:
    """Return whether a path needs no key."""
    return (path.removesuffix("/") or "/") in OPEN_PATHS


def _digest(key: bytes) -> bytes:
    """Return a hash of a key: of one length for all keys, so that comparing tells nothing of it."""
    return hashlib.sha256(key).digest()


def _address(scope: Scope) -> str:
    client: Sequence[object] | None = scope.get("client")
    return str(client[0]) if client else ""


def _credentials(scope: Scope) -> Credentials:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Credentials(headers=headers, address=_address(scope), method=scope.get("method", "GET"), path=scope["path"])


__all__ = ["OPEN_PATHS", "Doorkeeper", "Guard", "Throttle", "Verdict", "is_open_path"]
