"""The bounds of every value that comes from outside, and the checks that keep them.

The numbers are generous for people and small enough that one request cannot hurt the server. Each check raises
InvalidError with a sentence that names the value; ``what`` is how that sentence calls it ("name of job 3").
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final

from whatsnext_core.errors import InvalidError, TooLargeError

MAX_ID: Final = 2**63 - 1
MAX_NAME: Final = 255
"""Characters in the name of a project, task, job or client."""
MAX_TEXT: Final = 65_536
"""Characters in a description, a template or a message."""
MAX_PARAMETERS: Final = 1_048_576
"""Bytes of a job's parameters, written as JSON in UTF-8."""
MAX_RESULT: Final = 65_536
"""Bytes of a job's result or of an attempt's handle, written as JSON in UTF-8."""
SIMPLE_MEMBERS: Final = 64
SIMPLE_TEXT: Final = 1_000
"""Members, and characters in each key and text, of parameters that cannot be too large, whatever they say."""
MAX_DEPTH: Final = 64
"""Levels of nesting in a job's parameters."""
MAX_PRIORITY: Final = 2**31 - 1
MAX_CPU: Final = 65_536
MAX_ACCELERATORS: Final = 4_096
MAX_MEMORY: Final = 2**60
MAX_SECONDS: Final = 10 * 366 * 86_400.0
MAX_CPU_SECONDS: Final = MAX_SECONDS * MAX_CPU
MAX_RETRIES: Final = 1_000
MAX_LABELS: Final = 64
CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}(=[A-Za-z0-9._/-]{0,63})?")
ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_FORBIDDEN = re.compile("[\0\ud800-\udfff]")
"""A NUL or a lone surrogate: databases and UTF-8 cannot hold them."""
_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=dict)


def shorten(value: object, length: int = 60) -> str:
    """Return ``value`` as it may stand in a message: its repr, cut to ``length`` characters."""
    try:
        text = repr(value)
    except ValueError:  # a number of so many digits that Python refuses to write it
        text = f"<{type(value).__name__} too long to write>"
    return text if len(text) <= length else f"{text[: length - 3]}..."


def check_name(value: str, what: str) -> str:
    """Return ``value`` if it can name something: 1 to 255 printable characters, no blank at either end."""
    if not value:
        raise InvalidError(f"The {what} is empty; give it 1 to {MAX_NAME} characters.")
    if len(value) > MAX_NAME:
        raise InvalidError(
            f"The {what} has {len(value)} characters ({shorten(value)}); at most {MAX_NAME} are allowed."
        )
    if value != value.strip():
        raise InvalidError(f"The {what} {shorten(value)} begins or ends with white space; remove it.")
    unprintable = "" if value.isprintable() else value
    bad = next((c for c in unprintable if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}), None)
    if bad is not None:
        raise InvalidError(f"The {what} {shorten(value)} contains the control character {bad!r}; remove it.")
    return value


def is_plain_name(value: str) -> bool:
    """Return whether it is seen at a glance that ``value`` can name something; False leaves it open."""
    return 0 < len(value) <= MAX_NAME and value.isprintable() and value[0] != " " and value[-1] != " "


def check_text(value: str, what: str) -> str:
    """Return ``value`` if it is at most 65,536 characters without NUL and lone surrogates."""
    if len(value) > MAX_TEXT:
        raise TooLargeError(f"The {what} has {len(value)} characters; at most {MAX_TEXT} are allowed.")
    if _FORBIDDEN.search(value):
        raise InvalidError(f"The {what} {shorten(value)} contains a NUL or a lone surrogate; remove it.")
    return value


def check_id(value: int, what: str) -> int:
    """Return ``value`` if it can be an id: 1 to 2**63 - 1."""
    if not 1 <= value <= MAX_ID:
        raise InvalidError(f"The {what} {shorten(value)} is out of range; ids go from 1 to {MAX_ID}.")
    return value


def check_client_id(value: str) -> str:
    """Return ``value`` if it is 1 to 128 of letters, digits, ``-`` and ``_``."""
    if not CLIENT_ID.fullmatch(value):
        raise InvalidError(f"The client id {shorten(value)} is not 1 to 128 of letters, digits, '-' and '_'.")
    return value


def as_labels(labels: Iterable[str]) -> frozenset[str]:
    """Return ``labels`` as a set, unchecked."""
    return frozenset(labels)


def check_labels(labels: Iterable[str], what: str) -> frozenset[str]:
    """Return ``labels`` as a set if each is ``name`` or ``name=value`` and they are at most 64."""
    found = frozenset(labels)
    if len(found) > MAX_LABELS:
        raise InvalidError(f"The {what} are {len(found)}; at most {MAX_LABELS} are allowed.")
    for label in sorted(found):
        if not LABEL.fullmatch(label):
            raise InvalidError(
                f"The label {shorten(label)} of {what} is not of the form name or name=value "
                f"with letters, digits, '.', '_', '/' and '-', up to 63 characters each."
            )
    return found


def check_number(value: float, what: str, *, low: float, high: float, unit: str = "") -> float:
    """Return ``value`` if it is a number between ``low`` and ``high``, both included."""
    if not low <= value <= high:  # false for NaN, whatever the bounds
        raise InvalidError(f"The {what} is {shorten(value)}; it must be from {low:g} to {high:g}{unit and ' ' + unit}.")
    return value


def check_environment(environment: Mapping[str, str], what: str) -> Mapping[str, str]:
    """Return ``environment`` if its names are names of variables and its values can be handed to a process."""
    for name, value in environment.items():
        if not ENVIRONMENT_NAME.fullmatch(name):
            raise InvalidError(f"The environment variable {shorten(name)} of {what} is not a name of a variable.")
        check_text(value, f"environment variable {name} of {what}")
    return environment


def check_parameters(parameters: Mapping[str, Any], what: str) -> None:
    """Refuse parameters that break a limit, as ``dump_parameters`` does; most are seen at a glance to keep all."""
    if not are_simple(parameters):
        dump_parameters(parameters, what)


def are_simple(parameters: Mapping[str, Any]) -> bool:
    """Return whether parameters are so few, short and flat that they keep every limit; False leaves it open."""
    if type(parameters) is not dict or len(parameters) > SIMPLE_MEMBERS:
        return False
    for key, value in parameters.items():
        if type(key) is not str or len(key) > SIMPLE_TEXT or not key.isprintable():
            return False
        kind = type(value)
        if kind is str:
            if len(value) > SIMPLE_TEXT or not value.isprintable():  # neither a NUL nor a surrogate is printable
                return False
        elif kind is int:
            if not -(2**63) <= value < 2**64:
                return False
        elif kind is float:
            if not math.isfinite(value):
                return False
        elif kind is not bool and value is not None:
            return False
    return True


def dump_parameters(parameters: Any, what: str, *, limit: int = MAX_PARAMETERS) -> str:
    """Return ``parameters``, or any other JSON value, as compact JSON, keys in the given order.

    Raises:
        InvalidError: a value is no JSON (NaN and infinities included), a key is no string, or nesting is too deep.
        TooLargeError: the JSON is larger than ``limit`` bytes, 1 MiB if nothing else is said.
    """
    _check_json(parameters, what, MAX_DEPTH)
    text = _COMPACT.encode(parameters)
    size = len(text.encode("utf-8"))
    if size > limit:
        raise TooLargeError(
            f"The {what} take {size} bytes as JSON; at most {limit} are allowed. "
            f"Put large data in a file and pass its path."
        )
    return text


def _check_json(value: Any, what: str, depth: int) -> None:
    if depth < 0:
        raise InvalidError(f"The {what} are nested deeper than {MAX_DEPTH} levels; flatten them.")
    match value:
        case None | bool():
            return
        case int():
            if not -(2**63) <= value < 2**64:
                raise InvalidError(
                    f"The {what} contain {shorten(value)}, which does not fit 64 bits; pass it as a string."
                )
        case float():
            if not math.isfinite(value):
                raise InvalidError(f"The {what} contain {value}, which JSON cannot hold; use null or a string.")
        case str():
            if _FORBIDDEN.search(value):
                raise InvalidError(f"The {what} contain a string with a NUL or a lone surrogate: {shorten(value)}.")
        case Mapping():
            for key, member in value.items():
                if not isinstance(key, str):
                    raise InvalidError(f"The {what} contain the key {shorten(key)}, which is no string.")
                _check_json(key, what, depth)
                _check_json(member, what, depth - 1)
        case list() | tuple():
            for member in value:
                _check_json(member, what, depth - 1)
        case _:
            raise InvalidError(
                f"The {what} contain {shorten(value)} of type {type(value).__name__}, which is no JSON; "
                f"use strings, numbers, booleans, null, lists and objects."
            )
