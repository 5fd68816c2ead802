"""Keeps bodies of requests within their limits, whether their length is declared or not."""

from __future__ import annotations

import re
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whatsnext_server.http.answers import Answer

BATCH: Final = re.compile(r"/projects/[^/]+/jobs/batch/?")
ARTIFACT: Final = re.compile(r"/jobs/[^/]+/artifacts/.+")
"""The paths whose bodies may be larger."""
_SPLIT: Final = "Split it, or put large data in files."
_HINTS: Final = {"max_artifact_bytes": "Keep such a file elsewhere, and only its path or URL with the job."}


class BodyLimit:
    """Refuses a body with 413 as soon as it is known to be too large."""

    def __init__(self, app: ASGIApp, max_request_bytes: int, max_batch_bytes: int, max_artifact_bytes: int) -> None:
        self._app = app
        self._limits = {
            "max_request_bytes": max_request_bytes,
            "max_batch_bytes": max_batch_bytes,
            "max_artifact_bytes": max_artifact_bytes,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        setting = self._setting(scope["path"])
        declared = _declared(scope)
        if declared is None:
            await self._app(scope, self._counted(receive, setting), send)
        elif declared <= self._limits[setting]:
            await self._app(scope, receive, send)
        else:
            await Answer({"detail": self._detail(setting)}, 413, {"Connection": "close"})(scope, receive, send)

    def _counted(self, receive: Receive, setting: str) -> Receive:
        """Return what receives a body whose length nobody knows; HTTPException 413 once it is too large."""
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limits[setting]:
                raise HTTPException(413, self._detail(setting), {"Connection": "close"})
            return message

        return counted

    def _detail(self, setting: str) -> str:
        return (
            f"The body has more than {self._limits[setting]} bytes, the most that the server takes here ({setting}); "
            f"nothing was written. {_HINTS.get(setting, _SPLIT)}"
        )

    def _setting(self, path: str) -> str:
        """Return the name of the limit for what is sent to a path."""
        if BATCH.fullmatch(path):
            return "max_batch_bytes"
        if ARTIFACT.fullmatch(path) and self._limits["max_artifact_bytes"]:
            return "max_artifact_bytes"
        return "max_request_bytes"


def _declared(scope: Scope) -> int | None:
    """Return the length of a request's body as it is declared, None if it is not, and the body may have any.

    The web server has refused a length that is no number, and takes no more than that.
    """
    declared = None
    for name, value in scope["headers"]:
        if name == b"content-length":
            declared = int(value)
        elif name == b"transfer-encoding":
            return None
    return declared


__all__ = ["BodyLimit"]
