"""Schemas of projects."""

from __future__ import annotations

from pydantic import create_model

from whatsnext_core.model import JobStatus, Project, ProjectChanges, limits
from whatsnext_core.storage import Demand
from whatsnext_server.schemas.base import Name, Schema, Text
from whatsnext_server.schemas.common import AnyCaseProjectStatus, ReadOnly
from whatsnext_server.schemas.derived import derive

ProjectDocument = derive(Project)
"""A project, as every answer shows it."""

ProjectCounts = create_model(
    "ProjectCounts",
    __doc__="How many jobs of a project there are in each status.",
    __module__=__name__,
    **{status.value: (int, ...) for status in JobStatus},  # type: ignore[call-overload]  # names are not known to mypy
)
"""How many jobs of a project there are in each status."""


DemandDocument = derive(Demand)
"""What some of the jobs that could start now need."""


class NewProject(Schema, core=Project):
    """A project to create."""

    name: Name
    description: Text = ""

    def check(self) -> tuple[str, str]:
        """Return name and description, checked as the model asks."""
        limits.check_name(self.name, "name of the project")
        return self.name, limits.check_text(self.description, f"description of project {limits.shorten(self.name)}")


class ProjectUpdate(Schema, core=Project):
    """What shall change of a project; what is not given stays."""

    name: Name | None = None
    description: Text | None = None
    status: AnyCaseProjectStatus | None = None
    id: ReadOnly = None
    created_at: ReadOnly = None
    updated_at: ReadOnly = None

    def changes(self) -> ProjectChanges:
        """Return the changes, checked as the model asks."""
        if self.name is not None:
            limits.check_name(self.name, "name of the project")
        if self.description is not None:
            limits.check_text(self.description, "description of the project")
        return ProjectChanges(name=self.name, description=self.description, status=self.status)


__all__ = ["DemandDocument", "NewProject", "ProjectCounts", "ProjectDocument", "ProjectUpdate"]
