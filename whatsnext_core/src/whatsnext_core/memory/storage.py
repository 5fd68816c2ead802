"""The storage in memory: one state, many readers or one writer at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from whatsnext_core.errors import StorageError
from whatsnext_core.memory.locks import ReadWriteLock
from whatsnext_core.memory.reader import MemoryReader
from whatsnext_core.memory.state import State
from whatsnext_core.memory.writer import MemoryWriter


class MemoryStorage:
    """Keeps everything in this process and nothing after it.

    It is built from the pure functions of this package, and it is the model by which other backends are judged. Readers
    wait while a transaction is open and never see a part of one. A thread ends its block before it begins one of the
    other kind.
    """

    def __init__(self) -> None:
        self._state = State()
        self._lock = ReadWriteLock()
        self._closed = False

    @contextmanager
    def read(self) -> Iterator[MemoryReader]:
        """Return a block with a consistent view."""
        with self._lock.reading():
            self.check()
            yield MemoryReader(self._state)

    @contextmanager
    def write(self) -> Iterator[MemoryWriter]:
        """Return a block that is one transaction."""
        with self._lock.writing():
            self.check()
            try:
                yield MemoryWriter(self._state)
            except BaseException:
                self._state.journal.undo_to(0)
                raise
            self._state.journal.clear()

    def clock(self) -> datetime:
        """Return the time of this machine."""
        return datetime.now(UTC)

    def check(self) -> None:
        """Raise StorageError once the storage was closed."""
        if self._closed:
            raise StorageError("The storage in memory is closed; open a new one.")

    def close(self) -> None:
        """Forget everything."""
        self._closed = True
