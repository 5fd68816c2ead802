"""The storage in memory as a plugin: database URLs of the scheme ``memory``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from whatsnext_core.errors import ConfigurationError
from whatsnext_core.hookspecs import StorageBackend, hookimpl

if TYPE_CHECKING:
    from whatsnext_core.memory.storage import MemoryStorage


def open_memory(url: str, _: object = None) -> MemoryStorage:
    """Return a new, empty storage; the URL is ``memory:`` or ``memory://`` and names nothing else."""
    if url not in {"memory:", "memory://"}:
        raise ConfigurationError(f"The database URL {url!r} names more than 'memory://', but memory has no parts.")
    from whatsnext_core.memory.storage import MemoryStorage

    return MemoryStorage()


@hookimpl
def whatsnext_storage_backends() -> Iterable[StorageBackend]:
    """Return the storage in memory."""
    return [
        StorageBackend(
            name="memory",
            summary="in the server's memory; nothing survives its end",
            schemes=("memory",),
            open=open_memory,
        )
    ]
