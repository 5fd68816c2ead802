"""A response that goes on: events, sent to whoever asked for them as they come."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from whatsnext_server.events.feed import Feed
from whatsnext_server.events.listening import Listener

STUCK: Final = 60.0
"""Seconds in which a listener must take something of what it is sent; then it is cut off."""

_log = logging.getLogger(__name__)


class EventStream(Response):
    """A stream of server-sent events."""

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, listener: Listener, *, stuck: float = STUCK) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._feed = feed
        self._listener = listener
        self._stuck = stuck

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the listener or the server goes."""
        chunks = self._feed.follow(self._listener)
        first = await anext(chunks)
        watch = asyncio.create_task(self._watch(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._send(send, first)
            async for chunk in chunks:
                await self._send(send, chunk)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            _log.info("A listener at %s took nothing for %g seconds and is cut off", scope.get("client"), self._stuck)
        finally:
            watch.cancel()
            await chunks.aclose()

    async def _send(self, send: Send, chunk: bytes) -> None:
        async with asyncio.timeout(self._stuck):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _watch(self, receive: Receive) -> None:
        """Let the listener go when its connection does."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._listener.end()


__all__ = ["STUCK", "EventStream"]
