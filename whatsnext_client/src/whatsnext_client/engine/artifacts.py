"""Sends the files that attempts leave to the server, after they ended, in parts, several attempts by turns.

The folder of an attempt is the spool: it stays until all of it is with the server, and each file goes as soon as it is.
So an outage or a restart of the worker costs no more than the part that was on its way.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import define

from whatsnext_client.backoff import Backoff
from whatsnext_client.engine.leftovers import Leftovers, is_empty, look_through
from whatsnext_client.engine.records import Held
from whatsnext_client.errors import OffsetError, ServerUnreachableError
from whatsnext_client.rest import Rest
from whatsnext_client.sending import SendingFile
from whatsnext_core.errors import ConflictError, InvalidError, NotFoundError, TooLargeError, WhatsNextError

_log = logging.getLogger(__name__)

TURN: Final = 4
"""Parts of the files of one attempt before those of others have their turn."""
STALLED: Final = 60.0
"""Seconds without progress, while the server is there, after which an end is reported before the files."""
PATIENCE: Final = 600.0
"""Seconds of sending, while the server is there, after which an end is reported before the files in any case."""
LATE: Final = "Its end was reported before all its artifacts had arrived; the others follow."
TRIES: Final = 2
"""How often a file is sent whose bytes change on the way."""


@define(eq=False)
class _Batch:
    """The files of one attempt."""

    held: Held
    folder: Path
    found: Leftovers | None = None
    """What is to be sent; None before somebody looked."""
    current: SendingFile | None = None
    """The file that is being sent."""
    tries: int = 0
    """How often that was begun anew."""
    done: bool = False
    """Whether nothing is left to send."""
    told: bool = False
    """Whether the end may be reported."""
    progressed: bool = False
    """Whether the last turn brought anything."""
    stalled: float = 0.0
    """Seconds without progress while the server was there."""
    taken: float = 0.0
    """Seconds since the beginning in which it was there."""


class ArtifactUploader:
    """Sends the files of attempts that have ended.

    Args:
        rest: The server's endpoints.
        on_sent: Called with an attempt and what is to be said of its files, when they are with the server or have
            taken long enough.
        on_done: Called with it when nothing is left to send.
        stalled: Seconds without progress after which its end may be reported.
        patience: Seconds after which it may be reported in any case.
    """

    def __init__(
        self,
        rest: Rest,
        *,
        on_sent: Callable[[Held, str], None],
        on_done: Callable[[Held], None],
        stalled: float = STALLED,
        patience: float = PATIENCE,
    ) -> None:
        self._rest = rest
        self._on_sent = on_sent
        self._on_done = on_done
        self._stalled = stalled
        self._patience = patience
        self._batches: dict[str, _Batch] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="whatsnext-artifacts", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def finish(self, held: Held) -> bool:
        """Note that an attempt has ended, and return whether it left nothing to send.

        If it did, ``on_sent`` and ``on_done`` follow.
        """
        folder = None if held.left_nothing else held.artifacts
        if folder is None or is_empty(folder):
            held.artifacts_done = True
            return True
        held.artifacts_done = False
        with self._changed:
            self._batches[held.key] = _Batch(held, folder, told=held.confirmed)
            self._changed.notify()
        return False

    def drop(self, held: Held) -> None:
        """Send no more of an attempt."""
        with self._changed:
            self._batches.pop(held.key, None)
            held.artifacts_done = True

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to send."""
        with self._changed:
            return not self._batches

    def close(self) -> None:
        """End; what was not sent stays in its folder."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(5.0)

    # -- in the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        backoff = Backoff(float("inf"))
        since = time.monotonic()
        while True:
            with self._changed:
                if not self._batches:
                    while not self._batches and not self._closed:
                        self._changed.wait()
                    since = time.monotonic()
                if self._closed:
                    return
                batches = list(self._batches.values())
            failed, away = self._round(batches)
            now = time.monotonic()
            self._conclude(batches, 0.0 if away else now - since)
            since = now
            if failed:
                with self._changed:
                    if not self._closed:
                        self._changed.wait(backoff.pause())
            else:
                backoff = Backoff(float("inf"))

    def _round(self, batches: list[_Batch]) -> tuple[bool, bool]:
        """Give each attempt its turn; returns whether something failed that may pass, and whether nobody answers."""
        failed = False
        for batch in batches:
            batch.progressed = False
            try:
                self._turn(batch)
            except ServerUnreachableError as error:
                _log.debug("Artifacts could not be sent: %s", error)
                return True, True
            except WhatsNextError as error:
                failed = True
                _log.debug("Artifacts of %s could not be sent and will be tried again: %s", batch.held, error)
        return failed, False

    def _turn(self, batch: _Batch) -> None:
        """Send some of the files of an attempt."""
        if batch.found is None:
            batch.found = look_through(batch.folder)
            for complaint in batch.found.complaints:
                _log.warning("%s: %s", batch.held, complaint)
        for _ in range(TURN):
            if batch.held.artifacts_done or batch.done:
                return
            if batch.current is None and not batch.found.files:
                batch.done = True
                return
            self._step(batch, batch.found)
            batch.progressed = True

    def _step(self, batch: _Batch, found: Leftovers) -> None:
        """Send a part of the present file, or go on to the next one."""
        name, path = found.files[0]
        try:
            if batch.current is None:
                batch.current = SendingFile(self._rest, batch.held.job_id, name, path, fence=batch.held.fence)
            if batch.current.send_part(retry_for=0):
                self._next(batch, found)
        except (TooLargeError, OSError) as error:
            if isinstance(error, ServerUnreachableError):
                raise
            self._leave_out(batch, found, error)
        except InvalidError as error:
            batch.current, batch.tries = None, batch.tries + 1
            if batch.tries >= TRIES:
                self._leave_out(batch, found, error)
        except (NotFoundError, ConflictError) as error:
            if isinstance(error, OffsetError):
                raise
            _log.warning("No more artifacts of %s are sent: %s", batch.held, error)
            batch.done = True

    def _leave_out(self, batch: _Batch, found: Leftovers, error: Exception) -> None:
        words = f"it cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error).removesuffix(".")
        found.complaints.append(f"Artifact {found.files[0][0]!r} was left out: {words}.")
        _log.warning("%s: %s", batch.held, found.complaints[-1])
        found.files.pop(0)
        batch.current, batch.tries = None, 0

    def _next(self, batch: _Batch, found: Leftovers) -> None:
        """Go on to the next file; this one is with the server, so that nobody sends it again."""
        _, path = found.files.pop(0)
        batch.current, batch.tries = None, 0
        if all(path != other for _, other in found.files):
            with suppress(OSError):
                path.unlink()

    def _conclude(self, batches: list[_Batch], took: float) -> None:
        """Tell of the attempts whose files are with the server, or have taken long enough."""
        for batch in batches:
            batch.stalled = 0.0 if batch.progressed else batch.stalled + took
            batch.taken += took
            late = batch.stalled > self._stalled or batch.taken > self._patience
            if (batch.done or late) and not batch.told:
                batch.told = True
                words = "" if batch.found is None else batch.found.words
                self._on_sent(batch.held, words if batch.done else f"{words} {LATE}".strip())
            if batch.done:
                with self._changed:
                    self._batches.pop(batch.held.key, None)
                    batch.held.artifacts_done = True
                self._on_done(batch.held)
