"""Projects: names that hold tasks and jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from whatsnext_core.converters import to_json
from whatsnext_core.model import Project, ProjectStatus
from whatsnext_core.storage import Page, Reader, Writer
from whatsnext_server.http.answers import Answer
from whatsnext_server.http.routing import new_router, problems
from whatsnext_server.routers.parameters import Limit, ProjectId, ProjectName, Skip
from whatsnext_server.schemas import NewProject, ProjectCounts, ProjectDocument, ProjectUpdate
from whatsnext_server.services import Services, services_of

router = new_router("projects")

StatusFilter = Annotated[
    str | None, Query(description="Only projects with this status, in any case: ACTIVE or ARCHIVED.")
]
AlsoStatusFilter = Annotated[str | None, Query(description="The same as `status`.", deprecated=True)]


@router.get(
    "/projects/",
    response_model=list[ProjectDocument],  # type: ignore[valid-type]  # made at run time
    responses=problems(400),
    summary="List projects",
)
async def list_projects(
    request: Request,
    status: StatusFilter = None,
    status_filter: AlsoStatusFilter = None,
    limit: Limit = 100,
    skip: Skip = 0,
) -> Response:
    """Projects by id, ascending."""
    wanted = status or status_filter
    kind = ProjectStatus.parse(wanted) if wanted else None
    page = Page(limit=limit, skip=skip)
    return await services_of(request).answer(lambda reader: list(map(to_json, reader.projects(page, kind))))


@router.post(
    "/projects/",
    status_code=201,
    response_model=ProjectDocument,
    responses=problems(400, 409, 413),
    summary="Create a project",
)
async def create_project(request: Request, body: NewProject) -> Response:
    """A project of a new name; 409 if the name is taken."""
    name, description = body.check()
    project = await services_of(request).write(lambda writer, now: writer.create_project(name, description, now))
    return Answer(to_json(project), 201)


@router.get(
    "/projects/name/{name:path}",
    response_model=ProjectDocument,
    responses=problems(404),
    summary="Find a project by name",
)
async def get_project_by_name(request: Request, name: ProjectName) -> Response:
    """The project of exactly this name."""
    return await services_of(request).answer(lambda reader: to_json(reader.project_named(name)))


@router.delete(
    "/projects/name/{name:path}", status_code=204, responses=problems(404), summary="Delete a project by name"
)
async def delete_project_by_name(request: Request, name: ProjectName) -> Response:
    """Delete the project of exactly this name, with all that it holds."""
    return await _delete(services_of(request), name)


@router.get("/projects/{project_id}", response_model=ProjectDocument, responses=problems(404), summary="Show a project")
async def get_project(request: Request, project_id: ProjectId) -> Response:
    """The project of this id."""
    return await services_of(request).answer(lambda reader: to_json(reader.project(project_id)))


@router.put(
    "/projects/{project_id}",
    response_model=ProjectDocument,
    responses=problems(400, 404, 409, 413),
    summary="Change a project",
)
async def update_project(request: Request, project_id: ProjectId, body: ProjectUpdate) -> Response:
    """Change any of name, description and status. An archived project takes no new jobs and hands none out."""
    services, changes = services_of(request), body.changes()

    def command(writer: Writer, now: datetime) -> Project:
        return writer.update_project(project_id, changes, now)

    project = await services.write(command)
    if changes.status is ProjectStatus.ACTIVE:
        services.room.jobs(project_id)
    return Answer(to_json(project))


@router.delete("/projects/{project_id}", status_code=204, responses=problems(404), summary="Delete a project")
async def delete_project(request: Request, project_id: ProjectId) -> Response:
    """Delete a project with its tasks and jobs, those that run included: their workers are told to end them."""
    return await _delete(services_of(request), project_id)


@router.get(
    "/projects/{project_id}/counts",
    response_model=ProjectCounts,
    responses=problems(404),
    summary="Count a project's jobs by status",
)
async def count_jobs(request: Request, project_id: ProjectId) -> Response:
    """How many jobs there are in each status; kept as counters, so it is quick however many there are."""

    def query(reader: Reader) -> dict[str, int]:
        return {status.value: count for status, count in reader.counts(project_id).items()}

    return await services_of(request).answer(query)


async def _delete(services: Services, project: int | str) -> Response:
    def command(writer: Writer, _: datetime) -> None:
        writer.delete_project(writer.project_named(project).id if isinstance(project, str) else project)

    await services.write(command)
    services.housekeeper.wake()
    services.room.orders()
    return Response(status_code=204)


__all__ = ["router"]
