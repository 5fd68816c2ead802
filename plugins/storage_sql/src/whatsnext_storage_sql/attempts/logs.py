"""What attempts write, kept up to a head and a tail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Executable, bindparam, delete, func, insert, select, text

from whatsnext_core.errors import LogOffsetError, NotFoundError
from whatsnext_core.model import AttemptRef, LogPiece
from whatsnext_core.storage import LogPart, resumption, unseen
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.jobs import VISIBLE, check_exists
from whatsnext_storage_sql.tables import ATTEMPT, JOB, LOG_CHUNK, LOG_STREAM, TASK

_ATTEMPT = select(ATTEMPT.c.job_id).where(ATTEMPT.c.job_id == bindparam("job"), ATTEMPT.c.fence == bindparam("fence"))
_LOCKED = _ATTEMPT.with_for_update()
_SIZE = Query(
    select(LOG_STREAM.c.size).where(
        LOG_STREAM.c.job_id == bindparam("job"),
        LOG_STREAM.c.fence == bindparam("fence"),
        LOG_STREAM.c.stream == bindparam("stream"),
    )
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
_ATTEMPTS = Query(
    select(ATTEMPT.c.job_id, ATTEMPT.c.fence)
    .join(JOB, JOB.c.id == ATTEMPT.c.job_id)
    .join(TASK, TASK.c.id == JOB.c.task_id)
    .where(VISIBLE, among(ATTEMPT.c.job_id, "ids"))
    .order_by(ATTEMPT.c.job_id, ATTEMPT.c.fence)
    .with_for_update(of=ATTEMPT)
)
_SIZES = Query(select(LOG_STREAM).where(among(LOG_STREAM.c.job_id, "ids")))
_STREAM_KEYS = ("job_id", "fence", "stream")
_FIRST = Query(select(func.max(LOG_CHUNK.c.offset)).where(*_OF_STREAM, LOG_CHUNK.c.offset <= bindparam("at")))
_NEXT = Query(select(func.min(LOG_CHUNK.c.offset)).where(*_OF_STREAM, LOG_CHUNK.c.offset > bindparam("at")))
_CHUNKS = Query(
    select(LOG_CHUNK.c.offset, LOG_CHUNK.c.data)
    .where(*_OF_STREAM, LOG_CHUNK.c.offset >= bindparam("first"), LOG_CHUNK.c.offset < bindparam("until"))
    .order_by(LOG_CHUNK.c.offset)
)


def append_log(
    tx: Transaction,
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
    check_exists(tx, ref.job_id)
    _check_attempt(tx, _LOCKED, ref.job_id, ref.fence)
    where = {"job": ref.job_id, "fence": ref.fence, "stream": stream}
    old = int(tx.scalar(_SIZE, **where) or 0)
    begin = resumption(offset, skipped, old)
    new = unseen(data, offset, begin, f"{stream} of attempt {ref.fence} of job {ref.job_id}", LogOffsetError)
    if not new:
        return old
    size = begin + len(new)
    chunk = {"job_id": ref.job_id, "fence": ref.fence, "stream": stream, "offset": begin, "size": len(new), "data": new}
    tx.run(insert(LOG_CHUNK), chunk)
    tx.run(_SET_SIZE, where | {"size": size})
    _drop_middle(tx, where, size, head, tail)
    return size


def append_logs(tx: Transaction, pieces: Sequence[LogPiece], *, head: int, tail: int) -> Sequence[int | None]:
    """Append what is new of each piece and return the sizes of their streams; None where there is no such attempt."""
    ids = sorted({piece.job_id for piece in pieces})
    known = {(row.job_id, row.fence) for row in tx.all(_ATTEMPTS, ids=ids)}
    before = {(row.job_id, row.fence, row.stream): row.size for row in tx.all(_SIZES, ids=ids)}
    sizes, chunks, found = dict(before), list[tuple[Any, ...]](), list[int | None]()
    for piece in pieces:
        stream = (piece.job_id, piece.fence, piece.stream)
        size = sizes.get(stream, 0)
        if (piece.job_id, piece.fence) not in known:
            found.append(None)
            continue
        if piece.offset <= size < piece.end:
            chunks.append((*stream, size, piece.end - size, piece.data[size - piece.offset :]))
            size = sizes[stream] = piece.end
        found.append(size)
    grown = {stream: size for stream, size in sizes.items() if size != before.get(stream)}
    tx.insert(LOG_CHUNK, (*_STREAM_KEYS, "offset", "size", "data"), chunks)
    tx.insert(LOG_STREAM, (*_STREAM_KEYS, "size"), [(*key, size) for key, size in grown.items() if key not in before])
    tx.update(LOG_STREAM, ("size",), _STREAM_KEYS, [(size, *key) for key, size in grown.items() if key in before])
    for (job_id, fence, name), size in grown.items():
        _drop_middle(tx, {"job": job_id, "fence": fence, "stream": name}, size, head, tail)
    return found


def _drop_middle(tx: Transaction, where: dict[str, Any], size: int, head: int, tail: int) -> None:
    """Drop the chunks that lie wholly behind the head and before the tail."""
    if size - tail > head:
        tx.run(_DROP, where | {"head": head, "tail": size - tail})


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
