"""The one place where domain values become JSON and come back.

``to_json`` gives plain dictionaries, lists, strings and numbers: times as ISO 8601 in UTC with ``Z``, enumerations as
their values, sets as sorted lists, whole floats as integers. ``from_json`` reads the same back, refuses unknown keys, and
names the path of what is wrong.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn
from cattrs.strategies import configure_union_passthrough

from whatsnext_core.errors import InvalidError, WhatsNextError

T = TypeVar("T")


def format_time(moment: datetime) -> str:
    """Return a time as ISO 8601 in UTC: ``2026-01-31T12:00:00.123456Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Return the time that ISO 8601 ``text`` names, in UTC; a text without an offset is UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def make_converter() -> cattrs.Converter:
    """Return a converter for all values of this package; a plugin may register its own hooks on it."""
    converter = cattrs.Converter(forbid_extra_keys=True, unstruct_collection_overrides={frozenset: sorted, set: sorted})
    converter.register_unstructure_hook(datetime, format_time)
    converter.register_structure_hook(
        datetime, lambda value, _: value if isinstance(value, datetime) else parse_time(value)
    )
    converter.register_unstructure_hook(float, lambda value: int(value) if value.is_integer() else value)
    converter.register_structure_hook(float, _read_float)
    converter.register_structure_hook(int, _read_int)
    converter.register_structure_hook(str, _read_str)
    converter.register_structure_hook(bool, _read_bool)
    configure_union_passthrough(str | int | float | bool | None, converter)
    return converter


def to_json(value: Any) -> Any:
    """Return ``value`` as plain JSON data."""
    return _CONVERTER.unstructure(value)


def from_json(data: Any, kind: type[T], *, what: str = "value", converter: cattrs.Converter | None = None) -> T:
    """Return the ``kind`` that ``data`` describes.

    Raises:
        InvalidError: a key is unknown or missing, or a value has the wrong type; the message gives its path in ``what``.
    """
    try:
        return (converter or _CONVERTER).structure(data, kind)
    except cattrs.BaseValidationError as error:
        raise InvalidError("; ".join(_sentences(error, what))) from error
    except WhatsNextError:
        raise
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        raise InvalidError(f"{what}: {error}") from error


def ignoring_extra_keys(kind: type[T]) -> cattrs.Converter:
    """Return a converter that reads ``kind`` and passes over keys it does not know, as a client of a newer server must."""
    converter = make_converter()
    converter.forbid_extra_keys = False
    converter.register_structure_hook_factory(
        attrs.has, lambda cls: make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=False)
    )
    return converter


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
        known = sorted(attribute.name for attribute in attrs.fields(error.cl)) if attrs.has(error.cl) else []
        return [
            f"{path} has the unknown key {key!r}; known are {', '.join(known)}" for key in sorted(error.extra_fields)
        ]
    if isinstance(error, KeyError):
        return [f"{path} lacks the key {error}"]
    return [f"{path}: {error}"]


def _read_float(value: Any, _: type) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _read_int(value: Any, _: type) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _read_str(value: Any, _: type) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no string")
    return value


def _read_bool(value: Any, _: type) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


_CONVERTER = make_converter()

__all__ = ["format_time", "from_json", "ignoring_extra_keys", "make_converter", "parse_time", "to_json"]
