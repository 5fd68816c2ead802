"""Sends what jobs write to the server, byte by byte in order, while they run and after.

The files with the output are the spool: while the server is away they simply grow. A thread of its own looks at them,
so that the loudest job delays nobody else's start or end. What a short job wrote needs no request of its own: it goes
with the report of the end.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from attrs import define, field

from whatsnext_client.backoff import Backoff
from whatsnext_client.engine.records import Held
from whatsnext_client.errors import OffsetError, ServerUnreachableError
from whatsnext_client.rest import Rest
from whatsnext_core.errors import ConflictError, InvalidError, NotFoundError, WhatsNextError
from whatsnext_core.model import LogPiece
from whatsnext_core.model.attempt import MAX_PIECE, STREAMS

_log = logging.getLogger(__name__)

LOOK_EVERY: Final = 0.5
"""Seconds between two looks at the files of running jobs, and after their start before the first one."""
LITTLE: Final = 16 * 1024
"""Bytes of an attempt that go with the report of its end, at most."""
CHUNK: Final = 512 * 1024
"""Bytes in one request."""
TURN: Final = 4
"""Chunks of one stream before the others have their turn."""
BACKLOG: Final = 64 * 2**20
"""Bytes that a stream may be behind; of more, some are left out."""
END_WAITS: Final = 5.0
"""Seconds that the report of an end waits for the output before it."""


@define(eq=False)
class _Stream:
    """One stream of one attempt."""

    held: Held
    name: str
    path: Path
    offset: int | None
    """Bytes that the server has; None if that is to be asked."""
    since: float = field(factory=time.monotonic)
    """From when on it is followed, by the monotonic clock."""
    done: bool = False

    def size(self) -> int:
        """Return the bytes in the file; 0 if there is none."""
        try:
            return os.stat(self.path).st_size  # noqa: PTH116 - each job comes here twice
        except OSError:
            return 0

    @property
    def is_complete(self) -> bool:
        """Whether the server has all that there is, or takes no more."""
        return self.done or self.behind() <= 0

    def read(self, offset: int, size: int = CHUNK) -> bytes:
        """Return the bytes from an offset on, at most so many."""
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def piece(self) -> LogPiece:
        """Return the next bytes that the server lacks, for a message; some may be on their way already."""
        job_id, fence = self.held.job_id, self.held.fence
        offset = self.offset or 0  # once: it grows when the answer to what is being sent comes
        return LogPiece(job_id=job_id, fence=fence, stream=self.name, offset=offset, data=self.read(offset, MAX_PIECE))

    def behind(self) -> int:
        """Return the bytes that the server lacks; at least 1 if that is unknown."""
        if self.offset is None:
            return 1
        return self.size() - self.offset


class LogUploader:
    """Sends the output of attempts.

    Args:
        rest: The server's endpoints.
        on_sent: Called with an attempt that has ended, when its output is with the server or has waited long enough.
        on_done: Called with it when nothing is left to send.
        backlog: Bytes that a stream may be behind; of more, only the last eighth is sent.
    """

    def __init__(
        self,
        rest: Rest,
        *,
        on_sent: Callable[[Held], None],
        on_done: Callable[[Held], None],
        backlog: int = BACKLOG,
    ) -> None:
        self._backlog = backlog
        self._rest = rest
        self._on_sent = on_sent
        self._on_done = on_done
        self._streams: dict[str, list[_Stream]] = {}
        self._ending: dict[str, tuple[Held, float]] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._asleep = False
        self._thread = threading.Thread(target=self._run, name="whatsnext-logs", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def follow(self, held: Held, *, fresh: bool) -> None:
        """Send the output of an attempt from now on; ``fresh`` if the server cannot have any of it yet."""
        held.logs_done = False
        streams = [_Stream(held, name, held.logs[name], 0 if fresh else None) for name in STREAMS if name in held.logs]
        with self._changed:
            self._streams[held.key] = streams
            if self._asleep:  # else it looks soon enough: to be woken takes longer than a short job does
                self._changed.notify()

    def finish(self, held: Held) -> bool:
        """Note that an attempt has ended, and return whether its end may be reported as far as its output goes.

        That is so if the server has all of it, or if the rest is little and is now in ``held``, to go with the report.
        Otherwise ``on_sent`` and ``on_done`` follow.
        """
        with self._changed:
            streams = self._streams.get(held.key, [])
            lacking = [stream for stream in streams if not stream.is_complete]
            if not lacking or self._carry(held, lacking):
                self._streams.pop(held.key, None)
                held.logs_done = not held.output
                return True
            self._ending[held.key] = (held, time.monotonic() + END_WAITS)
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
        turns: list[_Stream] = []
        while True:
            with self._changed:
                self._asleep = not (turns or self._streams or self._ending or self._closed)
                if self._asleep:
                    self._changed.wait()
                    self._asleep = False
                if not self._closed and not self._ending:
                    self._changed.wait(LOOK_EVERY)
                if self._closed:
                    return
                ending = set(self._ending)
                before = time.monotonic() - LOOK_EVERY
                turns = [
                    stream
                    for key in sorted(self._streams, key=lambda key: key not in ending)
                    for stream in self._streams[key]
                    if key in ending or stream.since < before
                ]
            try:
                for stream in turns:
                    self._send(stream)
            except WhatsNextError as error:
                _log.debug("Output could not be sent: %s", error)
                self._conclude()
                with self._changed:
                    if not self._closed:
                        self._changed.wait(backoff.pause())
            else:
                backoff = Backoff(float("inf"))
                self._conclude()

    def _send(self, stream: _Stream) -> None:
        """Send some of what the server lacks of a stream."""
        held = stream.held
        for _ in range(TURN):
            behind = stream.behind()
            if stream.done or behind <= 0 or held.logs_done or held.output:
                return
            skip = behind - self._backlog // 8 if stream.offset is not None and behind > self._backlog else 0
            try:
                offset = (stream.offset or 0) + skip
                data = b"" if stream.offset is None else stream.read(offset)
                size = self._rest.append_log(
                    held.job_id, stream.name, data, fence=held.fence, offset=offset, skipped=skip, retry_for=0
                )
                stream.done = bool(data) and size <= offset
                stream.offset = size
            except OffsetError as error:
                stream.done = error.size == stream.offset
                stream.offset = error.size
            except (NotFoundError, ConflictError, InvalidError, OSError) as error:
                if isinstance(error, ServerUnreachableError):
                    raise
                _log.info("No more output of %s is sent: %s", held, error)
                stream.done = True

    @staticmethod
    def _carry(held: Held, lacking: Sequence[_Stream]) -> bool:
        """Put what the server lacks of an attempt into ``held``, and return whether it is that little."""
        offsets = [stream.offset for stream in lacking]
        if None in offsets or sum(stream.behind() for stream in lacking) > LITTLE:
            return False
        try:
            held.output = tuple(stream.piece() for stream in lacking)
        except OSError:
            return False
        return True

    def _conclude(self) -> None:
        """Tell of the attempts that ended and whose output is complete, or has waited long enough."""
        sent, done = [], []
        with self._changed:
            for key, (held, deadline) in list(self._ending.items()):
                if all(stream.is_complete for stream in self._streams.get(key, ())):
                    self._streams.pop(key, None)
                    del self._ending[key]
                    held.logs_done = True
                    done.append(held)
                elif time.monotonic() > deadline:
                    self._ending[key] = (held, float("inf"))
                    sent.append(held)
        for held in sent:
            self._on_sent(held)
        for held in done:
            self._on_done(held)
