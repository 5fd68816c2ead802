"""Schemas of tasks, and how a task becomes a document and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs
from attrs import evolve
from pydantic import Field

from whatsnext_core.converters import format_time, to_json
from whatsnext_core.errors import InvalidError
from whatsnext_core.model import Requirement, RetryPolicy, Task, TaskSpec
from whatsnext_core.model.retry import RETRIED_BY_DEFAULT
from whatsnext_server.schemas.base import (
    Accelerators,
    Cpu,
    Factor,
    Id,
    Memory,
    Name,
    Retries,
    Schema,
    Seconds,
    Share,
    Text,
    Timeout,
)
from whatsnext_server.schemas.common import AnyCaseCause, ReadOnly
from whatsnext_server.schemas.documentation import field_docs

REQUIREMENTS: Final[Mapping[str, str]] = {
    "required_cpu": "cpu",
    "required_accelerators": "accelerators",
    "required_memory": "memory",
    "accelerator_kind": "accelerator_kind",
    "accelerator_memory": "accelerator_memory",
    "required_labels": "labels",
}
"""The fields of a document that make up the task's requirement, each with its name in the model."""
_NEEDS: Final = {name: field_docs(Requirement)[inner] for name, inner in REQUIREMENTS.items()}


class Retry(Schema, core=RetryPolicy):
    """What happens after an attempt of a job failed."""

    retries: Retries = 0
    delay: Seconds = 1.0
    factor: Factor = 2.0
    max_delay: Seconds = 3600.0
    jitter: Share = 0.1
    causes: frozenset[AnyCaseCause] = RETRIED_BY_DEFAULT
    memory_factor: Factor = 1.0
    max_losses: Retries = 5


class NewTask(Schema, core=TaskSpec):
    """A task to create: a kind of job, with its command, its needs and its policies."""

    name: Name
    project_id: Id = Field(description="The project that holds it.")
    command_template: Text | None = Field(default=None, examples=["python train.py --lr {lr}"])
    required_cpu: Cpu = Field(default=1, description=_NEEDS["required_cpu"])
    required_accelerators: Accelerators = Field(default=0, description=_NEEDS["required_accelerators"])
    required_memory: Memory = Field(default=0, description=_NEEDS["required_memory"], examples=["4G"])
    accelerator_kind: str = Field(default="", max_length=255, description=_NEEDS["accelerator_kind"])
    accelerator_memory: Memory = Field(default=0, description=_NEEDS["accelerator_memory"])
    required_labels: frozenset[str] = Field(default=frozenset(), description=_NEEDS["required_labels"])
    timeout: Timeout | None = None
    signal: str = "SIGTERM"
    grace: Seconds = 30.0
    retry: Retry = Retry()
    environment: dict[str, str] = Field(default={})
    options: dict[str, Any] = Field(default={})

    def spec(self) -> TaskSpec:
        """Return the task's specification, checked as the model asks."""
        return TaskSpec(
            name=self.name,
            command_template=self.command_template,
            requirement=Requirement(**{inner: getattr(self, name) for name, inner in REQUIREMENTS.items()}),
            retry=RetryPolicy(**dict(self.retry)),
            timeout=self.timeout,
            signal=self.signal,
            grace=self.grace,
            environment=self.environment,
            options=self.options,
        )


class TaskUpdate(Schema, core=TaskSpec):
    """What shall change of a task; what is not given stays."""

    name: Name | None = None
    project_id: Id | None = Field(default=None, description="The project that holds it; a task stays in its project.")
    command_template: Text | None = None
    required_cpu: Cpu | None = Field(default=None, description=_NEEDS["required_cpu"])
    required_accelerators: Accelerators | None = Field(default=None, description=_NEEDS["required_accelerators"])
    required_memory: Memory | None = Field(default=None, description=_NEEDS["required_memory"])
    accelerator_kind: str | None = Field(default=None, max_length=255, description=_NEEDS["accelerator_kind"])
    accelerator_memory: Memory | None = Field(default=None, description=_NEEDS["accelerator_memory"])
    required_labels: frozenset[str] | None = Field(default=None, description=_NEEDS["required_labels"])
    timeout: Timeout | None = None
    signal: str | None = None
    grace: Seconds | None = None
    retry: Retry | None = None
    environment: dict[str, str] | None = None
    options: dict[str, Any] | None = None
    id: ReadOnly = None
    created_at: ReadOnly = None
    updated_at: ReadOnly = None

    def apply(self, task: Task) -> TaskSpec:
        """Return the specification of ``task`` with the changes, checked as the model asks.

        Null clears the template and the timeout, and leaves anything else as it is.
        """
        if self.project_id not in (None, task.project_id):
            raise InvalidError(
                f"Task {task.id} belongs to project {task.project_id} and stays there; "
                f"create a task in project {self.project_id} instead."
            )
        given = {name: value for name, value in self.given().items() if name in NewTask.model_fields}
        given = {name: value for name, value in given.items() if value is not None or name in NULLABLE}
        needs = {inner: given[name] for name, inner in REQUIREMENTS.items() if name in given}
        plain = {
            name: given[name] for name in given if name not in REQUIREMENTS and name not in {"retry", "project_id"}
        }
        retry = task.retry if self.retry is None else evolve(task.retry, **self.retry.given())
        spec = TaskSpec(**{each.name: getattr(task, each.name) for each in attrs.fields(TaskSpec)})
        return evolve(spec, requirement=evolve(task.requirement, **needs), retry=retry, **plain)


NULLABLE: Final = frozenset({"command_template", "timeout"})
"""The fields of a task that null clears."""


class TaskDocument(Schema, core=Task):
    """A task, as every answer shows it."""

    id: int
    name: str
    project_id: int
    command_template: str | None
    required_cpu: int = Field(description=_NEEDS["required_cpu"])
    required_accelerators: float = Field(description=_NEEDS["required_accelerators"])
    required_memory: int = Field(description=_NEEDS["required_memory"])
    accelerator_kind: str = Field(description=_NEEDS["accelerator_kind"])
    accelerator_memory: int = Field(description=_NEEDS["accelerator_memory"])
    required_labels: list[str] = Field(description=_NEEDS["required_labels"])
    timeout: float | None
    signal: str
    grace: float
    retry: Retry
    environment: dict[str, str]
    options: dict[str, Any]
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    updated_at: str = Field(json_schema_extra={"format": "date-time"})


def task_document(task: Task) -> dict[str, Any]:
    """Return a task as every answer shows it."""
    needs = to_json(task.requirement)
    return {
        "id": task.id,
        "name": task.name,
        "project_id": task.project_id,
        "command_template": task.command_template,
        **{name: needs[inner] for name, inner in REQUIREMENTS.items()},
        "timeout": to_json(task.timeout),
        "signal": task.signal,
        "grace": to_json(task.grace),
        "retry": to_json(task.retry),
        "environment": dict(task.environment),
        "options": to_json(task.options),
        "created_at": format_time(task.created_at),
        "updated_at": format_time(task.updated_at),
    }


__all__ = ["REQUIREMENTS", "NewTask", "Retry", "TaskDocument", "TaskUpdate", "task_document"]
