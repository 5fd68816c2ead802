"""What attempts write, kept up to a head and a tail."""

from __future__ import annotations

from whatsnext_core.errors import LogOffsetError, NotFoundError
from whatsnext_core.memory.state import State
from whatsnext_core.memory.tables import Log
from whatsnext_core.model import AttemptRef, LogPiece
from whatsnext_core.storage import LogPart, resumption, unseen


def append_log(
    state: State,
    ref: AttemptRef,
    stream: str,
    offset: int,
    data: bytes,
    *,
    skipped: int = 0,
    head: int,
    tail: int,
) -> int:
    """Append what is new of the bytes and return the new size."""
    log = _find(state, ref.job_id, ref.fence, stream)
    what = f"{stream} of attempt {ref.fence} of job {ref.job_id}"
    begin = resumption(offset, skipped, log.size)
    new = unseen(data, offset, begin, what, LogOffsetError)
    if not new:
        return log.size
    size = begin + len(new)
    chunks = [*log.chunks, (begin, new)]
    kept = tuple((at, part) for at, part in chunks if at < head or at + len(part) > size - tail)
    streams = state.logs.get((ref.job_id, ref.fence)) or {}
    state.logs.put((ref.job_id, ref.fence), {**streams, stream: Log(size, kept)})
    return size


def append_piece(state: State, piece: LogPiece, *, head: int, tail: int) -> int | None:
    """Append what is new of a piece and return the size of its stream; None if there is no such attempt."""
    ref = AttemptRef(job_id=piece.job_id, fence=piece.fence)
    try:
        return append_log(state, ref, piece.stream, piece.offset, piece.data, head=head, tail=tail)
    except LogOffsetError as error:
        return error.size
    except NotFoundError:
        return None


def read_log(state: State, job_id: int, fence: int, stream: str, offset: int, limit: int) -> LogPart:
    """Return up to ``limit`` bytes from ``offset``, or from the end of the gap that it lies in."""
    log = _find(state, job_id, fence, stream)
    begin, found = None, bytearray()
    for at, part in log.chunks:
        if begin is None and at + len(part) > offset:
            begin = max(at, offset)
            found += part[begin - at :]
        elif begin is not None and at == begin + len(found) and len(found) < limit:
            found += part
    if begin is None:
        return LogPart(data=b"", offset=min(offset, log.size), size=log.size)
    return LogPart(data=bytes(found[:limit]), offset=begin, size=log.size)


def _find(state: State, job_id: int, fence: int, stream: str) -> Log:
    state.row(job_id)
    if (job_id, fence) not in state.attempts:
        raise NotFoundError(f"Job {job_id} has no attempt {fence}.")
    streams = state.logs.get((job_id, fence)) or {}
    return streams.get(stream, Log())
