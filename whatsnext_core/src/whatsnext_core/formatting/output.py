"""Copies the output of jobs into files, without waiting for any of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import define

from whatsnext_core.errors import EngineError

AGAIN: Final = 2.0
"""Seconds after which a copy that broke off is begun again."""
CONNECTED: Final = 0.5
"""Seconds after which a copy that was begun is taken to have reached its job."""
LAST_WORDS: Final = 10.0
"""Seconds that a running copy has to come to its end by itself when its job has ended."""
TRIES: Final = 3


@define
class _Copy:
    """The copy of one job's output."""

    running: subprocess.Popen[bytes] | None = None
    """The program that writes it while the job runs."""
    begun_at: float = 0.0
    ended_at: float | None = None
    """When the job was first seen to have ended."""
    whole: subprocess.Popen[bytes] | None = None
    """The program that writes all of it once more, when the job has ended."""
    tries: int = 0


class Output:
    """The copies of the output of all jobs that are followed.

    A program that is started again tells everything again from the beginning: it writes over the same bytes, so that
    nobody who reads the file sees it shrink. What a node has thrown away meanwhile stays as it was copied before.
    """

    def __init__(self) -> None:
        self._copies: dict[str, _Copy] = {}

    def follow(self, name: str, argv: Sequence[str], file: Path) -> None:
        """See to it that the output of a job that runs is being copied."""
        copy = self._copies.setdefault(name, _Copy())
        now = time.monotonic()
        if copy.running is None or (copy.running.poll() is not None and now - copy.begun_at > AGAIN):
            copy.running, copy.begun_at = _spawn(argv, file), now

    def connects(self, name: str) -> bool:
        """Return whether the copy of a job's output was only just begun, and would miss the last words."""
        copy = self._copies.get(name)
        return copy is not None and copy.running is not None and time.monotonic() - copy.begun_at < CONNECTED

    def complete(self, name: str, argv: Sequence[str], file: Path) -> bool:
        """Return whether all output of a job that has ended is in its file; a little of it is done with each call."""
        copy = self._copies.setdefault(name, _Copy())
        copy.ended_at = copy.ended_at or time.monotonic()
        if copy.running is not None and copy.running.poll() is None:
            if time.monotonic() - copy.ended_at < LAST_WORDS:
                return False
            _end(copy.running)
        part = file.with_name(f"{file.name}.whole")
        if copy.whole is None:
            part.unlink(missing_ok=True)
            copy.whole, copy.tries = _spawn(argv, part), copy.tries + 1
            return False
        if (code := copy.whole.poll()) is None:
            return False
        if code and copy.tries < TRIES and not file.exists():
            copy.whole = None
            return False
        _append_rest(part, file)
        return True

    def forget(self, name: str) -> None:
        """End the copy of a job's output."""
        if copy := self._copies.pop(name, None):
            for process in (copy.running, copy.whole):
                if process is not None:
                    _end(process)

    def close(self) -> None:
        """End all copies."""
        for name in list(self._copies):
            self.forget(name)


def _spawn(argv: Sequence[str], file: Path) -> subprocess.Popen[bytes]:
    try:
        file.touch(mode=0o600)
        with file.open("r+b") as stream:
            return subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.DEVNULL, start_new_session=True
            )
    except OSError as error:
        raise EngineError(f"The output cannot be copied into {str(file)!r}: {error}.") from error


def _append_rest(part: Path, file: Path) -> None:
    """Append what a whole copy has more than the file."""
    file.touch(mode=0o600)
    with part.open("rb") as source, file.open("ab") as target:
        source.seek(target.tell())
        while block := source.read(2**20):
            target.write(block)
    part.unlink()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
