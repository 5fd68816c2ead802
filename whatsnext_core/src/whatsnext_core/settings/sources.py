"""Where settings come from; each source checks and converts what it finds."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from typed_settings.dict_utils import set_path
from typed_settings.types import LoadedSettings, LoaderMeta, OptionInfo, OptionList

from whatsnext_core.errors import ConfigurationError
from whatsnext_core.settings.conversion import convert, parse_text
from whatsnext_core.settings.files import PREFIX


class FileSource:
    """A section of a TOML file; relative paths in it are relative to its folder."""

    def __init__(self, path: Path, section: str, table: Mapping[str, Any]) -> None:
        self.label = str(path)
        self.found: list[str] = []
        self._section = section
        self._table = table
        self._folder = path.absolute().parent

    def read(self, options: OptionList) -> LoadedSettings:
        """Return the settings of the section; ConfigurationError for an unknown key or a bad value."""
        values: dict[str, Any] = {}
        self._read(self._table, "", {option.path: option for option in options}, values)
        return LoadedSettings(values, LoaderMeta(self.label))

    def _read(
        self, table: Mapping[str, Any], prefix: str, options: Mapping[str, OptionInfo], values: dict[str, Any]
    ) -> None:
        below = [path.removeprefix(prefix) for path in options if path.startswith(prefix)]
        groups = {path.partition(".")[0] for path in below if "." in path}
        for key, value in table.items():
            name = key.replace("-", "_")
            if prefix + name in options:
                option = options[prefix + name]
                label = f"{self.label}: [{self._section}] {prefix}{key}"
                set_path(values, option.path, convert(value, option, label, self._folder))
                self.found.append(option.path)
            elif name in groups and isinstance(value, Mapping):
                self._read(value, f"{prefix}{name}.", options, values)
            elif name in groups:
                raise ConfigurationError(f"{self.label}: [{self._section}] {prefix}{key}: {value!r} is no table")
            else:
                place = f"{self.label}: [{f'{self._section}.{prefix}'.rstrip('.')}]"
                raise ConfigurationError(unknown_key(place, key, {path.partition(".")[0] for path in below}))


class VariableSource:
    """Environment variables, of the process or of a ``.env`` file; an empty one counts as not set."""

    def __init__(self, variables: Mapping[str, str], file: Path | None = None) -> None:
        self.label = str(file) if file else "environment"
        self._place = f"{file}:" if file else "environment variable"
        self.found: list[str] = []
        self._variables = variables

    def read(self, options: OptionList) -> LoadedSettings:
        """Return the settings that have a variable; ConfigurationError for a bad value."""
        values: dict[str, Any] = {}
        for option in options:
            name = PREFIX + option.path.upper().replace(".", "_")
            text = self._variables.get(name)
            if text:
                value = text if option.converter is not None else parse_text(text, option.cls)
                label = f"{self._place} {name}"
                set_path(values, option.path, convert(value, option, label, None))
                self.found.append(option.path)
        return LoadedSettings(values, LoaderMeta(self.label))


class OverrideSource:
    """Options of a command line, or arguments of a call; None counts as not given."""

    label = "options"

    def __init__(self, overrides: Mapping[str, Any]) -> None:
        self.found: list[str] = []
        self._overrides = overrides

    def read(self, options: OptionList) -> LoadedSettings:
        """Return the settings that were given; ConfigurationError for an unknown one or a bad value."""
        values: dict[str, Any] = {}
        by_path = {option.path: option for option in options}
        for path, given in self._overrides.items():
            if path not in by_path:
                raise ConfigurationError(unknown_key("options", path, by_path))
            if given is None:
                continue
            option = by_path[path]
            plain = isinstance(given, str) and option.converter is None
            value = parse_text(given, option.cls) if plain else given
            set_path(values, path, convert(value, option, f"option {path}", None))
            self.found.append(path)
        return LoadedSettings(values, LoaderMeta(self.label))


def unknown_key(place: str, key: str, known: Iterable[str]) -> str:
    """Return the sentence that refuses a key, with the known ones and the one that was perhaps meant."""
    names = sorted(known)
    close = difflib.get_close_matches(key, names, n=1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    return f"{place} has the unknown key {key!r}.{meant} Known keys: {', '.join(names) or 'none'}."
