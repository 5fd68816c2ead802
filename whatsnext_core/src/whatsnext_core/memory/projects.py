"""Projects and tasks in memory."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs
from attrs import evolve

from whatsnext_core.errors import ConflictError, DuplicateError
from whatsnext_core.memory.graph import erase, place
from whatsnext_core.memory.state import State, plain
from whatsnext_core.model import Project, ProjectChanges, Task, TaskSpec
from whatsnext_core.model.limits import shorten

SHOWN = 5
"""How many jobs a message names at most."""


def create_project(state: State, name: str, description: str, now: datetime) -> Project:
    """Create a project."""
    _check_project_name(state, name)
    number = state.number("project")
    project = Project(id=number, name=name, description=description, created_at=now, updated_at=now)
    state.projects.put(number, project)
    return project


def update_project(state: State, project_id: int, changes: ProjectChanges, now: datetime) -> Project:
    """Change a project."""
    project = state.project(project_id)
    if changes.name is not None and changes.name != project.name:
        _check_project_name(state, changes.name)
    new = {name: value for name, value in attrs.asdict(changes).items() if value is not None}
    project = evolve(project, **new, updated_at=now)
    state.projects.put(project_id, project)
    return project


def delete_project(state: State, project_id: int) -> None:
    """Delete a project; its jobs can't be seen any more, and are cleared away in steps."""
    state.project(project_id)
    state.projects.drop(project_id)
    state.cleared.put(project_id, True)


def create_task(state: State, project_id: int, spec: TaskSpec, now: datetime) -> Task:
    """Create a task."""
    state.project(project_id)
    _check_task_name(state, project_id, spec.name)
    number = state.number("task")
    task = Task(**_fields(spec), id=number, project_id=project_id, created_at=now, updated_at=now)
    state.tasks.put(number, task)
    return task


def update_task(state: State, task_id: int, spec: TaskSpec, now: datetime) -> Task:
    """Replace what a person said of a task, and put its ready jobs into the line of the new requirement."""
    old = state.task(task_id)
    if spec.name != old.name:
        _check_task_name(state, old.project_id, spec.name)
    task = evolve(old, **_fields(spec), updated_at=now)
    state.tasks.put(task_id, task)
    for job_id in state.jobs.of_task.keys(task_id):
        if job_id in state.ready:
            place(state, state.jobs[job_id], now)
    return task


def delete_task(state: State, task_id: int) -> None:
    """Delete a task and its ended jobs."""
    task = state.task(task_id)
    rows = [state.jobs[job_id] for job_id in state.jobs.of_task.keys(task_id)]
    waiting = [str(row.job.id) for row in rows if not row.job.status.is_final]
    if waiting:
        shown = ", ".join(waiting[:SHOWN]) + ", ..." * (len(waiting) > SHOWN)
        raise ConflictError(
            f"Task {shorten(task.name)} has jobs that have not ended ({shown}); cancel or delete them first."
        )
    for row in rows:
        erase(state, row, tell_children=True)
    state.tasks.drop(task_id)


def _fields(spec: TaskSpec) -> dict[str, Any]:
    found = {attribute.name: getattr(spec, attribute.name) for attribute in attrs.fields(TaskSpec)}
    return found | {name: plain(found[name]) for name in ("environment", "options")}


def _check_project_name(state: State, name: str) -> None:
    if name in state.projects.by_name:
        raise DuplicateError(f"A project named {shorten(name)} exists already; choose another name.")


def _check_task_name(state: State, project_id: int, name: str) -> None:
    if (project_id, name) in state.tasks.by_name:
        raise DuplicateError(
            f"A task named {shorten(name)} exists already in project {project_id}; choose another name."
        )
