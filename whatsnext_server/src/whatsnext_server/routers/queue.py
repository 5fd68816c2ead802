"""A project's queue: fetching from it, clearing it, and submitting many jobs at once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from whatsnext_core.model import Capacity, JobStatus, limits
from whatsnext_core.resources import numbered_devices
from whatsnext_core.scheduling import Offer
from whatsnext_core.storage import ClaimRequest, Writer
from whatsnext_server.http.answers import Answer, Encoded
from whatsnext_server.http.routing import check_content_type, json_body, new_router, problems
from whatsnext_server.routers.parameters import ProjectId
from whatsnext_server.schemas import BatchResult, Deleted, Fetch
from whatsnext_server.schemas.jobs import fetched_document
from whatsnext_server.services import services_of
from whatsnext_server.submission.batch import submit_batch
from whatsnext_server.upkeep.stride import Stride

router = new_router("queue")

FEWEST, FIRST, MOST = 16, 500, 1000
"""PENDING jobs that are deleted in one transaction: at least, in the first one, and at most."""
BATCH_EXAMPLE = {
    "jobs": [
        {"name": "prepare", "task": "prepare", "ref": "prepare"},
        {"name": "train-1", "task": "train", "parameters": {"lr": 0.1}, "depends_on": ["prepare"]},
    ]
}

AvailableCpu = Annotated[int, Query(ge=0, le=limits.MAX_CPU, description="CPUs that are free; 0 sets no condition.")]
AvailableAccelerators = Annotated[
    int, Query(ge=0, le=limits.MAX_ACCELERATORS, description="Accelerators that are free; 0 sets no condition.")
]
OfClient = Annotated[
    str | None, Query(pattern=f"^{limits.CLIENT_ID.pattern}$", description="Id of the client that will run the job.")
]


@router.get(
    "/projects/{project_id}/fetch_job", response_model=Fetch, responses=problems(400, 404), summary="Fetch a job to run"
)
async def fetch_job(
    request: Request,
    project_id: ProjectId,
    available_cpu: AvailableCpu = 0,
    available_accelerators: AvailableAccelerators = 0,
    client_id: OfClient = None,
) -> Response:
    """The job of highest priority, then of greatest age, that fits and whose dependencies are met; it is QUEUED now.

    It stays with whoever fetched it until its status is set. Workers that report regularly use
    `POST /clients/{client_id}/sync`, where a job returns to the queue when its worker dies.
    """
    capacity = Capacity(cpu=available_cpu, devices=numbered_devices(available_accelerators))
    offer = Offer(
        free=capacity,
        total=capacity,
        limit=1,
        ignore_cpu=available_cpu == 0,
        ignore_accelerators=available_accelerators == 0,
    )
    claim = ClaimRequest(offer=offer, project_ids=(project_id,), client_id=client_id)

    def command(writer: Writer, now: datetime) -> dict[str, Any]:
        pending = writer.counts(project_id)[JobStatus.PENDING]
        found = writer.claim(claim, now)
        return {"job": fetched_document(found[0].job) if found else None, "num_pending": pending}

    return Answer(await services_of(request).write(command, brief=True))


@router.delete(
    "/projects/{project_id}/queue", response_model=Deleted, responses=problems(404), summary="Clear the queue"
)
async def clear_queue(request: Request, project_id: ProjectId) -> Response:
    """Delete all PENDING jobs of the project; what runs goes on."""
    services = services_of(request)
    pending = (await services.read(lambda reader: reader.counts(project_id)))[JobStatus.PENDING]
    stride = Stride(services.writer, first=FIRST, fewest=FEWEST, most=MOST)
    deleted, more = 0, True
    while more and (deleted < pending or not deleted):
        count, more = await stride.step(lambda writer, now, limit: writer.clear_queue(project_id, now, limit))
        deleted += count
    services.housekeeper.wake()
    return Answer({"deleted": deleted})


@router.post(
    "/projects/{project_id}/jobs/batch",
    status_code=201,
    response_model=BatchResult,
    responses=problems(400, 404, 409, 413),
    openapi_extra=json_body("Batch", BATCH_EXAMPLE),
    summary="Submit many jobs",
)
async def create_batch(request: Request, project_id: ProjectId) -> Response:
    """Submit all of the jobs, or none. They may depend on each other by `ref`.

    The whole batch is checked before anything is written. A batch of any size is written so that nobody else waits for
    it, and becomes visible at once.
    """
    check_content_type(request)
    return Encoded(await submit_batch(services_of(request), request, project_id), 201)


__all__ = ["router"]
