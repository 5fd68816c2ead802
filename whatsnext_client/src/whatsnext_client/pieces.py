"""Pieces of the output of many attempts, as they go to the server in one request."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias

from attrs import frozen

from whatsnext_client.errors import OffsetError, UnexpectedAnswerError
from whatsnext_core.errors import InvalidError, NotFoundError

Outcome: TypeAlias = int | OffsetError | NotFoundError | InvalidError
"""What became of a piece: the size of its stream, or why the server did not take it."""


@frozen(kw_only=True)
class LogPiece:
    """Bytes that one attempt has written."""

    job_id: int
    """The job."""
    fence: int
    """The attempt's fence."""
    stream: str
    """``stdout`` or ``stderr``."""
    offset: int
    """Where they begin."""
    data: bytes
    """The bytes; none to only learn the size of the stream."""

    def document(self) -> dict[str, Any]:
        """Return the piece as it is sent."""
        return {
            "job_id": self.job_id,
            "fence": self.fence,
            "stream": self.stream,
            "offset": self.offset,
            "data": base64.b64encode(self.data).decode("ascii"),
        }


def read_outcomes(answer: Mapping[str, Any], pieces: Sequence[LogPiece]) -> list[Outcome]:
    """Return what the server's answer says of each piece.

    Raises:
        UnexpectedAnswerError: it says something else.
    """
    try:
        found = [_outcome(each) for each in answer["outcomes"]]
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswerError(f"The server answered {answer!r:.80} to pieces of logs.") from error
    if len(found) != len(pieces):
        raise UnexpectedAnswerError(f"The server answered {len(found)} outcomes to {len(pieces)} pieces of logs.")
    return found


def _outcome(document: Mapping[str, Any]) -> Outcome:
    status = document["status"]
    if status == HTTPStatus.OK:
        return int(document["size"])
    if status == HTTPStatus.CONFLICT:
        return OffsetError(str(document["detail"]), int(document["size"]))
    if status == HTTPStatus.NOT_FOUND:
        return NotFoundError(str(document["detail"]))
    return InvalidError(str(document["detail"]))


__all__ = ["LogPiece", "Outcome", "read_outcomes"]
