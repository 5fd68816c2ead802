"""Reading JSON: strictly, and for large arrays piece by piece, so that no other thread waits long for its turn."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

_BLANK: Final = re.compile(r"[ \t\n\r]*")
_NEXT: Final = re.compile(r"[ \t\n\r]*([,\]])[ \t\n\r]*")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON; use null or a text")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def parse_json(body: bytes) -> Any:
    """Return what a body says; HTTPException 400 with a sentence if it is no JSON, NaN and infinities included."""
    try:
        return _DECODER.decode(_text(body))
    except (ValueError, RecursionError) as error:
        raise _refusal(error) from error


def read_array(body: bytes, key: str) -> Iterator[Any]:
    """Yield the members of the array that an object has under ``key``, its only key, each when it is read.

    Raises:
        HTTPException: the body is no JSON (400).
        RequestValidationError: it is something other than such an object.
    """
    text = _text(body)
    try:
        yield from _members(text, key)
    except (ValueError, RecursionError) as error:
        raise _refusal(error) from error


def _members(text: str, key: str) -> Iterator[Any]:
    place = _skip(text, 0)
    if text[place : place + 1] != "{":
        _DECODER.decode(text)
        raise RequestValidationError([{"type": "dict_type", "loc": ("body",), "msg": "input should be an object"}])
    place = _skip(text, place + 1)
    if text[place : place + 1] == "}":
        raise RequestValidationError([{"type": "missing", "loc": ("body", key), "msg": "Field required"}])
    name, place = _DECODER.raw_decode(text, place)
    place = _expect(text, place, ":")
    if name != key:
        _DECODER.decode(text)
        raise RequestValidationError(
            [{"type": "extra_forbidden", "loc": ("body", str(name)), "msg": f"only {key!r} is expected"}]
        )
    if text[place : place + 1] != "[":
        value, _ = _DECODER.raw_decode(text, place)
        raise RequestValidationError(
            [{"type": "list_type", "loc": ("body", key), "msg": "input should be a list", "input": value}]
        )
    place = _skip(text, place + 1)
    if text[place : place + 1] == "]":
        place += 1
    else:
        while True:
            member, place = _DECODER.raw_decode(text, place)
            yield member
            mark = _NEXT.match(text, place)
            if mark is None:
                raise json.JSONDecodeError("Expecting ',' or ']'", text, place)
            place = mark.end()
            if mark[1] == "]":
                break
    place = _skip(text, place)
    if text[place : place + 1] == ",":
        name, _ = _DECODER.raw_decode(text, _skip(text, place + 1))
        raise RequestValidationError(
            [{"type": "extra_forbidden", "loc": ("body", str(name)), "msg": f"only {key!r} is expected"}]
        )
    place = _skip(text, _expect(text, place, "}"))
    if place != len(text):
        raise json.JSONDecodeError("Extra data", text, place)


def _skip(text: str, place: int) -> int:
    found = _BLANK.match(text, place)
    return found.end() if found else place


def _expect(text: str, place: int, mark: str) -> int:
    place = _skip(text, place)
    if text[place : place + 1] != mark:
        raise json.JSONDecodeError(f"Expecting {mark!r}", text, place)
    return _skip(text, place + 1)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise _refusal(error) from error


def _refusal(error: Exception) -> HTTPException:
    if isinstance(error, RecursionError):
        return HTTPException(400, "The body is nested too deep; flatten it. Nothing was written.")
    return HTTPException(400, f"The body is not JSON in UTF-8: {error}. Nothing was written.")


__all__ = ["parse_json", "read_array"]
