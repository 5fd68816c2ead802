"""What attempts write: appended by their clients while they run, read by anybody."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Path, Query, Request
from starlette.responses import Response

from whatsnext_core.errors import NotFoundError
from whatsnext_core.model import AttemptRef, limits
from whatsnext_core.storage import LogPart, Reader, Writer
from whatsnext_server.http.answers import Answer
from whatsnext_server.http.routing import new_router, problems
from whatsnext_server.routers.parameters import JobId
from whatsnext_server.schemas import LogProblem
from whatsnext_server.services import services_of

router = new_router("logs")

MOST = 4 * 2**20
"""Bytes of a log in one answer, at most."""


BEYOND = {"detail": "Bytes for stdout of attempt 1 of job 2 were sent for offset 10, but there are 5.", "size": 5}


class Stream(StrEnum):
    """An output stream."""

    STDOUT = "stdout"
    STDERR = "stderr"


OfStream = Annotated[Stream, Path(description="Which output.", examples=["stdout"])]
Fence = Annotated[int, Query(ge=1, le=limits.MAX_ID, description="Number of the attempt.")]
NewestFence = Annotated[
    int | None, Query(ge=1, le=limits.MAX_ID, description="Number of the attempt; the newest one unless given.")
]
Offset = Annotated[int, Query(ge=0, le=limits.MAX_ID, description="Place in the stream, in bytes from its beginning.")]
Skipped = Annotated[
    int, Query(ge=0, le=limits.MAX_ID, description="Bytes right before the offset that the sender leaves out for good.")
]
Length = Annotated[int, Query(ge=0, le=MOST, description="The most bytes of the answer.")]

_RAW: dict[str, Any] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_SIZE: dict[str, Any] = {
    "description": "The bytes are kept.",
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]},
            "example": {"size": 4096},
        }
    },
}
_HEADERS: dict[str, Any] = {
    "X-Log-Size": {"description": "Bytes of the whole stream so far.", "schema": {"type": "integer"}},
    "X-Log-Offset": {
        "description": "Where the answer begins: behind the place asked for, if that part was dropped.",
        "schema": {"type": "integer"},
    },
    "X-Log-Fence": {"description": "Number of the attempt; 0 if there is none yet.", "schema": {"type": "integer"}},
    "X-Log-Complete": {
        "description": "Whether the attempt has ended.",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
}


@router.patch(
    "/jobs/{job_id}/logs/{stream}",
    response_model=None,
    responses={
        200: _SIZE,
        **problems(400, 404, 413),
        409: {
            "model": LogProblem,
            "description": "The offset lies beyond the end; `size` is the right one.",
            "content": {"application/json": {"example": BEYOND}},
        },
    },
    openapi_extra={"requestBody": {"required": True, "content": _RAW}},
    summary="Append to a log",
)
async def append_log(
    request: Request, job_id: JobId, stream: OfStream, fence: Fence, offset: Offset, skipped: Skipped = 0
) -> Response:
    """Append the bytes of the body at an offset; bytes that are there already are passed over, so a repeat is safe.

    Bytes that the sender leaves out count in the size and read like a part that was dropped. Of a long stream
    the beginning and the end are kept.
    """
    services, data = services_of(request), await request.body()
    ref = AttemptRef(job_id=job_id, fence=fence)
    head, tail = services.settings.log_head_bytes, services.settings.log_tail_bytes

    def command(writer: Writer, now: datetime) -> int:
        return writer.append_log(ref, stream.value, offset, data, skipped=skipped, head=head, tail=tail, now=now)

    return Answer({"size": await services.write(command)})


@router.get(
    "/jobs/{job_id}/logs/{stream}",
    response_class=Response,
    responses={200: {"description": "The bytes.", "content": _RAW, "headers": _HEADERS}, **problems(404)},
    summary="Read a log",
)
async def read_log(
    request: Request,
    job_id: JobId,
    stream: OfStream,
    fence: NewestFence = None,
    offset: Offset = 0,
    limit: Length = MOST,
) -> Response:
    """Bytes of a stream from an offset, up to its end or a part that was dropped. Go on at X-Log-Offset plus length."""

    def query(reader: Reader) -> tuple[LogPart, int, bool]:
        job = reader.job(job_id)
        number = fence or job.attempt
        if number == 0:
            return LogPart(data=b"", offset=offset, size=0), 0, job.status.is_final
        attempt = next((each for each in reader.attempts(job_id) if each.fence == number), None)
        if attempt is None:
            raise NotFoundError(f"Attempt {number} of job {job_id} not found; its newest attempt is {job.attempt}.")
        return reader.log(job_id, number, stream.value, offset, limit), number, not attempt.status.is_live

    part, number, complete = await services_of(request).read(query)
    headers = {
        "X-Log-Size": str(part.size),
        "X-Log-Offset": str(part.offset),
        "X-Log-Fence": str(number),
        "X-Log-Complete": "true" if complete else "false",
    }
    return Response(part.data, media_type="application/octet-stream", headers=headers)


__all__ = ["router"]
