"""Sends what jobs write to the server, byte by byte in order, while they run and after.

The files with the output are the spool: while the server is away they simply grow. A thread of its own looks at them,
so that the loudest job delays nobody else's start or end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from attrs import define

from whatsnext_client.backoff import Backoff
from whatsnext_client.engine.records import STREAMS, Held
from whatsnext_client.engine.streams import MOST_PIECES, Sender, Stream
from whatsnext_client.rest import Rest
from whatsnext_core.errors import WhatsNextError

_log = logging.getLogger(__name__)

LOOK_EVERY: Final = 0.5
"""Seconds between two looks at the files of running jobs."""
GATHER: Final = 0.15
"""Seconds that the output of attempts that ended is gathered for, if there is no hurry."""
BACKLOG: Final = 64 * 2**20
"""Bytes that a stream may be behind; of more, some are left out."""
END_WAITS: Final = 5.0
"""Seconds that the report of an end waits for the output before it."""


@define
class _Ending:
    """An attempt that has ended, and whose output is not complete at the server."""

    held: Held
    due: float
    """From when on the rest of its output is sent, by the monotonic clock."""
    deadline: float
    """Until when its end waits for that."""


class LogUploader:
    """Sends the output of attempts.

    Args:
        rest: The server's endpoints.
        on_skip: Called after bytes of an attempt were left out, so that this is remembered.
        on_sent: Called with an attempt that has ended, when its output is with the server or has waited long enough.
        on_done: Called with it when nothing is left to send.
        backlog: Bytes that a stream may be behind; of more, only the last eighth is sent.
    """

    def __init__(
        self,
        rest: Rest,
        *,
        on_skip: Callable[[Held], None],
        on_sent: Callable[[Held], None],
        on_done: Callable[[Held], None],
        backlog: int = BACKLOG,
    ) -> None:
        self._sender = Sender(rest, on_skip=on_skip, backlog=backlog)
        self._on_sent = on_sent
        self._on_done = on_done
        self._streams: dict[str, list[Stream]] = {}
        self._ending: dict[str, _Ending] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._asleep = False
        self._look_at = 0.0
        """When the thread looks at the files next, by the monotonic clock, unless it is woken."""
        self._thread = threading.Thread(target=self._run, name="whatsnext-logs", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def follow(self, held: Held, *, fresh: bool) -> None:
        """Send the output of an attempt from now on; ``fresh`` if the server cannot have any of it yet."""
        held.logs_done = False
        streams = [Stream(held, name, held.logs[name], 0 if fresh else None) for name in STREAMS if name in held.logs]
        with self._changed:
            self._streams[held.key] = streams
            if self._asleep:  # else it looks soon enough: to be woken takes longer than a short job does
                self._changed.notify()

    def finish(self, held: Held, *, hurry: bool = True) -> bool:
        """Note that an attempt has ended, and return whether its output is complete at the server right now.

        If it is not, ``on_sent`` and ``on_done`` follow. Without ``hurry`` the output may wait for that of others that
        end within a moment, so that they share a request.
        """
        with self._changed:
            if all(stream.is_complete for stream in self._streams.get(held.key, ())):
                self._streams.pop(held.key, None)
                held.logs_done = True
                return True
            now = time.monotonic()
            hurry = hurry or len(self._ending) + 1 >= MOST_PIECES
            due = now if hurry else now + GATHER
            self._ending[held.key] = _Ending(held, due, now + END_WAITS)
            if due < self._look_at:
                self._look_at = due
                self._changed.notify()
        return False

    def drop(self, held: Held) -> None:
        """Send no more of an attempt."""
        with self._changed:
            self._streams.pop(held.key, None)
            self._ending.pop(held.key, None)
            held.logs_done = True

    @property
    def is_idle(self) -> bool:
        """Whether nothing that ended is left to send."""
        with self._changed:
            return not self._ending

    def close(self) -> None:
        """End; what was not sent stays in its files."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(5.0)

    def _run(self) -> None:
        backoff = Backoff(float("inf"))
        while (streams := self._await_turn()) is not None:
            try:
                self._sender.send(streams)
            except WhatsNextError as error:
                _log.debug("Output could not be sent: %s", error)
                self._conclude()
                with self._changed:
                    if not self._closed:
                        self._changed.wait(backoff.pause())
            else:
                backoff = Backoff(float("inf"))
                self._conclude()

    def _await_turn(self) -> list[Stream] | None:
        """Return all streams, those of ended attempts first, when it is time to look at them; None at the end."""
        with self._changed:
            self._asleep = not (self._streams or self._ending or self._closed)
            if self._asleep:
                self._look_at = float("inf")
                self._changed.wait()
                self._asleep = False
            self._look_at = time.monotonic() + LOOK_EVERY
            for ending in self._ending.values():
                self._look_at = min(self._look_at, ending.due)
            while not self._closed and (pause := self._look_at - time.monotonic()) > 0:
                self._changed.wait(pause)
            self._look_at = float("-inf")
            if self._closed:
                return None
            keys = sorted(self._streams, key=lambda key: key not in self._ending)
            return [stream for key in keys for stream in self._streams[key]]

    def _conclude(self) -> None:
        """Tell of the attempts that ended and whose output is complete, or has waited long enough."""
        sent, done = [], []
        with self._changed:
            for key, ending in list(self._ending.items()):
                if all(stream.is_complete for stream in self._streams.get(key, ())):
                    self._streams.pop(key, None)
                    del self._ending[key]
                    ending.held.logs_done = True
                    done.append(ending.held)
                elif time.monotonic() > ending.deadline:
                    ending.deadline = float("inf")
                    sent.append(ending.held)
        for held in sent:
            self._on_sent(held)
        for held in done:
            self._on_done(held)
