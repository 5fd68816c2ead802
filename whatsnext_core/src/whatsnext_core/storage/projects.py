"""The part of the contract of a storage backend that changes projects and tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from whatsnext_core.model import Project, ProjectChanges, Task, TaskSpec


class ProjectKeeper(Protocol):
    """What a writer does with projects and tasks."""

    def create_project(self, name: str, description: str, now: datetime) -> Project:
        """Create a project; DuplicateError if the name is taken."""
        ...

    def update_project(self, project_id: int, changes: ProjectChanges, now: datetime) -> Project:
        """Change a project; DuplicateError if the new name is taken."""
        ...

    def delete_project(self, project_id: int) -> None:
        """Delete a project with all that it holds.

        It is gone at once; what it held may be cleared away by ``settle``.
        """
        ...

    def create_task(self, project_id: int, spec: TaskSpec, now: datetime) -> Task:
        """Create a task; NotFoundError if no project, DuplicateError if the name is taken in it."""
        ...

    def update_task(self, task_id: int, spec: TaskSpec, now: datetime) -> Task:
        """Replace what a person said of a task; its ready jobs move to the line of the new requirement.

        NotFoundError if there is none of that id, DuplicateError if the new name is taken in its project.
        """
        ...

    def delete_task(self, task_id: int) -> None:
        """Delete a task and its ended jobs.

        ConflictError while it has jobs that have not ended, unpublished ones included. No event tells of the jobs.
        """
        ...
