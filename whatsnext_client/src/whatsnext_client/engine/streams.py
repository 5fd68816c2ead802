"""The output streams of attempts: what the server lacks of each, and how it is brought there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from attrs import define, frozen

from whatsnext_client.engine.records import Held
from whatsnext_client.errors import OffsetError, UnexpectedAnswerError
from whatsnext_client.pieces import LogPiece, Outcome
from whatsnext_client.rest import Rest
from whatsnext_core.errors import ConflictError, InvalidError, NotFoundError, TooLargeError

_log = logging.getLogger(__name__)

CHUNK: Final = 512 * 1024
"""Bytes in one request of a stream's own."""
TURN: Final = 4
"""Chunks of one stream before the others have their turn."""
SMALL: Final = 16 * 1024
"""Bytes that go into a request together with those of other streams, at most."""
MOST_PIECES: Final = 100
"""Pieces in one request, at most."""
MOST_BYTES: Final = 256 * 1024
"""Bytes of all its pieces, at most; less if the server refuses so many."""
AROUND: Final = 100
"""Bytes that go with each piece."""
ALONE_FOR: Final = 600.0
"""Seconds for which a server that does not know of pieces is not asked again."""


@frozen
class Portion:
    """What is sent next of a stream."""

    piece: LogPiece
    """The bytes."""
    skip: int
    """Bytes of the file that they stand for because those are left out; 0 if they are the file's own."""


@define(eq=False)
class Stream:
    """One stream of one attempt."""

    held: Held
    name: str
    path: Path
    offset: int | None
    """Bytes that the server has; None if that is to be asked."""
    done: bool = False

    def size(self) -> int:
        """Return the bytes in the file; 0 if there is none."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def read(self) -> bytes:
        """Return the next bytes that the server lacks; none while it is unknown what it has."""
        if self.offset is None:
            return b""
        with self.path.open("rb") as file:
            file.seek(self.offset + self.held.skipped.get(self.name, 0))
            return file.read(CHUNK)

    def behind(self) -> int:
        """Return the bytes that the server lacks; at least 1 if that is unknown."""
        if self.offset is None:
            return 1
        return self.size() - self.offset - self.held.skipped.get(self.name, 0)

    @property
    def is_complete(self) -> bool:
        """Whether the server has all that there is, or takes no more."""
        return self.done or self.behind() <= 0

    def next(self, backlog: int) -> Portion | None:
        """Return what is to be sent now, None if nothing is; of more than ``backlog`` bytes the last eighth is."""
        behind = self.behind()
        if self.done or behind <= 0 or self.held.logs_done:
            return None
        skip = behind - backlog // 8 if self.offset is not None and behind > backlog else 0
        try:
            data = b"\n[whatsnext: %d bytes were left out here]\n" % skip if skip else self.read()
        except OSError as error:
            self.give_up(error)
            return None
        piece = LogPiece(
            job_id=self.held.job_id, fence=self.held.fence, stream=self.name, offset=self.offset or 0, data=data
        )
        return Portion(piece, skip)

    def took(self, portion: Portion, outcome: Outcome) -> bool:
        """Note what became of a portion, and return whether bytes were left out with it."""
        piece = portion.piece
        if isinstance(outcome, int):
            self.done = bool(piece.data) and outcome <= piece.offset
            self.offset = outcome
            if portion.skip:
                before = self.held.skipped.get(self.name, 0)
                self.held.skipped = {**self.held.skipped, self.name: before + portion.skip - len(piece.data)}
                return True
        elif isinstance(outcome, OffsetError):
            self.done = outcome.size == self.offset
            self.offset = outcome.size
        else:
            self.give_up(outcome)
        return False

    def give_up(self, error: Exception) -> None:
        """Send no more."""
        _log.info("No more output of %s is sent: %s", self.held, error)
        self.done = True


class Sender:
    """Sends what the server lacks of streams: what is small of several in one request, each large one by itself.

    Args:
        rest: The server's endpoints.
        on_skip: Called after bytes of an attempt were left out, so that this is remembered.
        backlog: Bytes that a stream may be behind; of more, only the last eighth is sent.
    """

    def __init__(self, rest: Rest, *, on_skip: Callable[[Held], None], backlog: int) -> None:
        self._rest = rest
        self._on_skip = on_skip
        self._backlog = backlog
        self._alone_until = 0.0
        self._most_bytes = MOST_BYTES

    def send(self, streams: Iterable[Stream]) -> None:
        """Send some of what the server lacks of each stream, those first that lack little.

        Raises:
            WhatsNextError: the server cannot be reached, or is not ready; what it has not taken is still lacking.
        """
        lacking = [(stream, stream.behind()) for stream in streams if not stream.is_complete]
        self._send_small([stream for stream, behind in lacking if behind <= SMALL])
        for stream, behind in lacking:
            if behind > SMALL:
                self._send_alone(stream)

    def _send_small(self, streams: Sequence[Stream]) -> None:
        if time.monotonic() < self._alone_until:
            for stream in streams:
                self._send_alone(stream)
            return
        gathered: list[tuple[Stream, Portion]] = []
        size = 0
        for stream in streams:
            portion = stream.next(self._backlog)
            if portion is None:
                continue
            more = AROUND + len(portion.piece.data)
            if gathered and (len(gathered) >= MOST_PIECES or size + more > self._most_bytes):
                self._send_together(gathered)
                gathered, size = [], 0
            gathered.append((stream, portion))
            size += more
        if gathered:
            self._send_together(gathered)

    def _send_together(self, gathered: Sequence[tuple[Stream, Portion]]) -> None:
        if len(gathered) == 1:
            self._send_alone(gathered[0][0])
            return
        try:
            outcomes = self._rest.append_logs([portion.piece for _, portion in gathered], retry_for=0)
        except (NotFoundError, UnexpectedAnswerError, InvalidError) as error:
            _log.info("Output is sent stream by stream, for the server does not take it together: %s", error)
            if isinstance(error, TooLargeError):
                self._most_bytes //= 2
            elif not isinstance(error, InvalidError):
                self._alone_until = time.monotonic() + ALONE_FOR
            for stream, _ in gathered:
                self._send_alone(stream)
            return
        for (stream, portion), outcome in zip(gathered, outcomes, strict=True):
            self._take(stream, portion, outcome)

    def _send_alone(self, stream: Stream) -> None:
        for _ in range(TURN):
            portion = stream.next(self._backlog)
            if portion is None:
                return
            piece = portion.piece
            try:
                outcome: Outcome = self._rest.append_log(
                    piece.job_id, piece.stream, piece.data, fence=piece.fence, offset=piece.offset, retry_for=0
                )
            except OffsetError as error:
                outcome = error
            except (NotFoundError, ConflictError, InvalidError) as error:
                stream.give_up(error)
                return
            self._take(stream, portion, outcome)

    def _take(self, stream: Stream, portion: Portion, outcome: Outcome) -> None:
        if stream.took(portion, outcome):
            self._on_skip(stream.held)
