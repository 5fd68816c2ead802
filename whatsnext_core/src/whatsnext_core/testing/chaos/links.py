"""Links: small TCP proxies between workers and servers, which can be cut, slowed down and half-closed."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final

from attrs import define, field

CHUNK: Final = 1 << 16
RESET: Final = struct.pack("ii", 1, 0)
"""The option by which a socket, when it is closed, sends a reset."""
DELAY: Final = 0.2
"""Seconds by which a slow link is late."""


class Mood(StrEnum):
    """What a link does to what goes through it."""

    FINE = "fine"
    """Nothing."""
    CUT = "cut"
    """There is no way through."""
    SLOW = "slow"
    """It arrives late, each piece by ``DELAY``."""
    DEAF = "deaf"
    """Requests arrive, answers do not."""


class Loop:
    """A thread with an event loop, in which all links live."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos-links", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Return what a coroutine returns, run in the thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        """End the thread; close the links first."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@define(eq=False)
class _Connection:
    """One connection, both its ends."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    closed_for_answers: bool = False
    spoiled: bool = False
    """Whether bytes were lost, so that it must break."""
    tasks: list[asyncio.Task[None]] = field(factory=list)

    def abort(self) -> None:
        """Break it off at both ends."""
        for writer in filter(None, (self.client, self.server)):
            sock = writer.get_extra_info("socket")
            if sock is not None:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
        for task in self.tasks:
            task.cancel()


class Link:
    """A way from one client to the first of several servers that answers.

    Args:
        loop: Where it lives.
        targets: The ports of the servers on 127.0.0.1, in the order in which they are tried.
        listener: Makes what hears the answers of a new connection; None for nobody.
    """

    def __init__(
        self, loop: Loop, targets: Sequence[int], listener: Callable[[], Callable[[bytes], None]] | None = None
    ) -> None:
        self.mood = Mood.FINE
        """What it does now."""
        self.port = 0
        """Where it listens, on 127.0.0.1."""
        self._loop = loop
        self._targets = list(targets)
        self._listener = listener
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server = loop.run(self._open())

    @property
    def url(self) -> str:
        """The address of the server behind it."""
        return f"http://127.0.0.1:{self.port}"

    def set_mood(self, mood: Mood) -> None:
        """Change what it does; connections that cannot live on with that break."""
        self._loop.run(self._set_mood(mood))

    def half_close(self) -> None:
        """Close the answering half of all connections; what clients still send goes on to the server."""
        self._loop.run(self._half_close())

    def close(self) -> None:
        """End it, with all connections."""
        self._loop.run(self._close())

    # -- in the loop ---------------------------------------------------------------------------------------------------

    async def _open(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _set_mood(self, mood: Mood) -> None:
        self.mood = mood
        for connection in list(self._connections):
            if mood is Mood.CUT or connection.spoiled:
                connection.abort()

    async def _half_close(self) -> None:
        for connection in self._connections:
            connection.closed_for_answers = True
            with suppress(OSError):
                connection.client.write_eof()

    async def _close(self) -> None:
        self._server.close()
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer)
        self._connections.add(connection)
        try:
            found = None if self.mood is Mood.CUT else await self._connect()
            if found is None:
                return
            answers, connection.server = found
            connection.tasks = [
                asyncio.create_task(self._carry_requests(reader, connection.server)),
                asyncio.create_task(self._carry_answers(answers, connection)),
            ]
            await asyncio.wait(connection.tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connections.discard(connection)
            connection.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in self._targets:
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        return None

    async def _carry_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.mood is Mood.SLOW:
                    await asyncio.sleep(DELAY)
                writer.write(data)
                await writer.drain()

    async def _carry_answers(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        hear = self._listener() if self._listener is not None else None
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if hear is not None:
                    hear(data)
                if self.mood is Mood.SLOW:
                    await asyncio.sleep(DELAY)
                if self.mood is Mood.DEAF:
                    connection.spoiled = True
                if connection.spoiled or connection.closed_for_answers:
                    continue
                connection.client.write(data)
                await connection.client.drain()
