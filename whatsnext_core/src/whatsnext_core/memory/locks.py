"""A lock for many readers or one writer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from whatsnext_core.errors import StorageError


class ReadWriteLock:
    """Lets readers in together and a writer alone.

    A writer that waits keeps new readers out, so that it gets its turn.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._readers: dict[int, int] = {}
        self._writer: int | None = None
        self._waiting = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the lock for reading; a thread that reads already may do so again."""
        me = threading.get_ident()
        with self._condition:
            self._refuse_nesting(me, "read")
            self._condition.wait_for(lambda: self._writer is None and (not self._waiting or me in self._readers))
            self._readers[me] = self._readers.get(me, 0) + 1
        try:
            yield
        finally:
            with self._condition:
                self._readers[me] -= 1
                if not self._readers[me]:
                    del self._readers[me]
                    self._condition.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock for writing."""
        me = threading.get_ident()
        with self._condition:
            self._refuse_nesting(me, "write")
            if me in self._readers:
                raise StorageError("This thread reads the storage; end its read block before it writes.")
            self._waiting += 1
            try:
                self._condition.wait_for(lambda: self._writer is None and not self._readers)
            finally:
                self._waiting -= 1
            self._writer = me
        try:
            yield
        finally:
            with self._condition:
                self._writer = None
                self._condition.notify_all()

    def _refuse_nesting(self, me: int, what: str) -> None:
        if self._writer == me:
            raise StorageError(f"This thread writes to the storage; end its write block before it begins to {what}.")
