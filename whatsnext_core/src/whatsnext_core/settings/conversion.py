"""How a value from a file, a variable or an option becomes what a settings class asks for."""

from __future__ import annotations

import functools
import types
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn
from typed_settings.converters import register_secret_hook
from typed_settings.types import OptionInfo, Secret, SecretStr

from whatsnext_core.converters import from_json, make_converter
from whatsnext_core.errors import ConfigurationError, InvalidError

TRUE: Final = frozenset({"1", "on", "true", "yes"})
FALSE: Final = frozenset({"0", "false", "no", "off"})


@functools.lru_cache(maxsize=8)
def settings_converter(folder: Path | None) -> cattrs.Converter:
    """Return what reads settings: relative paths are below ``folder``, a field's own converter has precedence."""
    converter = make_converter()
    converter.register_structure_hook(Path, lambda value, _: _read_path(value, folder))
    converter.register_structure_hook(SecretStr, lambda value, _: SecretStr(converter.structure(value, str)))
    register_secret_hook(converter)

    def read_attrs(cls: type[Any]) -> Any:
        return make_dict_structure_fn(
            cls, converter, _cattrs_forbid_extra_keys=True, _cattrs_prefer_attrib_converters=True
        )

    converter.register_structure_hook_factory(attrs.has, read_attrs)
    return converter


def convert(value: Any, option: OptionInfo, label: str, folder: Path | None) -> Any:
    """Return ``value`` as ``option`` asks for it; relative paths are below ``folder``.

    Raises:
        ConfigurationError: it is something else; ``label`` begins the message, and a secret value is not shown.
    """
    try:
        if option.converter is not None:
            return option.converter(value)
        _check_shape(value, option.cls, label)
        return from_json(value, option.cls, what=label, converter=settings_converter(folder))
    except InvalidError as error:
        if is_secret(option):
            raise ConfigurationError(_hidden(option, label)) from None
        prefix = "" if option.converter is None else f"{label}: "
        raise ConfigurationError(f"{prefix}{error}") from error
    except (ArithmeticError, TypeError, ValueError, LookupError) as error:
        if is_secret(option):
            raise ConfigurationError(_hidden(option, label)) from None
        raise ConfigurationError(f"{label}: {error}") from error


def parse_text(text: str, kind: Any) -> Any:
    """Return what ``text`` means for a setting of type ``kind``.

    Numbers and booleans are read; a collection is split at commas. A text that means nothing of the kind is returned as
    it is, and refused where its value is converted.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        meanings = [parse_text(text, each) for each in arguments if each is not type(None)]
        return next((meaning for meaning in meanings if meaning != text), text)
    if kind is bool:
        word = text.strip().lower()
        return True if word in TRUE else False if word in FALSE else text
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return text
    if _is_collection(kind):
        item = next(iter(arguments), str)
        return [parse_text(part.strip(), item) for part in text.split(",") if part.strip()]
    return text


def is_secret(option: OptionInfo) -> bool:
    """Return whether the value of ``option`` is a secret, or holds one."""
    return option.is_secret or _mentions_secret(option.cls)


def _check_shape(value: Any, kind: Any, label: str) -> None:
    """Refuse what cattrs would take apart as if it were a list or a table."""
    if isinstance(value, str) and _is_collection(kind):
        raise InvalidError(f"{label}: {value!r} is no list")
    if not isinstance(value, Mapping) and _is_container(kind, Mapping):
        raise InvalidError(f"{label}: {value!r} is no table")


def _hidden(option: OptionInfo, label: str) -> str:
    expected = "a list of strings" if _is_collection(option.cls) else "a string"
    return f"{label}: the value, which is a secret and not shown, is malformed; expected {expected}."


def _is_collection(kind: Any) -> bool:
    """Whether ``kind`` is a list, tuple or set, which JSON and TOML write as a list."""
    return _is_container(kind, Collection) and not _is_container(kind, str) and not _is_container(kind, Mapping)


def _is_container(kind: Any, container: type) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, container)


def _mentions_secret(kind: Any) -> bool:
    return _is_container(kind, Secret) or _is_container(kind, SecretStr) or any(map(_mentions_secret, get_args(kind)))


def _read_path(value: Any, folder: Path | None) -> Path:
    if not isinstance(value, str | Path):
        raise TypeError(f"{value!r} is no path")
    path = Path(value).expanduser()
    return path if folder is None else folder / path
