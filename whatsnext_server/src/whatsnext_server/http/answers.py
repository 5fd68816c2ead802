"""JSON answers: how they are written, and how requests are read."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
from starlette.responses import Response

from whatsnext_core.converters import to_json

_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=to_json)


def encode(value: Any) -> bytes:
    """Return JSON data, and values of the model in it, as UTF-8, which has an escape for a lone surrogate."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return _ENCODER.encode(value).encode()


class Answer(Response):
    """A JSON answer, made of plain JSON data."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return encode(content)


class Encoded(Response):
    """A JSON answer whose body was encoded already, in another thread."""

    media_type = "application/json"


def listing(values: Any) -> bytes:
    """Return a sequence of domain values as an encoded JSON list."""
    return encode([to_json(value) for value in values])


__all__ = ["Answer", "Encoded", "encode", "listing"]
