"""What the processes of one server tell each other: that there may be jobs, orders or events.

Each has a socket on which it hears the others, and says in memory that all share whether anybody waits there at all:
who has nothing to tell to anybody sends nothing. What cannot be sent is dropped; a slow poll finds it.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from attrs import field, frozen

LONGEST: Final = 65_536
"""Bytes of one message, at most."""
AT_ONCE: Final = 64
"""Messages that are read before others get their turn."""
MANY: Final = 1_000_000
"""How many jobs news stands for that doesn't know their number."""
COUNT_EVERY: Final = 0.1
"""Seconds for which requests are counted before the others hear of them."""


class Listens(Protocol):
    """Who hears what the others tell."""

    def hear_jobs(self, project_id: int | None, count: int) -> None:
        """Up to so many jobs of a project may have become ready."""

    def hear_orders(self, client_id: str | None) -> None:
        """There may be an order for a client."""


@frozen
class Lines:
    """The sockets between the processes, and the memory that they share; made before them."""

    pairs: tuple[tuple[socket.socket, socket.socket], ...]
    """For each process where it hears, and where the others speak to it."""
    ears: mmap.mmap = field(repr=False)
    """For each process whether requests are held there, and whether anybody follows the events."""

    @classmethod
    def between(cls, count: int) -> Lines:
        """Return the lines between so many processes."""
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(count)]
        for pair in pairs:
            for each in pair:
                each.setblocking(False)
        return cls(tuple(pairs), mmap.mmap(-1, 2 * count))

    def close(self) -> None:
        """Close them in this process."""
        for pair in self.pairs:
            for each in pair:
                each.close()


class Siblings:
    """One process among the others. Its methods belong to the event loop, unless they say otherwise."""

    def __init__(self, lines: Lines, number: int) -> None:
        self._ears = lines.ears
        self._number = number
        self._hears = lines.pairs[number][0]
        self._others = [(place, pair[1]) for place, pair in enumerate(lines.pairs) if place != number]
        self._ears[2 * number : 2 * number + 2] = b"\0\0"
        self._jobs: dict[int | None, int] = {}
        self._orders: dict[str | None, None] = {}
        self._events = False
        self._requests: dict[str, int] = {}
        self._due = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room: Listens | None = None
        self._committed: Callable[[], object] = lambda: None
        self.counts: Callable[[str, int], object] = lambda _, __: None
        """Called with who sent how many requests to another process."""

    def start(self, room: Listens, committed: Callable[[], object]) -> None:
        """Begin to hear: news of jobs and orders goes to the room, and ``committed`` is called for events."""
        self._loop = asyncio.get_running_loop()
        self._room, self._committed = room, committed
        self._loop.add_reader(self._hears, self._hear)

    def stop(self) -> None:
        """Hear no more."""
        if self._loop is not None:
            self._loop.remove_reader(self._hears)
            self._loop = None
        self.holds(yes=False)
        self.follows(yes=False)

    # -- what is wanted here -------------------------------------------------------------------------------------------

    def holds(self, *, yes: bool) -> None:
        """Say whether requests are held here, so that news of jobs and orders is wanted."""
        self._ears[2 * self._number] = yes

    def follows(self, *, yes: bool) -> None:
        """Say whether anybody here follows the events."""
        self._ears[2 * self._number + 1] = yes

    # -- what others shall know ----------------------------------------------------------------------------------------

    def jobs(self, project_id: int | None, count: int) -> None:
        """Tell that up to ``count`` jobs of a project may have become ready; None for any project."""
        if any(self._ears[2 * place] for place, _ in self._others):
            self._jobs[project_id] = self._jobs.get(project_id, 0) + count
            self._soon()

    def orders(self, client_id: str | None) -> None:
        """Tell that there may be an order for a client; None for all that have attempts."""
        if any(self._ears[2 * place] for place, _ in self._others):
            self._orders[client_id] = None
            self._soon()

    def committed(self) -> None:
        """Tell that events may have been written; called from any thread, after the commit."""
        if self._events or self._loop is None or not any(self._ears[2 * place + 1] for place, _ in self._others):
            return
        self._events = True
        with suppress(RuntimeError):  # the loop has been closed; nobody is there to tell
            self._loop.call_soon_threadsafe(self._soon)

    def request(self, caller: str) -> None:
        """Tell that somebody sent a request here; the others hear of it a moment later."""
        if not self._requests and self._loop is not None:
            self._loop.call_later(COUNT_EVERY, self._soon)
        self._requests[caller] = self._requests.get(caller, 0) + 1

    def _soon(self) -> None:
        if not self._due and self._loop is not None:
            self._due = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        """Send what has come together, to each of the others that waits for such."""
        held = {"jobs": list(self._jobs.items()), "orders": list(self._orders)} if self._jobs or self._orders else {}
        requests, events = self._requests, self._events
        if events:  # else a thread may just be setting it
            self._events = False
        self._jobs, self._orders, self._requests, self._due = {}, {}, {}, False
        for place, line in self._others:
            message: dict[str, Any] = {}
            if held and self._ears[2 * place]:
                message |= held
            if events and self._ears[2 * place + 1]:
                message["events"] = True
            if requests:
                message["requests"] = requests
            if message:
                with suppress(OSError):
                    line.send(_encoded(message))

    # -- what others tell ----------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        for _ in range(AT_ONCE):
            try:
                message = json.loads(self._hears.recv(LONGEST))
            except OSError:
                return
            if self._room is not None:
                for project_id, count in message.get("jobs", ()):
                    self._room.hear_jobs(project_id, count)
                for client_id in message.get("orders", ()):
                    self._room.hear_orders(client_id)
            if message.get("events"):
                self._committed()
            for caller, count in message.get("requests", {}).items():
                self.counts(caller, count)


def _encoded(message: dict[str, Any]) -> bytes:
    """Return a message as it is sent; one that says less if it would be too long."""
    encoded = json.dumps(message).encode()
    if len(encoded) > LONGEST:
        encoded = json.dumps({"jobs": [(None, MANY)], "orders": [None], "events": True}).encode()
    return encoded


__all__ = ["Lines", "Siblings"]
