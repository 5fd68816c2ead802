"""Keeps pages of other sites, open in a browser on the same machine, from using a server that asks for no key."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from whatsnext_server.http.answers import Answer
from whatsnext_server.http.security import is_open_path

FOREIGN: Final = frozenset({b"cross-site", b"same-site"})
"""What a browser says in ``Sec-Fetch-Site`` of a request that a page of another origin caused."""


class ForeignPages:
    """Refuses what a page of another origin sends, unless that origin is one of ``cors_origins``.

    Closed CORS hides answers from such a page; but some requests do their work whether or not it sees the answer.
    Programs send no ``Sec-Fetch-Site`` and are not concerned.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and self._is_foreign(scope) and not is_open_path(scope["path"]):
            detail = "A page of another site sent this; add its origin to cors_origins if it may use this server."
            await Answer({"detail": detail}, 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_foreign(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"sec-fetch-site" and value in FOREIGN:
                origin = dict(scope["headers"]).get(b"origin", b"").decode("latin-1")
                return "*" not in self._allowed and origin not in self._allowed
        return False


__all__ = ["ForeignPages"]
