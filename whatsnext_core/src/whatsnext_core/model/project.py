"""A project: a name that holds tasks and jobs."""

from __future__ import annotations

from datetime import datetime

from attrs import field, frozen

from whatsnext_core.model import limits
from whatsnext_core.model.status import ProjectStatus


@frozen(kw_only=True)
class Project:
    """A named set of tasks and jobs; its name is unique on the server."""

    id: int
    """Number of the project, given by the storage, from 1."""
    name: str
    """Unique name, 1 to 255 characters."""
    description: str = ""
    """Free text."""
    status: ProjectStatus = ProjectStatus.ACTIVE
    """Whether the project is in use; an archived one takes no new jobs and hands none out."""
    created_at: datetime
    """When it was created, in UTC."""
    updated_at: datetime
    """When its name, description or status last changed, in UTC."""


@frozen(kw_only=True)
class ProjectChanges:
    """The fields of a project that shall change; None leaves one as it is."""

    name: str | None = field(default=None)
    """New name."""
    description: str | None = field(default=None)
    """New description."""
    status: ProjectStatus | None = None
    """New status."""

    @name.validator
    def _check_name(self, _: object, value: str | None) -> None:
        if value is not None:
            limits.check_name(value, "name of the project")

    @description.validator
    def _check_description(self, _: object, value: str | None) -> None:
        if value is not None:
            limits.check_text(value, "description of the project")
