"""Jobs: tasks with parameters, from their submission to their end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from whatsnext_core.converters import to_json
from whatsnext_core.errors import InvalidError, NotFoundError
from whatsnext_core.model import Job, JobStatus, limits
from whatsnext_core.storage import JobOrder, JobQuery, Page, Reader, Writer
from whatsnext_server.explaining import why
from whatsnext_server.http.answers import Answer
from whatsnext_server.http.routing import new_router, problems
from whatsnext_server.routers.parameters import JobId, Limit, ProjectId, Skip
from whatsnext_server.schemas import (
    AttemptDocument,
    Dependencies,
    JobData,
    JobDocument,
    JobUpdate,
    NewJob,
    WhyDocument,
)
from whatsnext_server.schemas.jobs import job_document
from whatsnext_server.services import Services, services_of
from whatsnext_server.submission.submitting import submit_job

router = new_router("jobs")

TASK_ID = re.compile("[0-9]{1,18}")
"""A text that names a task by its id."""
OfProject = Annotated[int | None, Query(ge=1, le=limits.MAX_ID, description="Only jobs of this project.")]
OfStatus = Annotated[
    list[str] | None,
    Query(description="Only jobs with one of these statuses, in any case; repeat it, or separate them by commas."),
]
OfTask = Annotated[str | None, Query(max_length=255, description="Only jobs of this task, by name or id.")]
OfName = Annotated[str | None, Query(max_length=255, description="Only jobs of exactly this name.")]
After = Annotated[int | None, Query(ge=0, le=limits.MAX_ID, description="Only jobs with a higher id: the next page.")]
Before = Annotated[int | None, Query(ge=0, le=limits.MAX_ID, description="Only jobs with a lower id.")]
AfterPriority = Annotated[
    int | None,
    Query(
        ge=-limits.MAX_PRIORITY,
        le=limits.MAX_PRIORITY,
        description="In the order of the `queue`: only jobs that come after a job of this priority and the id "
        "`after_id`, as the last one of the page before.",
    ),
]
Order = Annotated[
    JobOrder, Query(description="`oldest` or `newest` first, or in the order of the `queue`: priority, then age.")
]


@router.get(
    "/jobs/",
    response_model=list[JobDocument],  # type: ignore[valid-type]  # made at run time
    responses=problems(400),
    summary="List jobs",
)
async def list_jobs(
    request: Request,
    project_id: OfProject = None,
    status: OfStatus = None,
    task: OfTask = None,
    name: OfName = None,
    order: Order = JobOrder.OLDEST,
    after_id: After = None,
    before_id: Before = None,
    after_priority: AfterPriority = None,
    limit: Limit = 100,
    skip: Skip = 0,
) -> Response:
    """Jobs that meet all conditions. To read many, ask for those after the last one seen rather than for a skip."""
    if after_priority is not None and (after_id is None or order is not JobOrder.QUEUE):
        raise InvalidError(
            "after_priority and after_id together name a place in the order of the queue; give both, and order=queue."
        )
    task_id = int(task) if task and TASK_ID.fullmatch(task) else None
    query = JobQuery(
        project_id=project_id,
        statuses=frozenset(_statuses(status or ())),
        task_id=task_id,
        task_name=task if task_id is None else None,
        name=name,
        after_id=after_id if after_priority is None else None,
        before_id=before_id,
        behind=None if after_priority is None or after_id is None else (after_priority, after_id),
        order=order,
        page=Page(limit=limit, skip=skip),
    )
    return await services_of(request).answer(lambda reader: list(map(job_document, reader.jobs(query))))


@router.post(
    "/jobs/",
    status_code=201,
    response_model=JobDocument,
    responses=problems(400, 404, 409, 413),
    summary="Submit a job",
)
async def create_job(request: Request, body: NewJob) -> Response:
    """A job of a task, which waits until what it depends on is done and a client fits."""
    services = services_of(request)
    job = await services.submit(body.project_id, lambda writer, now: submit_job(writer, now, body))
    return Answer(job_document(job), 201)


@router.get("/jobs/{job_id}", response_model=JobDocument, responses=problems(404), summary="Show a job")
async def get_job(request: Request, job_id: JobId) -> Response:
    """The job of this id."""
    return await services_of(request).answer(lambda reader: job_document(reader.job(job_id)))


@router.put("/jobs/{job_id}", response_model=JobData, responses=problems(400, 404, 409, 413), summary="Change a job")
async def update_job(request: Request, job_id: JobId, body: JobUpdate) -> Response:
    """Change any of a job's fields.

    A new status must be one that a job can go to from its present one; 409 says from, to and why. Project, task,
    parameters and dependencies change only while the job waits.
    """
    return await _change(
        services_of(request),
        job_id,
        lambda writer, job, now: writer.update_job(job_id, body.changes(job), now),
        brief=body.depends is None and body.conditions is None,
    )


@router.post("/jobs/{job_id}/cancel", response_model=JobData, responses=problems(404, 409), summary="Cancel a job")
async def cancel_job(request: Request, job_id: JobId) -> Response:
    """Cancel a job: at once while it waits, as soon as its client confirms it while it runs; 409 once it has ended."""
    return await _change(services_of(request), job_id, lambda writer, _, now: writer.cancel([job_id], now)[0])


@router.post("/jobs/{job_id}/retry", response_model=JobData, responses=problems(404, 409), summary="Run a job again")
async def retry_job(request: Request, job_id: JobId) -> Response:
    """Bring a FAILED or CANCELLED job back to the queue; what it had blocked waits again; 409 in any other status."""
    return await _change(services_of(request), job_id, lambda writer, _, now: writer.retry([job_id], now)[0])


@router.delete("/jobs/{job_id}", status_code=204, responses=problems(404), summary="Delete a job")
async def delete_job(request: Request, job_id: JobId) -> Response:
    """Delete a job with its attempts and logs; a client that runs it is told to end it."""
    return await _delete(services_of(request), job_id)


@router.delete(
    "/projects/{project_id}/jobs/{job_id}", status_code=204, responses=problems(404), summary="Delete a project's job"
)
async def delete_project_job(request: Request, project_id: ProjectId, job_id: JobId) -> Response:
    """The same as deleting the job, if it is one of this project."""
    return await _delete(services_of(request), job_id, project_id)


@router.get(
    "/jobs/{job_id}/dependencies",
    response_model=Dependencies,
    responses=problems(404),
    summary="Show what a job depends on",
)
async def get_dependencies(request: Request, job_id: JobId) -> Response:
    """The jobs directly before this one, with their statuses."""

    def query(reader: Reader) -> dict[str, Any]:
        found = reader.dependencies(job_id)
        listed = [{"id": parent, "name": name, "status": status} for parent, (name, status) in found.items()]
        done = all(status is JobStatus.COMPLETED for _, status in found.values())
        return {"job_id": job_id, "dependencies": listed, "all_completed": done}

    return await services_of(request).answer(query)


@router.get(
    "/jobs/{job_id}/attempts",
    response_model=list[AttemptDocument],  # type: ignore[valid-type]  # made at run time
    responses=problems(404),
    summary="List a job's attempts",
)
async def list_attempts(request: Request, job_id: JobId) -> Response:
    """Every execution of the job, oldest first: who ran it, on what, and how it ended."""
    return await services_of(request).answer(lambda reader: list(map(to_json, reader.attempts(job_id))))


@router.get("/jobs/{job_id}/why", response_model=WhyDocument, responses=problems(404), summary="Explain a job")
async def explain_job(request: Request, job_id: JobId) -> Response:
    """Why the job stands where it stands, as codes and sentences, the weightiest first.

    They say what it waits for, which clients lack what, what must end before it fits, its place in the queue, when it
    may start, how it ended, and what would change that.
    """
    services = services_of(request)
    wishes, now = services.room.wishes(), await services.run(services.storage.clock)
    return await services.answer(lambda reader: why(reader, job_id, now, services.settings, wishes))


def _statuses(texts: Sequence[str]) -> Iterator[JobStatus]:
    for text in texts:
        yield from (JobStatus.parse(word.strip()) for word in text.split(",") if word.strip())


async def _change(
    services: Services, job_id: int, change: Callable[[Writer, Job, datetime], Job], *, brief: bool = False
) -> Response:
    """Run a change of a job as it stands, tell those whom it may concern, and answer the job."""

    def command(writer: Writer, now: datetime) -> tuple[Job, str | None]:
        before = writer.job(job_id)
        return change(writer, before, now), before.client_id

    job, holder = await services.write(command, brief=brief)
    services.housekeeper.wake()
    services.room.jobs(job.project_id)
    if holder is not None:
        services.room.orders(holder)
    return Answer({"data": job_document(job)})


async def _delete(services: Services, job_id: int, project_id: int | None = None) -> Response:
    def command(writer: Writer, now: datetime) -> str | None:
        job = writer.job(job_id)
        if project_id is not None and job.project_id != project_id:
            writer.project(project_id)
            raise NotFoundError(f"Job with id {job_id} not found in project {project_id}.")
        writer.delete_jobs([job_id], now)
        return job.client_id

    holder = await services.write(command)
    services.housekeeper.wake()
    if holder is not None:
        services.room.orders(holder)
    return Response(status_code=204)


__all__ = ["router"]
