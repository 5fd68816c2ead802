"""A storage backend in one file: everything in memory, and a journal of what was written, replayed at the start.

It stands on the storage in memory, which does the same to the same calls in the same order: times are arguments, and
nothing is left to chance. So a journal of the calls of each transaction is all that has to survive.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from attrs import frozen

from whatsnext_core.errors import ConfigurationError, StorageError, WhatsNextError
from whatsnext_core.hookspecs import StorageBackend, hookimpl
from whatsnext_core.memory import MemoryStorage
from whatsnext_core.storage import Reader, Writer

HEADER = 8
"""Bytes before each transaction: its length and its checksum."""
WRITES = frozenset(dir(Writer)) - frozenset(dir(Reader))
"""The methods that change something: those that a reader has not."""


@frozen(kw_only=True)
class JournalConfig:
    """The settings in ``[plugins.journal]``."""

    sync: bool = True
    """Whether a transaction is on the disk before it counts; without, a power cut may cost the last ones."""


class JournalStorage(MemoryStorage):
    """The storage in memory, with a journal."""

    def __init__(self, path: Path, *, sync: bool = True) -> None:
        super().__init__()
        self._sync = sync
        self._file = open_alone(path)
        self._size = self._replay()
        self._file.truncate(self._size)

    @contextmanager
    def write(self) -> Iterator[Any]:
        """Return a block that is one transaction; it is in the journal before it counts."""
        with super().write() as writer:
            recorder = Recorder(writer)
            yield recorder
            if recorder.calls:
                self._append(pickle.dumps(recorder.calls))

    def close(self) -> None:
        """Give the journal back."""
        super().close()
        self._file.close()

    def _append(self, data: bytes) -> None:
        entry = len(data).to_bytes(4) + zlib.crc32(data).to_bytes(4) + data
        try:
            self._file.seek(self._size)
            while entry:
                entry = entry[self._file.write(entry) :]
            if self._sync:
                os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(self._size)
            raise StorageError(f"The journal {self._file.name} cannot be written: {error}.") from error
        self._size = self._file.tell()

    def _replay(self) -> int:
        """Do again what the journal holds, and return where its last whole transaction ends."""
        end, content = 0, self._file.read()
        while header := content[end : end + HEADER]:
            data = content[end + HEADER : end + HEADER + int.from_bytes(header[:4])]
            if zlib.crc32(data) != int.from_bytes(header[4:]) or len(header) < HEADER:
                break
            with super().write() as writer:
                for name, positional, named in pickle.loads(data):  # noqa: S301  # the server's own file
                    with suppress(WhatsNextError):
                        getattr(writer, name)(*positional, **named)
            end += HEADER + len(data)
        return end


class Recorder:
    """A writer that remembers what was asked of it."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Return a block whose writes are undone, and forgotten, if it raises."""
        before = len(self.calls)
        try:
            with self._writer.savepoint():
                yield
        except BaseException:
            del self.calls[before:]
            raise

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = cast("Callable[..., Any]", getattr(self._writer, name))
        if name not in WRITES:
            return method

        def call(*positional: Any, **named: Any) -> Any:
            self.calls.append((name, positional, named))
            return method(*positional, **named)

        return call


def open_alone(path: Path) -> FileIO:
    """Return the open file, which no other process has; StorageError if that cannot be."""
    try:
        file = path.open("r+b" if path.exists() else "w+b", buffering=0)
    except OSError as error:
        raise StorageError(f"The journal {path} cannot be opened: {error.strerror}.") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise StorageError(f"The journal {path} is in use; stop the other server first.") from error
    return file


def open_journal(url: str, config: JournalConfig | None) -> JournalStorage:
    """Return the storage in the file that a URL like ``journal:///var/lib/whatsnext/q.journal`` names."""
    path = unquote(urlsplit(url).path)
    if not path or urlsplit(url).netloc:
        raise ConfigurationError(f"The database URL {url!r} names no file; write it as journal:///path/to/file.")
    return JournalStorage(Path(path), sync=config is None or config.sync)


@hookimpl
def whatsnext_storage_backends() -> list[StorageBackend]:
    """Return the storage of this package."""
    summary = "in memory, with a journal in one file"
    return [
        StorageBackend(name="journal", summary=summary, schemes=("journal",), open=open_journal, config=JournalConfig)
    ]
