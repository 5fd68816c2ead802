"""Files on their way in and out: a piece at a time, each in a transaction of its own, and never whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final

from whatsnext_core.errors import InvalidError, NotFoundError, StorageError, TooLargeError
from whatsnext_core.model import Artifact, ArtifactSpec, ArtifactUpload
from whatsnext_core.model.limits import shorten
from whatsnext_core.storage import Writer
from whatsnext_server.http.errors import UnavailableError
from whatsnext_server.services import Services

PIECE: Final = 2**20
"""Bytes that one transaction writes or reads."""


async def receive(services: Services, spec: ArtifactSpec, stream: AsyncIterator[bytes]) -> Artifact:
    """Take in a whole file; what came is given up if it does not come to its end, or is not what was said."""
    check_size(services, spec, spec.size or 0)
    upload = await services.write(lambda writer, now: writer.open_artifact(_anonymous(spec), now))
    try:
        size = await _take_in(services, upload, 0, stream)
        return await _finish(services, upload, spec, size)
    except BaseException:
        await _discard(services, upload)
        raise


async def go_on(
    services: Services, spec: ArtifactSpec, offset: int, stream: AsyncIterator[bytes]
) -> tuple[int, Artifact | None]:
    """Take in a part of a file, and return how much is there, and the file once it is whole.

    A repeat of the last part finds the file whole and changes nothing.
    """
    check_size(services, spec, spec.size or 0)

    def begin(writer: Writer, now: datetime) -> Artifact | ArtifactUpload:
        return _already_there(writer, spec) or writer.open_artifact(spec, now)

    begun = await services.write(begin)
    if isinstance(begun, Artifact):
        return begun.size, begun
    received = await _take_in(services, begun, offset, stream)
    if received != spec.size:
        return received, None
    try:
        return received, await _finish(services, begun, spec, received)
    except InvalidError:
        await _discard(services, begun)
        raise


def check_size(services: Services, spec: ArtifactSpec, size: int) -> None:
    """Raise TooLargeError if the server takes no file of so many bytes."""
    limit = services.settings.max_artifact_bytes
    if limit == 0:
        raise TooLargeError("This server takes no artifacts (max_artifact_bytes is 0); keep the file elsewhere.")
    if size > limit:
        raise TooLargeError(
            f"Artifact {shorten(spec.name)} of job {spec.job_id} has {size} bytes; at most {limit} are allowed "
            f"(max_artifact_bytes). Keep such a file elsewhere, and only its path or URL with the job."
        )


async def bytes_of(services: Services, artifact: Artifact, begin: int, end: int) -> AsyncIterator[bytes]:
    """Yield the bytes of a file from ``begin`` up to ``end``, a piece at a time."""
    while begin < end:
        data = await _read(services, artifact.id, begin, min(PIECE, end - begin))
        if not data:
            raise NotFoundError(f"Artifact with number {artifact.id} ends at {begin}, before {artifact.size}.")
        yield data
        begin += len(data)


def _anonymous(spec: ArtifactSpec) -> ArtifactSpec:
    """Return a file of which too little is said for anybody else to go on with it."""
    return ArtifactSpec(job_id=spec.job_id, name=spec.name, content_type=spec.content_type, fence=spec.fence)


def _already_there(writer: Writer, spec: ArtifactSpec) -> Artifact | None:
    try:
        found = writer.artifact(spec.job_id, spec.name)
    except NotFoundError:
        return None
    same = (found.size, found.sha256, found.fence) == (spec.size, spec.sha256, spec.fence)
    return found if same else None


async def _take_in(services: Services, upload: ArtifactUpload, offset: int, stream: AsyncIterator[bytes]) -> int:
    """Write what comes from an offset on, and return how much is there."""
    waiting, received = bytearray(), upload.received
    async for data in stream:
        waiting += data
        while len(waiting) >= PIECE:
            received = await _append(services, upload.id, received, offset, bytes(waiting[:PIECE]))
            del waiting[:PIECE]
            offset += PIECE
    return await _append(services, upload.id, received, offset, bytes(waiting))


async def _append(services: Services, number: int, before: int, offset: int, piece: bytes) -> int:
    """Write a piece; ``before`` is how much was there when that was last seen."""
    after = await services.write(lambda writer, now: writer.append_artifact(number, offset, piece, now))
    if before == offset and after == offset + len(piece):
        await services.checksums.take_in(number, offset, piece)
    return after


async def _finish(services: Services, upload: ArtifactUpload, spec: ArtifactSpec, size: int) -> Artifact:
    digest = await services.checksums.digest(upload.id, size, partial(_read, services))
    if spec.sha256 is not None and digest != spec.sha256:
        raise InvalidError(
            f"The bytes of artifact {shorten(spec.name)} of job {spec.job_id} have the SHA-256 {digest}, not "
            f"{spec.sha256}; nothing was kept. Send it again."
        )
    return await services.write(lambda writer, now: writer.finish_artifact(upload.id, digest, now))


async def _read(services: Services, number: int, offset: int, limit: int = PIECE) -> bytes:
    return await services.read(lambda reader: reader.artifact_bytes(number, offset, limit))


async def _discard(services: Services, upload: ArtifactUpload) -> None:
    """Give up what came of a file; should the database fail at that, housekeeping does it in its time."""
    with suppress(StorageError, UnavailableError):
        await services.write(lambda writer, _: writer.discard_artifact(upload.id))
        services.housekeeper.wake(urgent=False)


__all__ = ["PIECE", "bytes_of", "check_size", "go_on", "receive"]
