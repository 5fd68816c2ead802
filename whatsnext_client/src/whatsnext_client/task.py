"""A task, as the library shows it: a kind of job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from whatsnext_client.rest import Document, Rest
from whatsnext_core.converters import parse_time

FIELDS: Final = (
    "command_template",
    "required_cpu",
    "required_accelerators",
    "required_memory",
    "accelerator_kind",
    "accelerator_memory",
    "required_labels",
    "timeout",
    "signal",
    "grace",
    "retry",
    "environment",
    "options",
)
"""What can be said of a task beside its name."""


class Task:
    """A kind of job: its command, what it needs, and what happens when it fails.

    Made by ``Project.create_task``. Every field of the task can be read as an attribute: ``task.required_cpu``.
    """

    id: int
    """Number of the task on its server."""
    name: str
    """Name, unique in the project."""
    project_id: int
    """The project that holds it."""
    command_template: str | None
    """Command with ``{parameter}`` placeholders; None lets the worker's formatter decide."""
    required_cpu: int
    """CPUs that each of its jobs needs."""
    required_accelerators: float
    """Accelerators that each of its jobs needs; below 1, a share of one."""
    required_memory: int
    """Main memory in bytes that each of its jobs needs; 0 for none in particular."""
    accelerator_kind: str
    """A part of the product name that the accelerators must have; empty for any."""
    accelerator_memory: int
    """Memory in bytes that each of the accelerators must have."""
    required_labels: list[str]
    """Labels that the worker must carry."""
    timeout: float | None
    """Seconds an attempt may run; None for no limit."""
    signal: str
    """The signal that asks a running job to end."""
    grace: float
    """Seconds between that signal and SIGKILL."""
    retry: Mapping[str, Any]
    """How failed jobs are tried again."""
    environment: Mapping[str, str]
    """Environment variables for the command."""
    options: Mapping[str, Any]
    """Settings for formatters, by the formatter's name."""
    created_at: datetime
    """When it was created, in UTC."""
    updated_at: datetime
    """When it last changed, in UTC."""

    def __init__(self, rest: Rest, document: Document) -> None:
        self._rest = rest
        self._take(document)

    def refresh(self) -> Task:
        """Read the task again from the server, and return it."""
        self._take(self._rest.task(self.id))
        return self

    def update(self, **changes: Any) -> Task:
        """Change fields of the task on the server, and return it.

        Raises:
            InvalidError: a field is unknown, or a value is not allowed.
        """
        self._take(self._rest.update_task(self.id, changes))
        return self

    def delete(self) -> None:
        """Delete the task and its ended jobs; ConflictError while it has others."""
        self._rest.delete_task(self.id)

    def _take(self, document: Document) -> None:
        times = {"created_at", "updated_at"}
        self.__dict__.update({key: parse_time(value) if key in times else value for key, value in document.items()})

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Task(id={self.id}, name={self.name!r}, project_id={self.project_id})"
