"""Batches of jobs as they are sent: read, checked, put into order, and made into what is written. Nothing here writes.

A batch may have a hundred thousand jobs, so all of this runs apart from the event loop, and piece by piece, so that
other threads have their turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from msgspec import Struct
from pydantic import ValidationError

from whatsnext_core import dependencies
from whatsnext_core.errors import InvalidError
from whatsnext_core.model import Condition, JobSpec
from whatsnext_core.model.limits import shorten
from whatsnext_core.references import refers, renamed
from whatsnext_core.storage import Reader
from whatsnext_server.http.reading import read_array
from whatsnext_server.schemas import BatchJob
from whatsnext_server.schemas.jobs import edges
from whatsnext_server.submission.glancing import PlainJob, plain_jobs
from whatsnext_server.submission.submitting import find_task

TaskKey = tuple[int | None, str | None]
"""How a job names its task: by id, by name, or both."""

PROBLEMS: Final = 20
"""Problems of a batch that are told, at most."""
_NONE: Final[Mapping[Any, Condition]] = {}


class Draft(Struct, frozen=True, kw_only=True, gc=False):
    """A job of a batch as it was read; its task and the jobs before it in the batch are still names."""

    name: str
    """Name of the job."""
    task: TaskKey
    """How it names its task."""
    parameters: Mapping[str, Any]
    """Its parameters."""
    priority: int
    """Its priority."""
    timeout: float | None
    """Its own limit in seconds, if any."""
    ref: str | None
    """What others of the batch call it."""
    outside: Mapping[int, Condition]
    """Ids of existing jobs before it, each with what that job must do."""
    inside: Mapping[str, Condition]
    """Refs of jobs of the batch before it, each with what that job must do."""

    @classmethod
    def of(cls, job: BatchJob | PlainJob) -> Draft:
        """Return the draft of what was sent."""
        outside = edges(job.depends, job.conditions) if job.depends else {}
        inside: dict[str, Condition] = {}
        for each in job.depends_on:
            target, condition = (each, None) if isinstance(each, int | str) else (each.job, each.condition)
            if isinstance(target, int):
                outside[target] = condition or job.conditions.get(target, Condition.SUCCESS)
            else:
                inside[target] = condition or Condition.SUCCESS
        return cls(
            name=job.name,
            task=(job.task_id, job.task),
            parameters=job.parameters,
            priority=job.priority,
            timeout=job.timeout,
            ref=job.ref,
            outside=outside or _NONE,
            inside=inside or _NONE,
        )

    def spec(self, tasks: Mapping[TaskKey, int], own: int | None, refs: Mapping[str, int]) -> JobSpec:
        """Return the job as it is written, checked as the model asks; ``refs`` gives the ids of those in the batch."""
        inside = {refs[ref]: condition for ref, condition in self.inside.items()}
        parameters = self.parameters
        if inside and refers(parameters):
            parameters = renamed(parameters, {ref: refs[ref] for ref in self.inside}, f"job {shorten(self.name)}")
        return JobSpec(
            id=own,
            name=self.name,
            task_id=tasks[self.task],
            parameters=parameters,
            priority=self.priority,
            timeout=self.timeout,
            depends={**self.outside, **inside} if inside else self.outside,
        )


def read_batch(body: bytes) -> list[Draft]:
    """Return the jobs of a batch, each checked against the schema.

    Raises:
        HTTPException: the body is no JSON (400).
        RequestValidationError: the body, or jobs in it, don't fit the schema.
    """
    plain = plain_jobs(body)
    return _read_closely(body) if plain is None else [Draft.of(job) for job in plain]


def _read_closely(body: bytes) -> list[Draft]:
    """Return the jobs of a batch, or say what is wrong with which of them."""
    drafts: list[Draft] = []
    found: list[Mapping[str, Any]] = []
    for place, item in enumerate(read_array(body, "jobs")):
        try:
            drafts.append(Draft.of(BatchJob.model_validate(item)))
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False)
            found += [{**each, "loc": ("body", "jobs", place, *each["loc"])} for each in problems]
            if len(found) >= PROBLEMS:
                break
    if found:
        raise RequestValidationError(found[:PROBLEMS])
    return drafts


def order_batch(drafts: Sequence[Draft]) -> list[int]:
    """Return the places of the jobs so that each comes after those it depends on, else in the order given.

    Raises:
        InvalidError: a ref is unknown, or used twice.
        CycleError: some jobs wait for each other; the message shows their names.
    """
    places: dict[str, int] = {}
    for place, draft in enumerate(drafts):
        if draft.ref is not None and places.setdefault(draft.ref, place) != place:
            raise InvalidError(f"The ref {shorten(draft.ref)} is used by two jobs of the batch; each must be unique.")
    parents: dict[int, list[int]] = {}
    for place, draft in enumerate(drafts):
        parents[place] = [_place(places, draft, ref) for ref in draft.inside]
    if not any(parents.values()):
        return list(range(len(drafts)))
    return dependencies.order(parents, lambda place: f"{shorten(drafts[place].name)} (number {place + 1})")


def _place(places: Mapping[str, int], draft: Draft, ref: str) -> int:
    if ref not in places:
        raise InvalidError(
            f"Job {shorten(draft.name)} depends on {shorten(ref)}, which is no ref of this batch; "
            f"give that job the ref, or name a job that exists by its id (a number)."
        )
    return places[ref]


def find_tasks(reader: Reader, project_id: int, drafts: Iterable[Draft]) -> dict[TaskKey, int]:
    """Return the ids of the tasks that a batch names; errors as in ``find_task``."""
    reader.project(project_id)
    first: dict[TaskKey, str] = {}
    for draft in drafts:
        first.setdefault(draft.task, draft.name)
    return {key: find_task(reader, project_id, *key, f"Job {shorten(name)}").id for key, name in first.items()}


def build(
    drafts: Sequence[Draft], ordered: Sequence[int], tasks: Mapping[TaskKey, int], numbers: Sequence[int] | None
) -> list[JobSpec]:
    """Return the jobs as they are written, parents first; ``numbers`` are their ids if they depend on each other.

    Raises:
        InvalidError: a value breaks a rule of the model.
    """
    if numbers is None:
        return [drafts[place].spec(tasks, None, {}) for place in ordered]
    by_ref = {draft.ref: numbers[place] for place, draft in enumerate(drafts) if draft.ref is not None}
    return [drafts[place].spec(tasks, numbers[place], by_ref) for place in ordered]


__all__ = ["Draft", "TaskKey", "build", "find_tasks", "order_batch", "read_batch"]
