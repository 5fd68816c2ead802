"""Schemas of what attempts write, many pieces in one request."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from whatsnext_core.model import limits
from whatsnext_server.schemas.base import Id, Schema

MOST_PIECES: Final = 1000
"""Pieces in one request, at most."""
_BASE64: Final = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


def _decode(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("input should be a text in Base64")  # noqa: TRY004  # pydantic asks for a ValueError
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise ValueError("input should be Base64 with padding and without line breaks") from None


Base64 = Annotated[
    bytes,
    BeforeValidator(_decode, json_schema_input_type=str),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "pattern": _BASE64}),
]
"""Bytes, in JSON as Base64."""


class LogPiece(Schema):
    """Bytes that one attempt has written."""

    job_id: Id
    """The job."""
    fence: Id
    """Number of the attempt."""
    stream: Literal["stdout", "stderr"]
    """Which output."""
    offset: Annotated[int, Field(ge=0, le=limits.MAX_ID, strict=True)]
    """Place in the stream, in bytes from its beginning."""
    data: Base64
    """The bytes, in Base64; none to only learn the size of the stream."""


class LogPieces(Schema):
    """Pieces of the output of any attempts."""

    pieces: list[LogPiece] = Field(min_length=1, max_length=MOST_PIECES)
    """The pieces, in the order in which they are appended."""


class LogOutcome(Schema):
    """What became of one piece."""

    status: Literal[200, 404, 409]
    """200 if its bytes are kept, 404 if there is no such attempt, 409 if the offset lies beyond the end."""
    size: int | None
    """Bytes of the whole stream now, which is the offset to go on at; null with 404."""
    detail: str
    """Why it was refused; empty if it was not."""


class LogOutcomes(Schema):
    """What became of each piece."""

    outcomes: list[LogOutcome]
    """One for each piece, in their order."""


__all__ = ["MOST_PIECES", "LogOutcome", "LogOutcomes", "LogPiece", "LogPieces"]
