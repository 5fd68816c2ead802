"""Files of jobs: sent in pieces, seen once they are whole, cleared away in small steps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, select, update

from whatsnext_core.errors import (
    InvalidError,
    NotFoundError,
    StaleFenceError,
    TooLargeError,
    TransientStorageError,
)
from whatsnext_core.model import Artifact, ArtifactSpec, ArtifactUpload, AttemptStatus
from whatsnext_core.model.limits import shorten
from whatsnext_core.storage import UPLOAD_LASTS, Page, unseen
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.jobs import check_exists
from whatsnext_storage_sql.models.types import EPOCH
from whatsnext_storage_sql.tables import ARTIFACT, ARTIFACT_CHUNK, ATTEMPT, JOB

GONE = EPOCH
"""When files that nobody wants were to be cleared away: before any other."""
AT_ONCE = 2 * 2**20
"""Bytes that one transaction clears away, but for its last chunk: measured on SQLite, a MiB takes it 10 ms."""

_SEEN = ARTIFACT.c.expires_at.is_(None)
_OPEN = ARTIFACT.c.expires_at > GONE
_OF_JOB = select(ARTIFACT).where(ARTIFACT.c.job_id == bindparam("job"), _SEEN).order_by(ARTIFACT.c.name)
_NAMED = Query(_OF_JOB.where(ARTIFACT.c.name == bindparam("name")))
_SAME = Query(
    select(ARTIFACT)
    .where(
        ARTIFACT.c.job_id == bindparam("job"),
        _OPEN,
        ARTIFACT.c.name == bindparam("name"),
        ARTIFACT.c.size == bindparam("size"),
        ARTIFACT.c.sha256 == bindparam("sha256"),
        ARTIFACT.c.fence.is_not_distinct_from(bindparam("fence")),
    )
    .order_by(ARTIFACT.c.id)
    .limit(1)
)
_WANTED = Query(
    select(ARTIFACT.c.job_id).where(ARTIFACT.c.id == bindparam("id"), ARTIFACT.c.expires_at.is_distinct_from(GONE))
)
_LOCKED = Query(select(ARTIFACT).where(ARTIFACT.c.id == bindparam("id"), _OPEN).with_for_update())
_HOLD_JOB = Query(
    select(JOB.c.attempt).where(JOB.c.id == bindparam("job")).with_for_update(of=JOB, read=True, key_share=True)
)
_ATTEMPT = Query(
    select(ATTEMPT.c.status).where(ATTEMPT.c.job_id == bindparam("job"), ATTEMPT.c.fence == bindparam("fence"))
)
_RECEIVED = (
    update(ARTIFACT)
    .where(ARTIFACT.c.id == bindparam("at"))
    .values(received=bindparam("new_received"), expires_at=bindparam("new_expires_at"))
)
_SHOW = (
    update(ARTIFACT)
    .where(ARTIFACT.c.id == bindparam("at"))
    .values(size=ARTIFACT.c.received, sha256=bindparam("sum"), created_at=bindparam("moment"), expires_at=None)
)
_GIVE_UP = update(ARTIFACT).where(ARTIFACT.c.id == bindparam("at")).values(expires_at=GONE)
_GIVE_UP_OPEN = _GIVE_UP.where(_OPEN)
_REPLACE = (
    update(ARTIFACT)
    .where(ARTIFACT.c.job_id == bindparam("job"), ARTIFACT.c.name == bindparam("called"), _SEEN)
    .values(expires_at=GONE)
)
GIVE_UP_OF_JOBS = update(ARTIFACT).where(among(ARTIFACT.c.job_id, "ids")).values(expires_at=GONE)
"""Gives up all files of deleted jobs."""
_FIRST = Query(
    select(func.max(ARTIFACT_CHUNK.c.offset)).where(
        ARTIFACT_CHUNK.c.artifact_id == bindparam("id"), ARTIFACT_CHUNK.c.offset <= bindparam("at")
    )
)
_CHUNKS = Query(
    select(ARTIFACT_CHUNK.c.offset, ARTIFACT_CHUNK.c.data)
    .where(
        ARTIFACT_CHUNK.c.artifact_id == bindparam("id"),
        ARTIFACT_CHUNK.c.offset >= bindparam("first"),
        ARTIFACT_CHUNK.c.offset < bindparam("until"),
    )
    .order_by(ARTIFACT_CHUNK.c.offset)
)
_DUE = Query(
    select(ARTIFACT.c.id, ARTIFACT.c.received)
    .where(ARTIFACT.c.expires_at <= bindparam("now"))
    .order_by(ARTIFACT.c.expires_at, ARTIFACT.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_OLDEST_CHUNKS = Query(
    select(ARTIFACT_CHUNK.c.offset)
    .where(ARTIFACT_CHUNK.c.artifact_id == bindparam("id"))
    .order_by(ARTIFACT_CHUNK.c.offset)
    .limit(bindparam("limit"))
)
_CLEAR = delete(ARTIFACT_CHUNK).where(
    ARTIFACT_CHUNK.c.artifact_id == bindparam("id"), ARTIFACT_CHUNK.c.offset <= bindparam("last")
)
_FORGET = delete(ARTIFACT).where(ARTIFACT.c.id == bindparam("id"))


def artifacts(tx: Transaction, job_id: int, page: Page) -> Sequence[Artifact]:
    """Return the files of a job by name."""
    check_exists(tx, job_id)
    return [_artifact_of(row) for row in tx.all(_OF_JOB.limit(page.limit).offset(page.skip), job=job_id)]


def artifact(tx: Transaction, job_id: int, name: str) -> Artifact:
    """Return the file of a name."""
    check_exists(tx, job_id)
    row = tx.first(_NAMED, job=job_id, name=name)
    if row is None:
        raise NotFoundError(f"Job {job_id} has no artifact {shorten(name)}.")
    return _artifact_of(row)


def artifact_bytes(tx: Transaction, upload_id: int, offset: int, limit: int) -> bytes:
    """Return up to ``limit`` bytes from ``offset``."""
    job_id = tx.scalar(_WANTED, id=upload_id)
    if job_id is None:
        raise NotFoundError(f"Artifact with number {upload_id} not found; it was deleted, or another took its place.")
    check_exists(tx, job_id)
    found = bytearray()
    first = tx.scalar(_FIRST, id=upload_id, at=offset)
    if first is not None:
        for row in tx.all(_CHUNKS, id=upload_id, first=first, until=offset + limit):
            found += row.data[max(0, offset - row.offset) :]
    return bytes(found[:limit])


def open_artifact(tx: Transaction, spec: ArtifactSpec, now: datetime) -> ArtifactUpload:
    """Begin to take in a file, or go on with the one that is being sent already."""
    _hold_job(tx, spec)
    if spec.size is not None and spec.sha256 is not None:
        where = {"job": spec.job_id, "name": spec.name, "fence": spec.fence}
        row = tx.first(_SAME, **where, size=spec.size, sha256=spec.sha256)
        if row is not None:
            return ArtifactUpload(id=row.id, spec=_spec_of(row), received=row.received)
    values = {
        "job_id": spec.job_id,
        "name": spec.name,
        "fence": spec.fence,
        "size": spec.size,
        "sha256": spec.sha256,
        "content_type": spec.content_type,
        "received": 0,
        "created_at": now,
        "expires_at": now + UPLOAD_LASTS,
    }
    number = tx.run(insert(ARTIFACT).returning(ARTIFACT.c.id), values).scalar_one()
    return ArtifactUpload(id=number, spec=spec)


def append_artifact(tx: Transaction, upload_id: int, offset: int, data: bytes, now: datetime) -> int:
    """Append what is new of the bytes and return how many there are."""
    row, spec = _opened(tx, upload_id)
    old = int(row.received)
    new = unseen(data, offset, old, f"artifact {shorten(spec.name)} of job {spec.job_id}")
    received = old + len(new)
    if spec.size is not None and received > spec.size:
        raise TooLargeError(
            f"Artifact {shorten(spec.name)} of job {spec.job_id} was said to have {spec.size} bytes, "
            f"but bytes up to {received} were sent."
        )
    if new:
        tx.run(insert(ARTIFACT_CHUNK), {"artifact_id": upload_id, "offset": old, "data": new})
        tx.run(_RECEIVED, {"at": upload_id, "new_received": received, "new_expires_at": now + UPLOAD_LASTS})
    return received


def finish_artifact(tx: Transaction, upload_id: int, sha256: str, now: datetime) -> Artifact:
    """Show a file that is whole, in the place of an older one."""
    row, spec = _opened(tx, upload_id)
    what = f"artifact {shorten(spec.name)} of job {spec.job_id}"
    if row.received != (row.received if spec.size is None else spec.size):
        raise InvalidError(f"Of {what} {row.received} bytes of {spec.size} came; send the rest.")
    if sha256 != (spec.sha256 or sha256):
        raise InvalidError(f"The bytes of {what} have the SHA-256 {sha256}, not {spec.sha256}; send it anew.")
    with tx.unique(
        TransientStorageError(f"Another {what} was finished at the same moment; run the transaction again.")
    ):
        tx.run(_REPLACE, {"job": spec.job_id, "called": spec.name})
        tx.run(_SHOW, {"at": upload_id, "sum": sha256, "moment": now})
    return artifact(tx, spec.job_id, spec.name)


def discard_artifact(tx: Transaction, upload_id: int) -> None:
    """Give up a file that is being sent."""
    tx.run(_GIVE_UP_OPEN, {"at": upload_id})


def delete_artifact(tx: Transaction, job_id: int, name: str) -> None:
    """Delete a file."""
    tx.run(_GIVE_UP, {"at": artifact(tx, job_id, name).id})


def clearing_is_due(tx: Transaction, now: datetime) -> bool:
    """Return whether there is a file to clear away."""
    return tx.first(_DUE, now=now) is not None


def clear_artifacts(tx: Transaction, now: datetime, limit: int) -> int:
    """Clear away files that nobody wants, or that nobody goes on to send; return the number of steps."""
    steps = cleared = 0
    while steps < limit and cleared < AT_ONCE and (row := tx.first(_DUE, now=now)) is not None:
        offsets = [chunk.offset for chunk in tx.all(_OLDEST_CHUNKS, id=row.id, limit=limit - steps + 1)]
        ends = [*offsets[1:], row.received]
        going = 0
        while going < min(len(offsets), limit - steps) and cleared < AT_ONCE:
            cleared += ends[going] - offsets[going]
            going += 1
        if going:
            tx.run(_CLEAR, {"id": row.id, "last": offsets[going - 1]})
        if going < len(offsets):
            tx.run(_GIVE_UP, {"at": row.id})
        else:
            tx.run(_FORGET, {"id": row.id})
        steps += max(going, 1)
    return steps


def _artifact_of(row: Row[Any]) -> Artifact:
    return Artifact(
        id=row.id,
        job_id=row.job_id,
        name=row.name,
        size=row.size,
        sha256=row.sha256,
        content_type=row.content_type,
        fence=row.fence,
        created_at=row.created_at,
    )


def _spec_of(row: Row[Any]) -> ArtifactSpec:
    return ArtifactSpec(
        job_id=row.job_id,
        name=row.name,
        size=row.size,
        sha256=row.sha256,
        content_type=row.content_type,
        fence=row.fence,
    )


def _opened(tx: Transaction, upload_id: int) -> tuple[Row[Any], ArtifactSpec]:
    """Return a file that is being sent, locked, and what was said of it; its job stays as it is."""
    row = tx.first(_LOCKED, id=upload_id)
    if row is None:
        raise NotFoundError(f"No artifact with number {upload_id} is being sent; begin anew.")
    spec = _spec_of(row)
    _hold_job(tx, spec)
    return row, spec


def _hold_job(tx: Transaction, spec: ArtifactSpec) -> None:
    """See to it that the job is there until the end of the transaction, and that the attempt may send files."""
    newest = tx.scalar(_HOLD_JOB, job=spec.job_id)
    check_exists(tx, spec.job_id)
    if spec.fence is None:
        return
    status = tx.scalar(_ATTEMPT, job=spec.job_id, fence=spec.fence)
    if status is None:
        raise NotFoundError(f"Job {spec.job_id} has no attempt {spec.fence}.")
    if spec.fence < newest or status == AttemptStatus.LOST.value:
        raise StaleFenceError(
            f"Attempt {spec.fence} of job {spec.job_id} does not hold the job any more, so it can send no artifacts."
        )
