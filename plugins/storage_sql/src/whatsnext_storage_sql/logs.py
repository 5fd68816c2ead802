"""What attempts write, kept up to a head and a tail."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Executable, bindparam, delete, func, insert, select, text

from whatsnext_core.errors import LogOffsetError, NotFoundError
from whatsnext_core.model import AttemptRef
from whatsnext_core.storage import LogPart, unseen
from whatsnext_storage_sql.jobs import check_exists
from whatsnext_storage_sql.tables import ATTEMPT, LOG_CHUNK, LOG_STREAM
from whatsnext_storage_sql.transaction import Transaction

_ATTEMPT = select(ATTEMPT.c.job_id).where(ATTEMPT.c.job_id == bindparam("job"), ATTEMPT.c.fence == bindparam("fence"))
_LOCKED = _ATTEMPT.with_for_update()
_SIZE = select(LOG_STREAM.c.size).where(
    LOG_STREAM.c.job_id == bindparam("job"),
    LOG_STREAM.c.fence == bindparam("fence"),
    LOG_STREAM.c.stream == bindparam("stream"),
)
_SET_SIZE = text(
    "INSERT INTO log_stream (job_id, fence, stream, size) VALUES (:job, :fence, :stream, :size) "
    "ON CONFLICT (job_id, fence, stream) DO UPDATE SET size = excluded.size"
)
_OF_STREAM = (
    LOG_CHUNK.c.job_id == bindparam("job"),
    LOG_CHUNK.c.fence == bindparam("fence"),
    LOG_CHUNK.c.stream == bindparam("stream"),
)
_DROP = delete(LOG_CHUNK).where(
    *_OF_STREAM,
    LOG_CHUNK.c.offset >= bindparam("head"),
    LOG_CHUNK.c.offset < bindparam("tail"),
    LOG_CHUNK.c.offset + LOG_CHUNK.c.size <= bindparam("tail"),
)
_FIRST = select(func.max(LOG_CHUNK.c.offset)).where(*_OF_STREAM, LOG_CHUNK.c.offset <= bindparam("at"))
_NEXT = select(func.min(LOG_CHUNK.c.offset)).where(*_OF_STREAM, LOG_CHUNK.c.offset > bindparam("at"))
_CHUNKS = (
    select(LOG_CHUNK.c.offset, LOG_CHUNK.c.data)
    .where(*_OF_STREAM, LOG_CHUNK.c.offset >= bindparam("first"), LOG_CHUNK.c.offset < bindparam("until"))
    .order_by(LOG_CHUNK.c.offset)
)


def append_log(tx: Transaction, ref: AttemptRef, stream: str, offset: int, data: bytes, *, head: int, tail: int) -> int:
    """Append what is new of the bytes and return the new size."""
    check_exists(tx, ref.job_id)
    _check_attempt(tx, _LOCKED, ref.job_id, ref.fence)
    where = {"job": ref.job_id, "fence": ref.fence, "stream": stream}
    old = int(tx.scalar(_SIZE, **where) or 0)
    new = unseen(data, offset, old, f"{stream} of attempt {ref.fence} of job {ref.job_id}", LogOffsetError)
    if not new:
        return old
    size = old + len(new)
    chunk = {"job_id": ref.job_id, "fence": ref.fence, "stream": stream, "offset": old, "size": len(new), "data": new}
    tx.run(insert(LOG_CHUNK), chunk)
    tx.run(_SET_SIZE, where | {"size": size})
    if size - tail > head:
        tx.run(_DROP, where | {"head": head, "tail": size - tail})
    return size


def log(tx: Transaction, job_id: int, fence: int, stream: str, offset: int, limit: int) -> LogPart:
    """Return up to ``limit`` bytes from ``offset``, or from the end of the gap that it lies in."""
    check_exists(tx, job_id)
    _check_attempt(tx, _ATTEMPT, job_id, fence)
    where = {"job": job_id, "fence": fence, "stream": stream}
    size = int(tx.scalar(_SIZE, **where) or 0)
    first = tx.scalar(_FIRST, **where, at=offset)
    part = _join(tx, where, first, offset, limit) if first is not None else None
    if part is None:
        first = tx.scalar(_NEXT, **where, at=offset)
        part = _join(tx, where, first, first, limit) if first is not None else None
    if part is None:
        return LogPart(data=b"", offset=min(offset, size), size=size)
    return LogPart(data=part[1], offset=part[0], size=size)


def _join(tx: Transaction, where: dict[str, Any], first: int, begin: int, limit: int) -> tuple[int, bytes] | None:
    """Return the bytes from ``begin`` to the next gap; None if the chunk at ``first`` ends before it."""
    found = bytearray()
    for row in tx.all(_CHUNKS, **where, first=first, until=max(begin + limit, first + 1)):
        at, data = row.offset, row.data
        if at == first:
            if at + len(data) <= begin:
                return None
            found += data[begin - at :]
        elif at == begin + len(found):
            found += data
        else:
            break
    return begin, bytes(found[:limit])


def _check_attempt(tx: Transaction, statement: Executable, job_id: int, fence: int) -> None:
    if tx.first(statement, job=job_id, fence=fence) is None:
        raise NotFoundError(f"Job {job_id} has no attempt {fence}.")
