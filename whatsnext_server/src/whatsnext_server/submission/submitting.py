"""How one job is submitted: its task found by id or name, and unknown things told apart."""

from __future__ import annotations

from datetime import datetime

from whatsnext_core.errors import InvalidError, NotFoundError
from whatsnext_core.model import Job, JobStatus, Task
from whatsnext_core.model.limits import shorten
from whatsnext_core.storage import Reader, Writer
from whatsnext_server.schemas import NewJob


def find_task(reader: Reader, project_id: int, task_id: int | None, name: str | None, what: str) -> Task:
    """Return the task that ``what`` names by id or name.

    Raises:
        NotFoundError: the project or the task does not exist.
        InvalidError: neither or both were given and disagree, or the task is of another project.
    """
    if task_id is None:
        if name is None:
            raise InvalidError(f"{what} names no task; give task_id, or task with the task's name.")
        try:
            return reader.task_named(project_id, name)
        except NotFoundError:
            reader.project(project_id)  # if that is unknown, this says so
            raise
    task = reader.task(task_id)
    if task.project_id != project_id:
        reader.project(project_id)
        raise InvalidError(
            f"{what} has task {task_id} of project {task.project_id}; its task must be one of project {project_id}."
        )
    if name is not None and name != task.name:
        raise InvalidError(f"{what} has task_id {task_id}, which is {task.name!r}, and task {name!r}; give only one.")
    return task


def submit_job(writer: Writer, now: datetime, body: NewJob) -> Job:
    """Submit one job and return it."""
    task = find_task(writer, body.project_id, body.task_id, body.task, f"Job {shorten(body.name)}")
    spec = body.spec(task.id)
    (job_id,) = writer.submit(body.project_id, [spec], now)
    if spec.depends:
        return writer.job(job_id)
    return Job(
        id=job_id,
        name=spec.name,
        project_id=body.project_id,
        task_id=task.id,
        task_name=task.name,
        parameters=spec.parameters,
        status=JobStatus.PENDING,
        priority=spec.priority,
        depends={},
        created_at=now,
        updated_at=now,
        timeout=spec.timeout,
    )


__all__ = ["find_task", "submit_job"]
