"""Files of jobs: sent by the workers that ran them or by people, fetched by name."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Header, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from whatsnext_core.converters import to_json
from whatsnext_core.errors import NotFoundError
from whatsnext_core.model import Artifact, ArtifactSpec, limits
from whatsnext_core.model.artifact import BINARY, MAX_ARTIFACT
from whatsnext_core.storage import Page, Reader
from whatsnext_server.files.artifacts import bytes_of, go_on, receive
from whatsnext_server.files.downloads import labels, wanted_part
from whatsnext_server.http.answers import Answer
from whatsnext_server.http.routing import new_router, problems
from whatsnext_server.routers.parameters import JobId, Limit, Skip
from whatsnext_server.schemas import ArtifactDocument, LogProblem, UploadState
from whatsnext_server.services import services_of

router = new_router("artifacts")

SUM = "^[0-9A-Fa-f]{64}$"
"""A SHA-256 in hexadecimal."""

ArtifactName = Annotated[
    str,
    Path(
        description="Name of the file: 1 to 255 characters, a relative path that may have slashes, but no `..`.",
        examples=["plots/loss.png"],
    ),
]
OnlyName = Annotated[str | None, Query(max_length=limits.MAX_NAME, description="Only the file of exactly this name.")]
Fence = Annotated[
    int | None,
    Query(ge=1, le=limits.MAX_ID, description="Number of the attempt that made it; 409 once that is not the newest."),
]
Size = Annotated[int, Query(ge=0, le=MAX_ARTIFACT, description="Bytes of the whole file.")]
Offset = Annotated[int, Query(ge=0, le=MAX_ARTIFACT, description="Place in the file where the body belongs.")]
Sum = Annotated[str, Query(pattern=SUM, description="SHA-256 of the whole file, in hexadecimal.")]
OptionalSum = Annotated[
    str | None,
    Query(pattern=SUM, description="SHA-256 that the file must have, in hexadecimal; 400 if it has another one."),
]
RangeHeader = Annotated[
    str | None,
    Header(alias="Range", description="Which bytes: `bytes=0-99`, `bytes=100-`, `bytes=-100`. One range."),
]
IfMatch = Annotated[str | None, Header(description="412 unless the file has this ETag.")]
IfNoneMatch = Annotated[str | None, Header(description="304 if the file has this ETag.")]

_RAW: dict[str, Any] = {BINARY: {"schema": {"type": "string", "format": "binary"}}}
_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": _RAW}}
_LABELS: dict[str, Any] = {
    "ETag": {"description": "SHA-256 of the whole file in quotation marks.", "schema": {"type": "string"}},
    "Accept-Ranges": {"description": "`bytes`: parts can be asked for.", "schema": {"type": "string"}},
    "Content-Disposition": {"description": "The last part of the name.", "schema": {"type": "string"}},
    "X-Content-Type-Options": {"description": "`nosniff`.", "schema": {"type": "string"}},
}
_RANGED: dict[str, Any] = {
    **_LABELS,
    "Content-Range": {"description": "Which bytes of how many.", "schema": {"type": "string"}},
}
_FOUND: dict[int | str, dict[str, Any]] = {
    206: {"description": "The bytes of the range.", "content": _RAW, "headers": _RANGED},
    304: {"description": "The file has the ETag of If-None-Match."},
    **problems(404, 412, 416),
}


@router.get(
    "/jobs/{job_id}/artifacts",
    response_model=list[ArtifactDocument],  # type: ignore[valid-type]  # made at run time
    responses=problems(404),
    summary="List a job's artifacts",
)
async def list_artifacts(
    request: Request, job_id: JobId, name: OnlyName = None, limit: Limit = 1000, skip: Skip = 0
) -> Response:
    """The files of the job, by name."""

    def query(reader: Reader) -> list[dict[str, Any]]:
        if name is None:
            return list(map(to_json, reader.artifacts(job_id, Page(limit=limit, skip=skip))))
        try:
            return [to_json(reader.artifact(job_id, name))][skip : skip + limit]
        except NotFoundError:
            reader.job(job_id)
            return []

    return await services_of(request).answer(query)


@router.get(
    "/jobs/{job_id}/artifacts/{name:path}",
    response_class=Response,
    responses={200: {"description": "The bytes.", "content": _RAW, "headers": _LABELS}, **_FOUND},
    summary="Fetch an artifact",
)
async def get_artifact(
    request: Request,
    job_id: JobId,
    name: ArtifactName,
    wanted: RangeHeader = None,  # noqa: ARG001  # read with the others, and described here
    if_match: IfMatch = None,  # noqa: ARG001  # as above
    if_none_match: IfNoneMatch = None,  # noqa: ARG001  # as above
) -> Response:
    """The bytes of a file, or a range of them. They come as bytes to be saved, whatever the file is."""
    return await _answer(request, job_id, name)


@router.head(
    "/jobs/{job_id}/artifacts/{name:path}",
    response_class=Response,
    responses={200: {"description": "The headers.", "content": _RAW, "headers": _LABELS}, **_FOUND},
    summary="Show the headers of an artifact",
)
async def head_artifact(
    request: Request,
    job_id: JobId,
    name: ArtifactName,
    wanted: RangeHeader = None,  # noqa: ARG001  # as above
    if_match: IfMatch = None,  # noqa: ARG001  # as above
    if_none_match: IfNoneMatch = None,  # noqa: ARG001  # as above
) -> Response:
    """The headers that a GET would answer: size, checksum, and whether it is there."""
    return await _answer(request, job_id, name)


@router.put(
    "/jobs/{job_id}/artifacts/{name:path}",
    status_code=201,
    response_model=ArtifactDocument,
    responses=problems(400, 404, 409, 413),
    openapi_extra=_BODY,
    summary="Send an artifact",
)
async def put_artifact(
    request: Request, job_id: JobId, name: ArtifactName, fence: Fence = None, sha256: OptionalSum = None
) -> Response:
    """Send a whole file as the body, with what it is in Content-Type. It takes the place of one of the same name.

    Nobody sees it before it is whole, and nothing is kept of one that does not come to its end; large ones are better
    sent in parts.
    """
    declared = request.headers.get("content-length")
    spec = ArtifactSpec(
        job_id=job_id,
        name=name,
        size=None if declared is None else int(declared),
        sha256=sha256,
        content_type=request.headers.get("content-type") or BINARY,
        fence=fence,
    )
    return Answer(to_json(await receive(services_of(request), spec, request.stream())), 201)


@router.patch(
    "/jobs/{job_id}/artifacts/{name:path}",
    response_model=UploadState,
    responses={
        **problems(400, 404, 413),
        409: {
            "model": LogProblem,
            "description": "The offset lies beyond what is there, and `size` is the right one; or the attempt is not "
            "the newest one of the job any more.",
            "content": {
                "application/json": {
                    "example": {
                        "detail": "Bytes for artifact 'plots/loss.png' of job 2 were sent for offset 10, but there "
                        "are 5; go on at 5.",
                        "size": 5,
                    }
                }
            },
        },
    },
    openapi_extra=_BODY,
    summary="Send a part of an artifact",
)
async def patch_artifact(
    request: Request, job_id: JobId, name: ArtifactName, size: Size, sha256: Sum, offset: Offset, fence: Fence = None
) -> Response:
    """Send bytes of a file at an offset; those that are there already are passed over, so a repeat is safe.

    The first part begins the file, an empty one tells how much of it is there, and with the last byte it is seen, if
    its checksum is right. What was not sent to its end is forgotten a day after its last bytes.
    """
    spec = ArtifactSpec(
        job_id=job_id,
        name=name,
        size=size,
        sha256=sha256,
        content_type=request.headers.get("content-type") or BINARY,
        fence=fence,
    )
    received, artifact = await go_on(services_of(request), spec, offset, request.stream())
    return Answer({"size": received, "artifact": None if artifact is None else to_json(artifact)})


@router.delete(
    "/jobs/{job_id}/artifacts/{name:path}", status_code=204, responses=problems(404), summary="Delete an artifact"
)
async def delete_artifact(request: Request, job_id: JobId, name: ArtifactName) -> Response:
    """Delete a file of the job."""
    services = services_of(request)
    await services.write(lambda writer, _: writer.delete_artifact(job_id, name))
    services.housekeeper.wake()
    return Response(status_code=204)


async def _answer(request: Request, job_id: int, name: str) -> Response:
    services = services_of(request)
    artifact: Artifact = await services.read(lambda reader: reader.artifact(job_id, name))
    part = wanted_part(artifact, request.headers)
    headers = dict(labels(artifact, part))
    if part.status == HTTPStatus.NOT_MODIFIED:
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(status_code=part.status, headers=headers, media_type=BINARY)
    content = bytes_of(services, artifact, part.begin, part.end)
    return StreamingResponse(content, part.status, headers, media_type=BINARY)


__all__ = ["router"]
