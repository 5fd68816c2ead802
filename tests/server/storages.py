"""The storages that the server is tested on, opened through their plugins."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.components import PostgreSQLServer
from whatsnext_core.storage import Storage
from whatsnext_server.config import ServerSettings
from whatsnext_server.process.opening import opened_storage, select_backend


def upgraded(url: str) -> str:
    """The URL of a database, its schema brought up to date."""
    backend, options = select_backend(ServerSettings(database=url))
    if backend.upgrade is not None:
        backend.upgrade(url, options)
    return url


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Storage]:
    """A new, empty database of a kind that needs no server: ``memory`` or ``sqlite``."""
    url = "memory://" if kind == "memory" else f"sqlite:///{folder / 'queue.db'}"
    with opened_storage(ServerSettings(database=url)) as storage:
        yield storage


@contextmanager
def opened_on(server: PostgreSQLServer) -> Iterator[Storage]:
    """A new, empty database of PostgreSQL."""
    with server.database() as url, opened_storage(ServerSettings(database=upgraded(url))) as storage:
        yield storage
