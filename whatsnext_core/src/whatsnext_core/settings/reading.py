"""Reads the settings of a program or a plugin from all their sources, later ones over earlier ones."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import attrs
from typed_settings.dict_utils import flat2nested, merge_settings

from whatsnext_core.errors import ConfigurationError
from whatsnext_core.settings.files import find_config_files, find_dotenv, read_dotenv, read_toml
from whatsnext_core.settings.options import deep_options, nested_settings
from whatsnext_core.settings.sources import FileSource, OverrideSource, VariableSource, unknown_key

T = TypeVar("T")
Source: TypeAlias = FileSource | VariableSource | OverrideSource

SECTIONS = frozenset({"client", "plugins", "server"})
"""The tables that a config file may have."""


def load_settings(
    cls: type[T],
    section: str,
    *,
    config: str | Path | None = None,
    start: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> T:
    """Return the settings of a program.

    In this order, later wins: the defaults of ``cls``, the user's config file, the one found upwards, ``.env``, the
    environment (``WHATSNEXT_`` and the name in upper case; lists are split at commas), and ``overrides``.

    Args:
        cls: An attrs class; mark secrets with typed-settings' ``Secret`` or ``SecretStr``.
        section: The table of the config files that holds its fields.
        config: A config file to read instead of those that are looked for.
        start: The folder where the search for config files and ``.env`` begins; None for the current directory.
        overrides: Values that win over all others; those that are None don't count.
        environ: The environment; None for that of this process.

    Raises:
        ConfigurationError: a file cannot be read, a key is unknown, or a value is missing or malformed; the message
            names file and path, variable or option.
    """
    environment = os.environ if environ is None else environ
    files = find_config_files(config, start, environ=environment)
    sources: list[Source] = list(_file_sources(files, section))
    dotenv = find_dotenv(start)
    if dotenv is not None:
        sources.append(VariableSource(read_dotenv(dotenv), dotenv))
    sources.append(VariableSource(environment))
    sources.append(OverrideSource(overrides or {}))
    return _build(cls, section, sources)


def load_plugin_config(
    name: str,
    cls: type[T] | None,
    *,
    config: str | Path | None = None,
    start: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> T | None:
    """Return the settings of a plugin from ``[plugins.<name>]``, with the defaults of ``cls`` for what is not there.

    Args:
        name: The name of the plugin's descriptor.
        cls: The attrs class that its descriptor names; None, and then the answer is None, if it has no settings.
        config: As in ``load_settings``.
        start: As in ``load_settings``.
        environ: As in ``load_settings``; only the places of files are read from it.

    Raises:
        ConfigurationError: as in ``load_settings``, or there are settings although the plugin has none.
    """
    files = find_config_files(config, start, environ=environ)
    sources = list(_file_sources(files, f"plugins.{name}"))
    if cls is not None:
        return _build(cls, f"plugins.{name}", sources)
    for source in sources:
        source.read(())
    return None


def _file_sources(files: Iterable[Path], section: str) -> Iterable[FileSource]:
    for path in files:
        content = read_toml(path)
        first, *rest = section.split(".", 1)
        for key in content.keys() - SECTIONS - {first}:
            raise ConfigurationError(unknown_key(str(path), key, SECTIONS | {first}))
        table: Any = content
        for step in (first, *rest):
            table = table.get(step, {})
            if not isinstance(table, Mapping):
                raise ConfigurationError(f"{path}: {section} is no table; write it as [{section}].")
        yield FileSource(path, section, table)


def _build(cls: type[T], section: str, sources: Sequence[Source]) -> T:
    options = deep_options(cls)
    found = merge_settings(options, [source.read(options) for source in sources])
    missing = sorted(option.path for option in options if option.has_no_default and option.path not in found)
    if missing:
        raise ConfigurationError(f"[{section}] lacks the settings {', '.join(missing)}; add them to a config file.")
    try:
        settings: T = _assemble(cls, flat2nested(found))
    except Exception as error:
        used = ", ".join(source.label for source in sources if source.found) or "defaults"
        why = error.args[0] if error.args else type(error).__name__
        raise ConfigurationError(f"[{section}] ({used}): {why}") from error
    return settings


def _assemble(cls: type[Any], values: Mapping[str, Any]) -> Any:
    """Make a settings class, and those inside it, from values that their sources have converted already."""
    given = dict(values)
    for field in attrs.fields(cls):
        nested = nested_settings(field)
        if nested is not None and field.init:
            given[field.alias] = _assemble(nested, given.get(field.alias, {}))
    return cls(**given)
