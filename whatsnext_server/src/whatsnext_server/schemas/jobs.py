"""Schemas of jobs, single and in batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs
from pydantic import Field

from whatsnext_core.converters import to_json
from whatsnext_core.explaining import Explanation
from whatsnext_core.model import Attempt, Condition, Job, JobChanges, JobSpec
from whatsnext_server.schemas.base import Id, Key, Name, Priority, Schema, Timeout
from whatsnext_server.schemas.common import AnyCaseCondition, AnyCaseJobStatus, ReadOnly
from whatsnext_server.schemas.derived import derive

FETCHED: Final = (
    "id",
    "name",
    "project_id",
    "task_id",
    "task_name",
    "parameters",
    "status",
    "priority",
    "depends",
    "created_at",
    "updated_at",
)
"""The fields of a job that ``fetch_job`` shows, as they are documented; other answers show all."""

JobDocument = derive(Job)
"""A job, as every answer but that of fetch_job shows it."""
AttemptDocument = derive(Attempt)
"""One execution of a job."""
WhyDocument = derive(Explanation)
"""Why a job stands where it stands."""

EMPTY_OBJECT: Final[dict[str, Any]] = {"default_factory": dict, "json_schema_extra": {"default": {}}}
"""The default of a field that is an object; pydantic would copy an empty one each time, deeply."""
DEPENDS: Final = "Ids of the jobs that come before this one, each with its name; the id is what counts."
CONDITIONS: Final = "For ids in `depends`, what that job must do: success (default), finished or failure."
TASK: Final = "Name of the task, instead of its id."


def edges(depends: Mapping[int, str | None], conditions: Mapping[int, Condition]) -> dict[int, Condition]:
    """Return the dependencies, each with its condition."""
    return {parent: conditions.get(parent, Condition.SUCCESS) for parent in depends}


class NewJob(Schema, core=JobSpec):
    """A job to submit."""

    name: Name
    project_id: Id = Field(description="The project that holds it.")
    task_id: Id | None = None
    task: str | None = Field(default=None, description=TASK)
    parameters: dict[str, Any] = Field(**EMPTY_OBJECT, examples=[{"lr": 0.01, "epochs": 10}])
    priority: Priority = 0
    depends: dict[Key, str | None] = Field(**EMPTY_OBJECT, description=DEPENDS, examples=[{"17": "prepare"}])
    conditions: dict[Key, AnyCaseCondition] = Field(**EMPTY_OBJECT, description=CONDITIONS)
    timeout: Timeout | None = None

    def spec(self, task_id: int) -> JobSpec:
        """Return the job's specification, checked as the model asks."""
        return JobSpec(
            name=self.name,
            task_id=task_id,
            parameters=self.parameters,
            priority=self.priority,
            depends=edges(self.depends, self.conditions),
            timeout=self.timeout,
        )


class JobUpdate(Schema, core=Job):
    """What shall change of a job; what is not given stays. The whole document that GET gave is taken too."""

    name: Name | None = None
    project_id: Id | None = None
    task_id: Id | None = None
    parameters: dict[str, Any] | None = None
    status: AnyCaseJobStatus | None = None
    priority: Priority | None = None
    depends: dict[Key, str | None] | None = Field(default=None, description=DEPENDS)
    conditions: dict[Key, AnyCaseCondition] | None = Field(default=None, description=CONDITIONS)
    id: ReadOnly = None
    task_name: ReadOnly = None
    created_at: ReadOnly = None
    updated_at: ReadOnly = None
    attempt: ReadOnly = None
    failures: ReadOnly = None
    losses: ReadOnly = None
    ooms: ReadOnly = None
    cause: ReadOnly = None
    message: ReadOnly = None
    exit_code: ReadOnly = None
    not_before: ReadOnly = None
    timeout: ReadOnly = None
    cancel_requested: ReadOnly = None
    client_id: ReadOnly = None
    started_at: ReadOnly = None
    finished_at: ReadOnly = None
    result: ReadOnly = None

    def changes(self, job: Job) -> JobChanges:
        """Return the changes; a dependency that the job has already keeps its condition unless one is given."""
        depends = None
        if self.depends is not None or self.conditions is not None:
            parents = job.depends if self.depends is None else self.depends
            depends = edges(parents, {**job.conditions, **(self.conditions or {})})
        return JobChanges(
            name=self.name,
            project_id=self.project_id,
            task_id=self.task_id,
            parameters=self.parameters,
            priority=self.priority,
            depends=depends,
            status=self.status,
        )


class BatchDependency(Schema):
    """A dependency with a condition."""

    job: Id | str = Field(description="A ref of this batch, or the id of a job that exists.")
    condition: AnyCaseCondition = Field(default=Condition.SUCCESS, description="What that job must do.")


class BatchJob(Schema, core=JobSpec):
    """A job of a batch."""

    name: Name
    task_id: Id | None = None
    task: str | None = Field(default=None, description=TASK)
    parameters: dict[str, Any] = Field(**EMPTY_OBJECT)
    priority: Priority = 0
    depends: dict[Key, str | None] = Field(**EMPTY_OBJECT, description=DEPENDS)
    conditions: dict[Key, AnyCaseCondition] = Field(**EMPTY_OBJECT, description=CONDITIONS)
    ref: str | None = Field(default=None, min_length=1, max_length=255, description="A name of your own in the batch.")
    depends_on: list[Id | str | BatchDependency] = Field(
        default_factory=list,
        json_schema_extra={"default": []},
        description="Refs of this batch and ids of jobs that exist; an object adds a condition.",
        examples=[["prepare", 17, {"job": "train", "condition": "finished"}]],
    )
    timeout: Timeout | None = None


class Batch(Schema):
    """Jobs that are submitted together: all of them, or none."""

    jobs: list[BatchJob]
    """The jobs; they may refer to each other by `ref`, in any order."""


class BatchResult(Schema):
    """The jobs that were created."""

    created: int
    """How many."""
    job_ids: list[int]
    """Their ids, in the order of the batch."""


class JobData(Schema):
    """A job after a change."""

    data: JobDocument  # type: ignore[valid-type]  # made at run time
    """The job as it is now."""


class FetchedJob(Schema, core=Job):
    """A job that was fetched to be run."""

    id: int
    name: str
    project_id: int
    task_id: int
    task_name: str
    parameters: dict[str, Any]
    status: str
    priority: int
    depends: dict[int, str]
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    updated_at: str = Field(json_schema_extra={"format": "date-time"})


class Fetch(Schema):
    """What a client fetched."""

    job: FetchedJob | None
    """The job, now QUEUED; null if there is none for this client."""
    num_pending: int
    """PENDING jobs of the project before this fetch, those included that don't fit or aren't ready."""


class Dependency(Schema):
    """A job before another one."""

    id: int
    """Its id."""
    name: str
    """Its name."""
    status: str | None
    """Its status; null if it was deleted."""


class Dependencies(Schema):
    """The jobs before a job."""

    job_id: int
    """The job."""
    dependencies: list[Dependency]
    """Those before it, by id."""
    all_completed: bool
    """Whether all of them are COMPLETED."""


def job_document(job: Job) -> Any:
    """Return what answers show of a job: itself, which is encoded as ``to_json`` would have it, but for whole seconds.

    That takes a sixth of the time.
    """
    return job if job.timeout is None else to_json(job)


def fetched_document(job: Job) -> dict[str, Any]:
    """Return a job with exactly the documented fields."""
    document = to_json(job)
    return {name: document[name] for name in FETCHED}


def job_fields() -> tuple[str, ...]:
    """Return the fields of a job's document."""
    return tuple(attribute.name for attribute in attrs.fields(Job))


__all__ = [
    "FETCHED",
    "AttemptDocument",
    "Batch",
    "BatchDependency",
    "BatchJob",
    "BatchResult",
    "Dependencies",
    "Dependency",
    "Fetch",
    "FetchedJob",
    "JobData",
    "JobDocument",
    "JobUpdate",
    "NewJob",
    "WhyDocument",
    "edges",
    "fetched_document",
    "job_document",
    "job_fields",
]
