"""The settings of the client: where the server is, and how to talk to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from attrs import frozen
from typed_settings.types import SecretStr

from whatsnext_core.settings import load_settings

SECTION: Final = "client"
"""The table of the config files."""


@frozen(kw_only=True)
class ClientSettings:
    """The settings in ``[client]``, each also as ``WHATSNEXT_`` and its name in upper case in the environment."""

    server: str = "127.0.0.1"
    """Host name of the server, or its whole URL."""
    port: int | None = None
    """Its port; None for the one in the URL, or else 8000."""
    api_key: SecretStr | None = None
    """The key that the server asks for; None if it is open."""
    project: str | None = None
    """The project that the command line works in."""
    timeout: float = 30.0
    """Seconds to wait for an answer before the server counts as gone."""
    retry_for: float = 30.0
    """Seconds to go on trying when the connection fails."""
    state_dir: Path | None = None
    """Where workers keep what they need to go on after a restart; None for the user's own state directory."""
    probe_interval: float = 10.0
    """Seconds between two looks of a worker whether others use its accelerators; 0 for only the one at its start."""
    disabled_plugins: tuple[str, ...] = ()
    """Plugins that are not loaded, by name, distribution, or ``distribution:name``."""


def load_client_settings(*, config: str | Path | None = None, **overrides: Any) -> ClientSettings:
    """Return the settings from config files, ``.env``, environment and ``overrides``; later ones win, None counts not.

    Raises:
        ConfigurationError: a value is unknown or malformed; the message names where it stands.
    """
    return load_settings(ClientSettings, SECTION, config=config, overrides=overrides)
