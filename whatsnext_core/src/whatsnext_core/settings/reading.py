"""Reads the settings of a program or a plugin from all their sources, later ones over earlier ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import attrs
import typed_settings
from typed_settings.cls_utils import deep_options
from typed_settings.exceptions import InvalidSettingsError

from whatsnext_core.errors import ConfigurationError
from whatsnext_core.settings.files import find_config_files, find_dotenv, read_dotenv, read_toml
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
        source(object, ())
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
    assembler = _Assembler()
    try:
        return typed_settings.load_settings(cls, sources, converter=assembler)
    except InvalidSettingsError as errors:
        raise ConfigurationError(_explain(cls, section, sources, assembler.refusal or errors)) from assembler.refusal


def _explain(cls: type, section: str, sources: Sequence[Source], error: Exception) -> str:
    """The sentence that says what is missing, or why the class refused what there is."""
    options = deep_options(cls)
    found = {path for source in sources for path in source.found}
    missing = sorted(option.path for option in options if option.has_no_default and option.path not in found)
    if missing:
        return f"[{section}] lacks the settings {', '.join(missing)}; add them to a config file."
    if isinstance(error, InvalidSettingsError):
        return f"[{section}]: {'; '.join(str(each) for each in error.exceptions)}"
    used = ", ".join(source.label for source in sources if source.found) or "defaults"
    return f"[{section}] ({used}): {error.args[0] if error.args else type(error).__name__}"


class _Assembler:
    """Makes the settings class from values that their sources have converted already.

    It has the shape that typed-settings asks of a converter, and remembers why a class refused its values.
    """

    def __init__(self) -> None:
        self.refusal: Exception | None = None

    def structure(self, obj: Any, cl: type[T]) -> T:
        """Return ``obj`` itself, or the settings class that it is a dictionary for."""
        if not isinstance(obj, dict) or not attrs.has(cl):
            return cast("T", obj)
        kinds: dict[str, type[Any]] = {field.alias: field.type for field in attrs.fields(cl)}
        values = {name: self.structure(value, kinds[name]) for name, value in obj.items()}
        try:
            return cast("T", cl(**values))
        except Exception as error:
            self.refusal = error
            raise

    def get_structure_hook(self, cl: type[T]) -> Callable[[Any, type[T]], T]:
        """Return what converts to ``cl``."""
        return lambda obj, _: self.structure(obj, cl)
