"""Opens the database that the settings name, through the plugin that offers its scheme."""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import unquote, urlsplit

from whatsnext_core.errors import StorageError, UnreachableStorageError
from whatsnext_core.hookspecs import StorageBackend
from whatsnext_core.plugins import load_plugins
from whatsnext_core.settings import load_plugin_config
from whatsnext_core.storage import Storage
from whatsnext_server.config import ServerSettings

PAUSE: Final = 0.5
"""Seconds between two tries to reach a database."""

_log = logging.getLogger(__name__)


def select_backend(settings: ServerSettings, config: str | Path | None = None) -> tuple[StorageBackend, Any]:
    """Return the backend for the database of the settings, and its configuration; PluginError if there is none."""
    backend = load_plugins(disabled=settings.disabled_plugins).select_storage(settings.database).descriptor
    return backend, load_plugin_config(backend.name, backend.config, config=config)


@contextmanager
def opened_storage(
    settings: ServerSettings, config: str | Path | None = None, ending: threading.Event | None = None
) -> Iterator[Storage]:
    """Return a block with the opened database of the settings.

    One that cannot be reached is waited for, as long as the settings say and ``ending`` is not set.

    Raises:
        PluginError: no plugin opens such databases.
        StorageError: it cannot be opened, or it is a SQLite file that another server has open.
    """
    backend, options = select_backend(settings, config)
    file = sqlite_file(settings.database)
    with nullcontext() if file is None else sole_server(file):
        storage = _opened(settings, backend, options, ending or threading.Event())
        try:
            yield storage
        finally:
            storage.close()


def _opened(settings: ServerSettings, backend: StorageBackend, options: Any, ending: threading.Event) -> Storage:
    """Return the storage, opened as soon as it can be reached; the last error if that does not come."""
    deadline: float | None = None
    while True:
        try:
            if settings.upgrade and backend.upgrade is not None:
                _log.info("%s", backend.upgrade(settings.database, options))
            return backend.open(settings.database, options)
        except UnreachableStorageError as error:
            now = time.monotonic()
            if deadline is None:
                deadline = now + settings.database_wait_seconds
                if now < deadline:
                    _log.warning("%s Waiting up to %g s for it.", error, settings.database_wait_seconds)
            if now >= deadline or ending.wait(min(PAUSE, deadline - now)):
                raise


def sqlite_file(url: str) -> Path | None:
    """Return the file that a database URL names, if it is one of SQLite."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.scheme.partition("+")[0] != "sqlite" or path in {"", "/", "/:memory:"}:
        return None
    return Path(path[1:])


@contextmanager
def sole_server(file: Path) -> Iterator[None]:
    """Keep other servers off a SQLite file while the block runs.

    Each server has one writer thread and wakes its waiting clients itself; two of them on one file would only wait for
    each other.
    """
    with _lock_file(file) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                f"Another server has {file} open. A SQLite database serves one server process: "
                f"stop the other one, or start one worker only, or use PostgreSQL."
            ) from error
        yield


def _lock_file(file: Path) -> IO[str]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return file.with_name(f"{file.name}.lock").open("w")
    except OSError as error:
        raise StorageError(
            f"The folder of the database {file} cannot be written: {error.strerror}. Choose another place by database."
        ) from error


__all__ = ["opened_storage", "select_backend", "sole_server", "sqlite_file"]
