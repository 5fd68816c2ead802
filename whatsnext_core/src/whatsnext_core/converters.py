"""The one place where domain values become JSON and come back.

``to_json`` gives plain dictionaries, lists, strings and numbers: times as ISO 8601 in UTC with ``Z``, enumerations as
their values, sets as sorted lists, bytes in base64, whole numbers of seconds and the like as integers, keys as strings.
What a user gave (parameters, results, options) stays exactly as it is. ``from_json`` reads the same back, refuses
unknown keys, and names the path of what is wrong.
"""

from __future__ import annotations

import base64
import functools
import json
import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import Any, TypeVar, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, mapping_structure_factory
from cattrs.strategies import configure_union_passthrough

from whatsnext_core.errors import InvalidError, TooLargeError, WhatsNextError
from whatsnext_core.model.limits import shorten
from whatsnext_core.model.status import ReadInAnyCase

T = TypeVar("T")

_WRONG = (AttributeError, TypeError, ValueError, KeyError)
"""What reading raises for a value of the wrong shape."""


@functools.lru_cache(maxsize=1024)
def format_time(moment: datetime) -> str:
    """Return a time as ISO 8601 in UTC: ``2026-01-31T12:00:00.123456Z``."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat()[: -len("+00:00")] + "Z"


def parse_time(text: str) -> datetime:
    """Return the time that ISO 8601 ``text`` names, in UTC; a text without an offset is UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def make_converter() -> cattrs.Converter:
    """Return a converter for all values of this package; a plugin may register its own hooks on it."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    plain = functools.partial(_plain, converter)
    converter.register_unstructure_hook_func(lambda kind: kind is Any, plain)
    converter.register_unstructure_hook(dict, plain)
    converter.register_unstructure_hook(datetime, format_time)
    converter.register_unstructure_hook(float, _write_float)
    converter.register_unstructure_hook_factory(_is_set, lambda kind: functools.partial(_write_set, converter, kind))
    converter.register_unstructure_hook_factory(_has_int_keys, lambda kind: _write_mapping(converter, kind))
    converter.register_structure_hook_factory(_is_mapping, lambda kind: _read_object(converter, kind))
    converter.register_structure_hook_factory(_has_int_keys, lambda kind: _read_mapping(converter, kind))
    converter.register_structure_hook_factory(_is_list, lambda kind: _read_list(converter, kind))
    converter.register_structure_hook_factory(attrs.has, lambda kind: _only_from_object(converter, kind))
    converter.register_structure_hook(StrEnum, _read_enum)
    converter.register_unstructure_hook(StrEnum, lambda member: member._value_)
    converter.register_unstructure_hook(bytes, _write_bytes)
    converter.register_structure_hook(bytes, _read_bytes)
    converter.register_structure_hook(datetime, _read_time)
    converter.register_structure_hook(float, _read_float)
    converter.register_structure_hook(int, _read_int)
    converter.register_structure_hook(str, _read_str)
    converter.register_structure_hook(bool, _read_bool)
    configure_union_passthrough(str | int | float | bool | None, converter)
    return converter


def to_json(value: Any) -> Any:
    """Return ``value`` as plain JSON data."""
    return _CONVERTER.unstructure(value)


def json_bytes(data: Any) -> bytes:
    """Return plain JSON data as one line of text in UTF-8.

    msgspec takes an eighth of the time of the standard library, which writes what msgspec refuses (half of a surrogate
    pair, a number of more than 64 bits), or may have written as ``null`` though it is no number.
    """
    import msgspec  # what a person types shall not wait for it

    try:
        text = msgspec.json.encode(data)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError):
        return json.dumps(data).encode()
    if text == b"null" or b":null" in text or b",null" in text or b"[null" in text:
        return json.dumps(data).encode()
    return text


def read_json(text: bytes) -> Any:
    """Return the data that JSON holds; msgspec reads it, or where it is of a wider kind, the standard library.

    Raises:
        ValueError: it is no JSON.
    """
    import msgspec

    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


def from_json(data: Any, kind: type[T], *, what: str = "value", converter: cattrs.Converter | None = None) -> T:
    """Return the ``kind`` that ``data`` describes.

    Raises:
        InvalidError: a key is unknown or missing, or a value has the wrong type; the message gives its path in
            ``what``. TooLargeError if some value is too large.
    """
    try:
        return (converter or _CONVERTER).structure(data, kind)
    except cattrs.BaseValidationError as error:
        kind_of_error = TooLargeError if _is_about_size(error) else InvalidError
        raise kind_of_error("; ".join(_sentences(error, what))) from error
    except WhatsNextError:
        raise
    except _WRONG as error:
        raise InvalidError(f"{what}: {error}") from error


def ignoring_extra_keys(kind: type) -> cattrs.Converter:  # noqa: ARG001 - one converter serves all kinds
    """Return a converter that reads ``kind`` and passes over keys it does not know, as a client of a newer server must.

    The same holds for all that ``kind`` contains. Everybody gets the same one; who wants hooks of their own takes
    ``tolerant_converter``.
    """
    return _shared()


def tolerant_converter() -> cattrs.Converter:
    """Return a new converter that passes over keys it does not know; hooks may be registered on it."""
    converter = make_converter()
    converter.forbid_extra_keys = False
    return converter


_shared = functools.cache(tolerant_converter)


def _only_from_object(converter: cattrs.Converter, kind: type) -> Callable[[Any, Any], Any]:
    read: Callable[[Any, Any], Any] = make_dict_structure_fn(
        kind, converter, _cattrs_forbid_extra_keys=converter.forbid_extra_keys
    )

    def structure(value: Any, _: Any) -> Any:
        if type(value) is not dict and not isinstance(value, Mapping):  # the second takes ten times as long
            raise TypeError(f"{shorten(value)} is no object with the keys of {kind.__name__}")
        return read(value, kind)

    return structure


def _is_about_size(error: BaseException) -> bool:
    if isinstance(error, cattrs.BaseValidationError):
        return any(map(_is_about_size, error.exceptions))
    return isinstance(error, TooLargeError)


def _sentences(error: BaseException, path: str) -> list[str]:
    if isinstance(error, cattrs.BaseValidationError):
        found: list[str] = []
        for inner in error.exceptions:
            note = next((n for n in getattr(inner, "__notes__", ()) if hasattr(n, "name") or hasattr(n, "index")), None)
            name = getattr(note, "name", None)
            step = f".{name}" if name is not None else (f"[{note.index}]" if note is not None else "")
            found += _sentences(inner, path + step)
        return found
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        known = sorted(attribute.name for attribute in attrs.fields(error.cl))
        return [
            f"{path} has the unknown key {key!r}; known are {', '.join(known)}" for key in sorted(error.extra_fields)
        ]
    if isinstance(error, KeyError):
        return [f"{path} lacks the key {error}"]
    return [f"{path}: {error}"]


def _plain(converter: cattrs.Converter, value: Any) -> Any:
    match value:
        case None | bool():
            return value
        case str() | int() | float():
            return value.value if isinstance(value, Enum) else value
        case dict():
            return {_write_key(key): _plain(converter, member) for key, member in value.items()}
        case list() | tuple():
            return [_plain(converter, member) for member in value]
        case _:
            return converter.unstructure(value)


def _write_key(key: Any) -> str:
    return key if type(key) is str else str(key)


def _write_float(value: float) -> float:
    return int(value) if math.isfinite(value) and value == int(value) else value


def _is_set(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, AbstractSet)


def _write_set(converter: cattrs.Converter, kind: Any, value: AbstractSet[Any]) -> list[Any]:
    member = (get_args(kind) or (None,))[0]
    return sorted(converter.unstructure(each, unstructure_as=member) for each in value)


def _is_list(kind: Any) -> bool:
    origin = get_origin(kind)
    if origin is tuple:
        return get_args(kind)[1:] == (...,)
    return isinstance(origin, type) and issubclass(origin, list | AbstractSet)


def _read_list(converter: cattrs.Converter, kind: Any) -> Callable[[Any, Any], Any]:
    make: Callable[[list[Any]], Any] = {tuple: tuple, list: list, set: set}.get(get_origin(kind), frozenset)
    member_kind = get_args(kind)[0]
    read = converter.get_structure_hook(member_kind)

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple | AbstractSet):
            raise TypeError(f"{shorten(value)} is no list")
        found, errors = [], []
        for index, member in enumerate(value):
            try:
                found.append(read(member, member_kind))
            except (*_WRONG, WhatsNextError, cattrs.BaseValidationError) as error:
                error.add_note(cattrs.IterableValidationNote(f"at index {index}", index, member_kind))
                errors.append(error)
        if errors:
            raise cattrs.IterableValidationError("while reading a list", errors, kind)
        return make(found)

    return structure


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _read_object(converter: cattrs.Converter, kind: Any) -> Callable[[Any, Any], Any]:
    read = mapping_structure_factory(kind, converter, dict)

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise TypeError(f"{shorten(value)} is no object")
        return read(value, kind)

    return structure


def _has_int_keys(kind: Any) -> bool:
    return _is_mapping(kind) and get_args(kind)[0] is int


def _write_mapping(converter: cattrs.Converter, kind: Any) -> Callable[[Mapping[int, Any]], dict[str, Any]]:
    write = converter.get_unstructure_hook(get_args(kind)[1])
    return lambda value: {str(key): write(member) for key, member in value.items()}


def _read_mapping(converter: cattrs.Converter, kind: Any) -> Callable[[Any, Any], dict[int, Any]]:
    member_kind = get_args(kind)[1]
    read = converter.get_structure_hook(member_kind)

    def structure(value: Any, _: Any) -> dict[int, Any]:
        if not isinstance(value, Mapping):
            raise TypeError(f"{shorten(value)} is no object with numbers as keys")
        return {_read_key(key): read(member, member_kind) for key, member in value.items()}

    return structure


def _read_key(key: Any) -> int:
    if isinstance(key, str) and key.isascii() and key.isdecimal():
        return int(key)
    return _read_int(key, int)


def _read_enum(value: Any, kind: type[StrEnum]) -> StrEnum:
    text = _read_str(value, str)
    if issubclass(kind, ReadInAnyCase):
        return kind.parse(text)
    for member in kind:
        if member.value == text:
            return member
    raise ValueError(f"{shorten(text)} is none of {', '.join(kind)}")


def _write_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _read_bytes(value: Any, _: Any) -> bytes:
    try:
        return base64.b64decode(_read_str(value, str), validate=True)
    except ValueError as error:
        raise ValueError(f"{shorten(value)} is no base64") from error


def _read_time(value: Any, _: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        return parse_time(_read_str(value, str))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{shorten(value)} is no time in ISO 8601, like 2026-01-31T12:00:00Z") from error


def _read_float(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{shorten(value)} is no number")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{shorten(value)} is too large") from error


def _read_int(value: Any, _: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{shorten(value)} is no whole number")
    return value


def _read_str(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{shorten(value)} is no string")
    return value


def _read_bool(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{shorten(value)} is neither true nor false")
    return value


_CONVERTER = make_converter()

__all__ = [
    "format_time",
    "from_json",
    "ignoring_extra_keys",
    "make_converter",
    "parse_time",
    "to_json",
    "tolerant_converter",
]
