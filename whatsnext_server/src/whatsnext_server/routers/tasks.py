"""Tasks: kinds of jobs, with their commands, needs and policies."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from whatsnext_core.model import Task, limits
from whatsnext_core.storage import Page, Writer
from whatsnext_server.http.answers import Answer
from whatsnext_server.http.routing import new_router, problems
from whatsnext_server.routers.parameters import Limit, Skip, TaskId, TaskName
from whatsnext_server.schemas import NewTask, TaskDocument, TaskUpdate
from whatsnext_server.schemas.tasks import task_document
from whatsnext_server.services import services_of

router = new_router("tasks")

OfProject = Annotated[int | None, Query(ge=1, le=limits.MAX_ID, description="Only tasks of this project.")]
InProject = Annotated[int, Query(ge=1, le=limits.MAX_ID, description="The project that holds the task.")]


@router.get("/tasks/", response_model=list[TaskDocument], summary="List tasks")
async def list_tasks(request: Request, project_id: OfProject = None, limit: Limit = 100, skip: Skip = 0) -> Response:
    """Tasks by id, ascending."""
    page = Page(limit=limit, skip=skip)
    return await services_of(request).answer(lambda reader: list(map(task_document, reader.tasks(page, project_id))))


@router.post(
    "/tasks/",
    status_code=201,
    response_model=TaskDocument,
    responses=problems(400, 404, 409, 413),
    summary="Create a task",
)
async def create_task(request: Request, body: NewTask) -> Response:
    """A task of a name that is new in its project; 409 if the name is taken there."""
    spec, project_id = body.spec(), body.project_id
    task = await services_of(request).write(lambda writer, now: writer.create_task(project_id, spec, now))
    return Answer(task_document(task), 201)


@router.get(
    "/tasks/name/{name:path}", response_model=TaskDocument, responses=problems(404), summary="Find a task by name"
)
async def get_task_by_name(request: Request, name: TaskName, project_id: InProject) -> Response:
    """The task of exactly this name in the project."""
    return await services_of(request).answer(lambda reader: task_document(reader.task_named(project_id, name)))


@router.get("/tasks/{task_id}", response_model=TaskDocument, responses=problems(404), summary="Show a task")
async def get_task(request: Request, task_id: TaskId) -> Response:
    """The task of this id."""
    return await services_of(request).answer(lambda reader: task_document(reader.task(task_id)))


@router.put(
    "/tasks/{task_id}", response_model=TaskDocument, responses=problems(400, 404, 409, 413), summary="Change a task"
)
async def update_task(request: Request, task_id: TaskId, body: TaskUpdate) -> Response:
    """Change any of a task's fields; attempts that run already keep the old ones."""
    services = services_of(request)

    def command(writer: Writer, now: datetime) -> Task:
        return writer.update_task(task_id, body.apply(writer.task(task_id)), now)

    task = await services.write(command)
    services.housekeeper.wake()
    services.room.jobs(task.project_id)
    return Answer(task_document(task))


@router.delete("/tasks/{task_id}", status_code=204, responses=problems(404, 409), summary="Delete a task")
async def delete_task(request: Request, task_id: TaskId) -> Response:
    """Delete a task and its ended jobs; 409 while it has jobs that have not ended."""
    services = services_of(request)
    await services.write(lambda writer, _: writer.delete_task(task_id))
    services.housekeeper.wake()
    return Response(status_code=204)


__all__ = ["router"]
