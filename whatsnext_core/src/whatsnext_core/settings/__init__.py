"""The settings of server, client, command line and plugins: defaults, files, ``.env``, environment and options."""

from whatsnext_core.settings.files import find_config_files
from whatsnext_core.settings.reading import load_plugin_config, load_settings

__all__ = ["find_config_files", "load_plugin_config", "load_settings"]
