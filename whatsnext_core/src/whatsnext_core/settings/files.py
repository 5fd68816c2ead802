"""The files that settings are read from: where they are looked for, and their bare contents."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Final

from whatsnext_core.errors import ConfigurationError

NAMES: Final = (".whatsnext", "whatsnext.toml")
"""Names of a config file, looked for in a folder and all folders above it."""
CONFIG_VARIABLE: Final = "WHATSNEXT_CONFIG"
"""The environment variable that names a config file, like the option ``--config``."""
PREFIX: Final = "WHATSNEXT_"
"""How the environment variables of settings begin."""


def find_config_files(
    config: str | Path | None = None,
    start: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> list[Path]:
    """Return the config files that apply, those that later ones override first.

    These are the user's own file and the nearest ``.whatsnext`` or ``whatsnext.toml`` in ``start`` or above it.

    Args:
        config: Read this file and no other; None for ``WHATSNEXT_CONFIG``, or else for the search.
        start: Where the search begins; None for the current directory.
        environ: The environment; None for that of this process.

    Raises:
        ConfigurationError: ``config`` names no file, or a folder has files of both names.
    """
    environment = os.environ if environ is None else environ
    if config is None and environment.get(CONFIG_VARIABLE):
        named = Path(environment[CONFIG_VARIABLE]).expanduser()
        if not named.is_file():
            raise ConfigurationError(f"The config file {named} that {CONFIG_VARIABLE} names does not exist.")
        return [named]
    if config is not None:
        named = Path(config).expanduser()
        if not named.is_file():
            raise ConfigurationError(f"The config file {named} does not exist; name another one, or create it.")
        return [named]
    users = user_config_file(environment)
    found = _nearest(NAMES, start)
    if len(found) > 1:
        raise ConfigurationError(f"Both {found[0]} and {found[1]} exist, and only one of them can count; remove one.")
    files = [users] if users.is_file() else []
    return files + [file for file in found if file not in files]


def user_config_file(environ: Mapping[str, str]) -> Path:
    """Return where the user's own config file is, whether or not it exists."""
    variable, below_home = ("APPDATA", "AppData/Roaming") if sys.platform == "win32" else ("XDG_CONFIG_HOME", ".config")
    folder = environ.get(variable)
    base = Path(folder) if folder else Path(environ.get("HOME") or Path.home()) / below_home
    return base / "whatsnext" / "whatsnext.toml"


def find_dotenv(start: str | Path | None) -> Path | None:
    """Return the nearest ``.env`` in ``start`` or above it."""
    return next(iter(_nearest((".env",), start)), None)


def is_mentioned(name: str, section: str, *, config: str | Path | None = None) -> bool:
    """Return whether a config file, ``.env`` or the environment says anything of a setting.

    It is for programs that answer at once, and need nothing of what reads settings while the default holds.

    Args:
        name: The setting.
        section: The table of the config files that it stands in.
        config: As in ``find_config_files``.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    variable = PREFIX + name.upper()
    if os.environ.get(variable):
        return True
    tables = (read_toml(path).get(section) for path in find_config_files(config))
    if any(name in (key.replace("-", "_") for key in table) for table in tables if isinstance(table, Mapping)):
        return True
    dotenv = find_dotenv(None)
    return dotenv is not None and variable in _read(dotenv)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the contents of a TOML file; ConfigurationError if it cannot be read."""
    try:
        return tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The config file {path} is no valid TOML: {error}.") from error


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the variables of a ``.env`` file, as they stand there; ConfigurationError if it cannot be read."""
    from dotenv import dotenv_values

    values = dotenv_values(stream=StringIO(_read(path)), interpolate=False)
    return {name: value for name, value in values.items() if value is not None}


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"The config file {path} is not written in UTF-8: {error}.") from error
    except OSError as error:
        raise ConfigurationError(f"The config file {path} cannot be read: {error.strerror}.") from error


def _nearest(names: Sequence[str], start: str | Path | None) -> list[Path]:
    """The files of these names in the nearest folder that has one."""
    folder = Path(start or ".").absolute()
    for each in (folder, *folder.parents):
        found = [each / name for name in names if (each / name).is_file()]
        if found:
            return found
    return []
