"""The storages that the server is tested on, opened through their plugins."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whatsnext_core.storage import Storage
from whatsnext_server.config import ServerSettings
from whatsnext_server.opening import opened_storage


def url_of(kind: str, folder: Path) -> str:
    """The URL of a new database: ``memory`` or ``sqlite``."""
    return "memory://" if kind == "memory" else f"sqlite:///{folder / 'queue.db'}"


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Storage]:
    """A new database."""
    with opened_storage(ServerSettings(database=url_of(kind, folder))) as storage:
        yield storage
