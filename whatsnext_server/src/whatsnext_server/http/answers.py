"""JSON answers: how they are written, and how requests are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

from whatsnext_core.converters import to_json


def _as_json(value: Any) -> Any:
    return json.loads(bytes(value)) if isinstance(value, msgspec.Raw) else to_json(value)


_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=_as_json)


def encode(value: Any) -> bytes:
    """Return JSON data, and values of the model in it, as UTF-8, which has an escape for a lone surrogate."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return _ENCODER.encode(value).encode()


class Texts:
    """Values as JSON that answers show again and again, each encoded once.

    One is known by its identity, so it is for values that never change, and that whoever has them keeps.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._texts: dict[int, tuple[Any, msgspec.Raw]] = {}

    def __getitem__(self, value: Any) -> msgspec.Raw:
        """Return what ``encode`` takes for a value of the model."""
        found = self._texts.get(id(value))
        if found is None:
            if len(self._texts) >= self._most:
                self._texts.clear()
            found = self._texts[id(value)] = (value, msgspec.Raw(encode(to_json(value))))  # which keeps the value, too
        return found[1]


class Encoded(Response):
    """A JSON answer whose body was encoded already."""

    media_type = "application/json"

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Set what an answer with a body has."""
        if headers is None:
            length = str(len(self.body)).encode()
            self.raw_headers = [(b"content-length", length), (b"content-type", b"application/json")]
        else:
            super().init_headers(headers)


class Answer(Encoded):
    """A JSON answer, made of plain JSON data."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return encode(content)


def listing(values: Any) -> bytes:
    """Return a sequence of domain values as an encoded JSON list."""
    return encode([to_json(value) for value in values])


__all__ = ["Answer", "Encoded", "Texts", "encode", "listing"]
