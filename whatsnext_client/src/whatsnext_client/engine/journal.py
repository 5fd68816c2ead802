"""What a worker writes down: one line for each thing it learns of an attempt, and one when it may forget it.

A line holds all that is known of an attempt, or only how it ended, which leaves the rest as it was.

Lines are only ever appended, all that were gathered at once, so writing one costs microseconds and a process that dies
leaves all lines but perhaps the last. When most of the file is about attempts that are forgotten, it is written anew
and renamed into place.
"""

from __future__ import annotations

import json
import logging
import os
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from whatsnext_client.engine.records import Record, written_end
from whatsnext_core.converters import json_bytes
from whatsnext_core.errors import InvalidError
from whatsnext_core.model import AttemptEnd

_log = logging.getLogger(__name__)

SLACK: Final = 2**20
"""Bytes about forgotten attempts that are put up with."""


class Journal:
    """The journal of one worker, which alone writes it. ``flush`` writes what the other methods gather."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[str, bytes] = dict(_read(path))
        self._size = sum(map(len, self._lines.values()))
        self._written = 0
        self._gathered: list[bytes] = []
        self._open: list[int] = []
        self._close = weakref.finalize(self, _close_all, self._open)
        self._rewrite()

    def records(self) -> Iterator[Record]:
        """Yield what was last written down of each attempt; what cannot be read is left out with a warning."""
        for key, line in list(self._lines.items()):
            try:
                yield Record.from_bytes(line)
            except (ValueError, InvalidError) as error:
                _log.warning("What %s says of attempt %s cannot be read: %s", self._path, key, error)

    def save(self, record: Record) -> None:
        """Write down what is known of an attempt."""
        line = record.to_bytes()
        self._keep(record.key, line)
        self._gather(record.key, line)

    def save_end(self, key: str, end: AttemptEnd) -> None:
        """Write down how an attempt ended, beside what is written of it already."""
        line = json_bytes({"end": written_end(end)})
        self._keep(key, self._lines[key].removesuffix(b"}") + b", " + line[1:])  # of two with one name the last counts
        self._gather(key, line)

    def forget(self, key: str) -> None:
        """Write down that nothing of an attempt matters any more."""
        line = self._lines.pop(key, None)
        if line is not None:
            self._size -= len(line)
            self._gather(key, b"null")

    def flush(self) -> None:
        """Write what was gathered; what cannot be written now is kept for the next time."""
        if self._gathered:
            lines = b"".join(self._gathered)
            written = os.write(self._open[0], lines)
            self._gathered = [lines[written:]] if written < len(lines) else []
            self._written += written
            if self._written > SLACK + 2 * self._size:
                self._rewrite()

    def harden(self) -> None:
        """Make all of it survive a power cut too."""
        self.flush()
        os.fsync(self._open[0])

    def close(self) -> None:
        """Write what was gathered if there is room for it, and close the file."""
        with suppress(OSError):
            self.flush()
        self._close()

    def _keep(self, key: str, line: bytes) -> None:
        self._size += len(line) - len(self._lines.get(key, b""))
        self._lines[key] = line

    def _gather(self, key: str, line: bytes) -> None:
        self._gathered.append(b'{"%s": %s}\n' % (key.encode(), line))

    def _rewrite(self) -> None:
        """Write only what matters into a new file, and put it in the place of the old one."""
        fresh = self._path.with_suffix(".new")
        content = b"".join(b'{"%s": %s}\n' % (key.encode(), line) for key, line in self._lines.items())
        fresh.write_bytes(content)
        fresh.rename(self._path)
        _close_all(self._open)
        self._open.append(os.open(self._path, os.O_WRONLY | os.O_APPEND))
        self._written, self._gathered = len(content), []


def _close_all(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())


def _read(path: Path) -> dict[str, bytes]:
    """Return what counts of each attempt that is not forgotten; a torn line at the end is nothing.

    A line of nothing but an end leaves what was written before as it was.
    """
    found: dict[str, Any] = {}
    if not path.exists():
        return {}
    for line in path.read_bytes().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        for key, record in entry.items() if isinstance(entry, dict) else ():
            if record is None:
                found.pop(key, None)
            elif isinstance(record, dict) and record.keys() == {"end"} and isinstance(found.get(key), dict):
                found[key] = found[key] | record
            else:
                found[key] = record
    return {key: json.dumps(record).encode() for key, record in found.items()}
