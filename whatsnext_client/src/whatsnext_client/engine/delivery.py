"""Brings to the server what attempts leave: output while they run and after, files once they ended; then their end."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from whatsnext_client.engine.artifacts import ArtifactUploader
from whatsnext_client.engine.ends import cancelled_late, with_words
from whatsnext_client.engine.logs import LogUploader
from whatsnext_client.engine.records import Held
from whatsnext_client.rest import Rest
from whatsnext_core.model import Cause

NOTHING_OF: Final = frozenset({Cause.LOST, Cause.PREEMPTED})
"""How attempts ended whose files are not sent: the job is run again, and the worker may have to leave."""


class _What(Enum):
    OUTPUT = "output"
    FILES = "files"


class Delivery:
    """What attempts leave, on its way to the server.

    All methods are called in the worker's loop, and so are the functions that it is given, by way of ``post``.

    Args:
        rest: The server's endpoints.
        post: Has a function called in the worker's loop.
        on_ready: Called with an attempt that has ended when all that it left is with the server, or has taken long
            enough: its end may be reported. What is to be said of its files is in it.
        on_done: Called with it when nothing is left to send, unless that was so at once.
    """

    def __init__(
        self,
        rest: Rest,
        *,
        post: Callable[[Callable[[], None]], None],
        on_ready: Callable[[Held], None],
        on_done: Callable[[Held], None],
    ) -> None:
        self._on_ready = on_ready
        self._on_done = on_done
        self._awaited: dict[str, set[_What]] = {}
        self._logs = LogUploader(
            rest,
            on_sent=lambda held: post(lambda: self._came(held, _What.OUTPUT)),
            on_done=lambda held: post(lambda: self._finished(held, _What.OUTPUT)),
        )
        self._files = ArtifactUploader(
            rest,
            on_sent=lambda held, words: post(lambda: self._came(held, _What.FILES, words)),
            on_done=lambda held: post(lambda: self._finished(held, _What.FILES)),
        )

    def start(self) -> None:
        """Begin to send."""
        self._logs.start()
        self._files.start()

    def close(self) -> None:
        """End; what was not sent stays on disk."""
        self._logs.close()
        self._files.close()

    @property
    def is_idle(self) -> bool:
        """Whether nothing that ended is left to send."""
        return self._logs.is_idle and self._files.is_idle

    def follow(self, held: Held, *, fresh: bool) -> None:
        """Send the output of an attempt from now on; ``fresh`` if the server cannot have any of it yet."""
        self._logs.follow(held, fresh=fresh)

    def finish(self, held: Held) -> None:
        """Note that an attempt has ended; ``on_ready`` follows, at once if nothing is left to send."""
        awaited = self._awaited[held.key] = set(_What)
        if self._logs.finish(held):
            awaited.discard(_What.OUTPUT)
        if held.end is not None and held.end.cause in NOTHING_OF:
            self._files.drop(held)
            awaited.discard(_What.FILES)
        elif self._files.finish(held):
            awaited.discard(_What.FILES)
        self._look(held)

    def resume(self, held: Held) -> None:
        """Send the output of an attempt by itself that should have gone with the report of its end, and did not."""
        self._logs.follow(held, fresh=False)
        self._logs.finish(held)

    def cancel(self, held: Held) -> None:
        """Send no more files of an attempt that has ended, and let it count as cancelled."""
        if held.end is not None:
            held.end = cancelled_late(held.end)
        self._files.drop(held)
        self._came(held, _What.FILES)

    def drop(self, held: Held) -> None:
        """Send no more of an attempt."""
        self._logs.drop(held)
        self._files.drop(held)
        self._awaited.pop(held.key, None)

    def _came(self, held: Held, what: _What, words: str = "") -> None:
        if held.key in self._awaited:
            self._awaited[held.key].discard(what)
            if held.end is not None:
                held.end = with_words(held.end, words)
            self._look(held)

    def _look(self, held: Held) -> None:
        if not self._awaited[held.key]:
            del self._awaited[held.key]
            self._on_ready(held)

    def _finished(self, held: Held, what: _What) -> None:
        self._came(held, what)
        if held.is_delivered:
            self._on_done(held)
