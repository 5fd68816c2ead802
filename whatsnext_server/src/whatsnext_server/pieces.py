"""How pieces of many logs are appended at once: in one transaction, each so that it hurts no other one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from whatsnext_core.errors import LogOffsetError, NotFoundError
from whatsnext_core.model import AttemptRef
from whatsnext_core.storage import Writer
from whatsnext_server.reading import parse_json
from whatsnext_server.schemas.logs import LogPiece, LogPieces
from whatsnext_server.services import Services
from whatsnext_server.writer import Command

PIECES: Final = 100
"""Pieces in one transaction, at most."""
BYTES: Final = 2**20
"""Bytes in one transaction, at most, unless one piece has more."""
PROBLEMS: Final = 20
"""Pieces that are complained of in one answer, at most."""


def read_pieces(body: bytes) -> Sequence[LogPiece]:
    """Return the pieces in a body.

    Raises:
        HTTPException: the body is no JSON (400).
        RequestValidationError: it does not fit the schema.
    """
    try:
        return LogPieces.model_validate(parse_json(body)).pieces
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)[:PROBLEMS]
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in found]) from error


async def append_pieces(services: Services, pieces: Sequence[LogPiece]) -> list[dict[str, Any]]:
    """Append the pieces and return what became of each; what is too much for one transaction takes several."""
    head, tail = services.settings.log_head_bytes, services.settings.log_tail_bytes
    outcomes: list[dict[str, Any]] = []
    for some in _slices(pieces):
        outcomes += await services.write(_appending(some, head, tail))
    return outcomes


def _slices(pieces: Sequence[LogPiece]) -> Iterator[Sequence[LogPiece]]:
    begin = size = 0
    for place, piece in enumerate(pieces):
        if place > begin and (place - begin >= PIECES or size + len(piece.data) > BYTES):
            yield pieces[begin:place]
            begin, size = place, 0
        size += len(piece.data)
    yield pieces[begin:]


def _appending(pieces: Sequence[LogPiece], head: int, tail: int) -> Command[list[dict[str, Any]]]:
    def append(writer: Writer, piece: LogPiece, now: datetime) -> dict[str, Any]:
        ref = AttemptRef(job_id=piece.job_id, fence=piece.fence)
        try:
            with writer.savepoint():
                size = writer.append_log(ref, piece.stream, piece.offset, piece.data, head=head, tail=tail, now=now)
        except NotFoundError as error:
            return {"status": 404, "size": None, "detail": str(error)}
        except LogOffsetError as error:
            return {"status": 409, "size": error.size, "detail": str(error)}
        return {"status": 200, "size": size, "detail": ""}

    return lambda writer, now: [append(writer, piece, now) for piece in pieces]


__all__ = ["append_pieces", "read_pieces"]
