"""The plugin module that the `storage-sql` entry point names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from whatsnext_core.hookspecs import StorageBackend, hookimpl
from whatsnext_storage_sql.config import SQLConfig

if TYPE_CHECKING:
    from whatsnext_core.storage import Storage


@hookimpl
def whatsnext_storage_backends() -> Iterable[StorageBackend]:
    """Return the storage in SQLite and in PostgreSQL."""
    return [
        StorageBackend(
            name="storage-sql",
            summary="SQLite in a file, or PostgreSQL for several servers",
            schemes=("sqlite", "postgresql"),
            open=_open,
            config=SQLConfig,
            upgrade=_upgrade,
            shared=("postgresql",),
        )
    ]


def _open(url: str, config: SQLConfig | None) -> Storage:
    from whatsnext_storage_sql.storage import open_storage

    return open_storage(url, config)


def _upgrade(url: str, config: SQLConfig | None) -> str:
    from whatsnext_storage_sql.storage import upgrade_storage

    return upgrade_storage(url, config)
