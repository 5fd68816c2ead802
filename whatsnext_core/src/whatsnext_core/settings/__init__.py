"""The settings of server, client, command line and plugins: defaults, files, ``.env``, environment and options."""

from typing import TYPE_CHECKING

from whatsnext_core.lazy import lazy_exports
from whatsnext_core.settings.files import find_config_files, is_mentioned

if TYPE_CHECKING:
    from whatsnext_core.settings.reading import load_plugin_config, load_settings

__all__ = ["find_config_files", "is_mentioned", "load_plugin_config", "load_settings"]

__getattr__ = lazy_exports(__name__, dict.fromkeys(("load_plugin_config", "load_settings"), "reading"))
