"""Opens the database that the settings name, through the plugin that offers its scheme."""

from __future__ import annotations

from typing import Any

from whatsnext_core.hookspecs import StorageBackend
from whatsnext_core.plugins import load_plugins
from whatsnext_core.settings import load_plugin_config
from whatsnext_core.storage import Storage
from whatsnext_server.config import ServerSettings


def select_backend(settings: ServerSettings) -> tuple[StorageBackend, Any]:
    """Return the backend for the database of the settings, and its configuration; PluginError if there is none."""
    backend = load_plugins(disabled=settings.disabled_plugins).select_storage(settings.database).descriptor
    return backend, load_plugin_config(backend.name, backend.config)


def open_storage(settings: ServerSettings) -> Storage:
    """Return the opened database of the settings.

    Raises:
        PluginError: no plugin opens such databases.
        StorageError: it cannot be opened.
    """
    backend, config = select_backend(settings)
    return backend.open(settings.database, config)


__all__ = ["open_storage", "select_backend"]
