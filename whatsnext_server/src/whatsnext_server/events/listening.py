"""Listeners: who follows the events, with what was not sent to them yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from whatsnext_core.model import Event
from whatsnext_core.storage import EventFilter

QUEUE: Final = 5_000
"""Events that may wait for a listener; one that lags further reads on from the database by itself."""


class Listener:
    """One that follows the events that a filter wants. Everything here happens in the event loop's thread."""

    def __init__(self, only: EventFilter, place: int | None = None) -> None:
        self.only = only
        self.place = place
        """Number of the last event that it was given, or that does not concern it; None for the newest one."""
        self.ended = False
        """Whether it wants no more, or the server goes down."""
        self.lags = False
        """Whether so much waited for it that it must read on from the database."""
        self._parts: deque[tuple[int, bytes]] = deque()
        self._waiting = 0
        self._news = asyncio.Event()

    def offer(self, parts: Sequence[tuple[int, bytes]], whole: bytes) -> None:
        """Let events wait for it: the number of each and how it is sent, ascending, and all of that in one piece."""
        if self.lags:
            return
        if self.place is not None and parts[0][0] <= self.place:
            parts = [part for part in parts if part[0] > self.place]
            whole = b"".join(frame for _, frame in parts)
        self._waiting += len(parts)
        if self._waiting > QUEUE:
            self.forget()
            self.lags = True
        elif parts:
            self._parts.append((parts[-1][0], whole))
        self._news.set()

    def take(self) -> bytes:
        """Return what waits for it, and nothing waits any more."""
        if self._parts:
            self.place = self._parts[-1][0]
        found = b"".join(part for _, part in self._parts)
        self.forget()
        if not self.ended:
            self._news.clear()
        return found

    def forget(self) -> None:
        """Drop what waits."""
        self._parts.clear()
        self._waiting = 0

    def keeps_up(self) -> bool:
        """Return whether it goes on, and has not lagged."""
        return not self.ended and not self.lags

    def end(self) -> None:
        """Let it go."""
        self.ended = True
        self._news.set()

    async def wait(self, seconds: float) -> None:
        """Return once something waits for it, or it is to end, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()


class Audience:
    """All listeners, found by what they want; those who want the same share one look at each event."""

    def __init__(self) -> None:
        self._listeners: dict[EventFilter, dict[Listener, None]] = {}
        self._of_jobs: dict[int, dict[EventFilter, None]] = {}
        self._of_projects: dict[int | None, dict[EventFilter, None]] = {}

    def __iter__(self) -> Iterator[Listener]:
        return iter([listener for several in self._listeners.values() for listener in several])

    def __len__(self) -> int:
        return sum(map(len, self._listeners.values()))

    def add(self, listener: Listener) -> None:
        """Take in a listener."""
        only = listener.only
        if only not in self._listeners:
            for index, key in self._keys(only):
                index.setdefault(key, {})[only] = None
        self._listeners.setdefault(only, {})[listener] = None

    def remove(self, listener: Listener) -> None:
        """Forget a listener, if it is there."""
        only = listener.only
        several = self._listeners.get(only, {})
        several.pop(listener, None)
        if not several and self._listeners.pop(only, None) is not None:
            for index, key in self._keys(only):
                del index[key][only]
                if not index[key]:
                    del index[key]

    def hand_out(self, framed: Iterable[tuple[Event, bytes]]) -> None:
        """Offer events, each with how it is sent, to those who want them."""
        found: dict[EventFilter, list[tuple[int, bytes]]] = {}
        for event, frame in framed:
            for wanted in (
                self._of_jobs.get(event.job_id, ()),
                self._of_projects.get(event.project_id, ()),
                self._of_projects.get(None, ()),
            ):
                for only in wanted:
                    if only.matches(event):
                        found.setdefault(only, []).append((event.id, frame))
        for only, parts in found.items():
            whole = b"".join(frame for _, frame in parts)
            for listener in self._listeners[only]:
                listener.offer(parts, whole)

    def _keys(self, only: EventFilter) -> list[tuple[dict[Any, dict[EventFilter, None]], int | None]]:
        if only.job_ids:
            return [(self._of_jobs, job_id) for job_id in only.job_ids]
        return [(self._of_projects, only.project_id)]


__all__ = ["QUEUE", "Audience", "Listener"]
