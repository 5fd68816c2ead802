"""The settings of the server and how they are read."""

from whatsnext_server.config import ServerSettings, data_directory, default_database, load_server_settings

__all__ = ["ServerSettings", "data_directory", "default_database", "load_server_settings"]
