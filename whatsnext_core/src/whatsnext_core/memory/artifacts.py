"""Files of jobs in memory: sent in pieces, seen once they are whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve

from whatsnext_core.errors import InvalidError, NotFoundError, StaleFenceError, TooLargeError
from whatsnext_core.memory.state import State
from whatsnext_core.memory.tables import GONE, Upload
from whatsnext_core.model import Artifact, ArtifactSpec, ArtifactUpload, AttemptStatus
from whatsnext_core.model.limits import shorten
from whatsnext_core.storage import UPLOAD_LASTS, unseen


def open_artifact(state: State, spec: ArtifactSpec, now: datetime) -> ArtifactUpload:
    """Begin to take in a file, or go on with the one that is being sent already."""
    _check_fence(state, spec)
    if spec.size is not None and spec.sha256 is not None:
        wanted = evolve(spec, content_type="x/x")
        for number in state.uploads.of_job.keys(spec.job_id):
            upload = state.uploads[number]
            if _is_open(upload) and evolve(upload.spec, content_type="x/x") == wanted:
                return ArtifactUpload(id=number, spec=upload.spec, received=upload.received)
    number = state.number("artifact")
    state.uploads.put(number, Upload(spec, now + UPLOAD_LASTS))
    return ArtifactUpload(id=number, spec=spec)


def append_artifact(state: State, upload_id: int, offset: int, data: bytes, now: datetime) -> int:
    """Append what is new of the bytes and return how many there are."""
    upload = _opened(state, upload_id)
    spec = upload.spec
    new = unseen(data, offset, upload.received, f"artifact {shorten(spec.name)} of job {spec.job_id}")
    received = upload.received + len(new)
    if spec.size is not None and received > spec.size:
        raise TooLargeError(
            f"Artifact {shorten(spec.name)} of job {spec.job_id} was said to have {spec.size} bytes, "
            f"but bytes up to {received} were sent."
        )
    if new:
        chunks = (*upload.chunks, new)
        state.uploads.put(upload_id, Upload(spec, now + UPLOAD_LASTS, received, chunks))
    return received


def finish_artifact(state: State, upload_id: int, sha256: str, now: datetime) -> Artifact:
    """Show a file that is whole, in the place of an older one."""
    upload = _opened(state, upload_id)
    spec = upload.spec
    what = f"artifact {shorten(spec.name)} of job {spec.job_id}"
    if upload.received != (upload.received if spec.size is None else spec.size):
        raise InvalidError(f"Of {what} {upload.received} bytes of {spec.size} came; send the rest.")
    if sha256 != (spec.sha256 or sha256):
        raise InvalidError(f"The bytes of {what} have the SHA-256 {sha256}, not {spec.sha256}; send it anew.")
    older = state.uploads.by_name.get((spec.job_id, spec.name))
    if older is not None:
        _give_up(state, older)
    artifact = Artifact(
        id=upload_id,
        job_id=spec.job_id,
        name=spec.name,
        size=upload.received,
        sha256=sha256,
        content_type=spec.content_type,
        fence=spec.fence,
        created_at=now,
    )
    state.uploads.put(upload_id, evolve(upload, expires_at=None, artifact=artifact))
    return artifact


def discard_artifact(state: State, upload_id: int) -> None:
    """Give up a file that is being sent."""
    upload = state.uploads.get(upload_id)
    if upload is not None and _is_open(upload):
        _give_up(state, upload_id)


def delete_artifact(state: State, job_id: int, name: str) -> None:
    """Delete a file."""
    _give_up(state, artifact(state, job_id, name).id)


def give_up_all(state: State, job_id: int) -> None:
    """Give up all files of a job."""
    for number in state.uploads.of_job.keys(job_id):
        _give_up(state, number)


def clear_next(state: State, upload_id: int) -> None:
    """Clear away a chunk of a file that nobody wants, or at last the file."""
    upload = state.uploads[upload_id]
    if upload.chunks:
        state.uploads.put(upload_id, Upload(upload.spec, GONE, chunks=upload.chunks[1:]))
    else:
        state.uploads.drop(upload_id)


def artifacts(state: State, job_id: int) -> Sequence[Artifact]:
    """Return the files of a job by name."""
    state.row(job_id)
    uploads = [state.uploads[number] for number in state.uploads.of_job.keys(job_id)]
    seen = [upload.artifact for upload in uploads if upload.artifact is not None]
    return sorted(seen, key=lambda artifact: artifact.name)


def artifact(state: State, job_id: int, name: str) -> Artifact:
    """Return the file of a name."""
    state.row(job_id)
    number = state.uploads.by_name.get((job_id, name))
    found = None if number is None else state.uploads[number].artifact
    if found is None:
        raise NotFoundError(f"Job {job_id} has no artifact {shorten(name)}.")
    return found


def artifact_bytes(state: State, upload_id: int, offset: int, limit: int) -> bytes:
    """Return up to ``limit`` bytes from ``offset``."""
    upload = state.uploads.get(upload_id)
    if upload is None or upload.expires_at == GONE or state.seen(upload.spec.job_id) is None:
        raise NotFoundError(f"Artifact with number {upload_id} not found; it was deleted, or another took its place.")
    found, at = bytearray(), 0
    for chunk in upload.chunks:
        if at + len(chunk) > offset and at < offset + limit:
            found += chunk[max(0, offset - at) : offset + limit - at]
        at += len(chunk)
    return bytes(found)


def _give_up(state: State, upload_id: int) -> None:
    state.uploads.put(upload_id, evolve(state.uploads[upload_id], expires_at=GONE, artifact=None))


def _is_open(upload: Upload) -> bool:
    return upload.expires_at not in {None, GONE}


def _opened(state: State, upload_id: int) -> Upload:
    upload = state.uploads.get(upload_id)
    if upload is None or not _is_open(upload):
        raise NotFoundError(f"No artifact with number {upload_id} is being sent; begin anew.")
    _check_fence(state, upload.spec)
    return upload


def _check_fence(state: State, spec: ArtifactSpec) -> None:
    job = state.row(spec.job_id).job
    if spec.fence is None:
        return
    attempt = state.attempts.get((spec.job_id, spec.fence))
    if attempt is None:
        raise NotFoundError(f"Job {spec.job_id} has no attempt {spec.fence}.")
    if spec.fence < job.attempt or attempt.status is AttemptStatus.LOST:
        raise StaleFenceError(
            f"Attempt {spec.fence} of job {spec.job_id} does not hold the job any more, so it can send no artifacts."
        )
