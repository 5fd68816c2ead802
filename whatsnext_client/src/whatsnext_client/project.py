"""A project, as the library shows it: its tasks, its jobs and its queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from whatsnext_client.errors import EmptyQueueError
from whatsnext_client.events import EventStream
from whatsnext_client.following import open_events
from whatsnext_client.job import Job
from whatsnext_client.rest import Document, Rest
from whatsnext_client.task import Task
from whatsnext_core.converters import parse_time
from whatsnext_core.errors import ConflictError, DuplicateError, NotFoundError
from whatsnext_core.model import JobStatus


class Project:
    """A named set of tasks and jobs. What it says of itself is read from the server each time it is asked."""

    def __init__(self, rest: Rest, document: Document) -> None:
        self.rest = rest
        """The server's endpoints."""
        self.id: int = document["id"]
        """Number of the project on its server."""
        self.label: str = document["name"]
        """Its name when it was read; ``name`` asks the server."""
        self._task_ids: dict[str, int] = {}

    @property
    def name(self) -> str:
        """Name, unique on the server."""
        self.label = self._read()["name"]
        return self.label

    @property
    def description(self) -> str:
        """Free text."""
        return str(self._read()["description"])

    @property
    def status(self) -> str:
        """``ACTIVE`` or ``ARCHIVED``."""
        return str(self._read()["status"])

    @property
    def created_at(self) -> datetime:
        """When it was created, in UTC."""
        return parse_time(self._read()["created_at"])

    @property
    def last_updated(self) -> datetime:
        """When its name, description or status last changed, in UTC."""
        return parse_time(self._read()["updated_at"])

    def set_description(self, text: str) -> bool:
        """Give the project another description; True once it has it."""
        self.rest.update_project(self.id, {"description": text})
        return True

    # -- tasks ---------------------------------------------------------------------------------------------------------

    @property
    def tasks(self) -> list[Task]:
        """The tasks of the project, oldest first."""
        return [Task(self.rest, document) for document in self.rest.tasks(self.id)]

    def create_task(
        self,
        name: str,
        *,
        command_template: str | None = None,
        required_cpu: int = 1,
        required_accelerators: float = 0,
        **fields: Any,
    ) -> Task:
        """Create a kind of job in the project, and return it.

        Args:
            name: Name, unique in the project.
            command_template: Command with ``{parameter}`` placeholders; None lets the worker's formatter decide.
            required_cpu: CPUs that each of its jobs needs.
            required_accelerators: Accelerators that each of its jobs needs; below 1, a share of one.
            **fields: Any other field of ``Task``: ``required_memory`` (bytes or ``"4GiB"``), ``timeout``, ``retry``.

        Raises:
            DuplicateError: the project has a task of this name.
            InvalidError: a field is unknown, or a value is not allowed.
        """
        body = {
            "name": name,
            "project_id": self.id,
            "command_template": command_template,
            "required_cpu": required_cpu,
            "required_accelerators": required_accelerators,
            **fields,
        }
        try:
            return Task(self.rest, self.rest.create_task(body))
        except ConflictError as error:
            raise DuplicateError(str(error)) from error

    # -- submitting ----------------------------------------------------------------------------------------------------

    def append_queue(self, job: Job) -> bool:
        """Queue a job, which thereby gets its ``id``; True once the server has it.

        Raises:
            NotFoundError: the project has no such task.
            InvalidError: a value is not allowed, or a job before this one is unknown or not queued.
        """
        body = {**job.body(), **job.edges()}
        body.pop("depends_on", None)
        del body["task"]
        known = job.task in self._task_ids
        try:
            document = self.rest.create_job({**body, "project_id": self.id, "task_id": self._task_id(job.task)})
        except NotFoundError:
            if not known:
                raise
            del self._task_ids[job.task]  # the task was deleted, and perhaps made anew
            document = self.rest.create_job({**body, "project_id": self.id, "task_id": self._task_id(job.task)})
        job.take(self.rest, document)
        return True

    def extend_queue(self, jobs: Iterable[Job]) -> list[int]:
        """Queue jobs with one request, all or none, and return their ids; each also gets its ``id``.

        Jobs may depend on each other, in any order.
        """
        batch = list(jobs)
        named = {parent for job in batch for parent in job.parents()}
        refs = {job: f"#{place}" for place, job in enumerate(batch) if job in named and job.id is None}
        items = [job.body(refs) for job in batch]
        if not items:
            return []
        ids = self.rest.create_jobs(self.id, items, timeout=max(self.rest.transport.timeout, len(items) / 1000))
        for job, job_id in zip(batch, ids, strict=True):
            job.was_queued(self.rest, self.id, job_id)
        return ids

    def append(self, name: str, task: str | Task, parameters: Mapping[str, Any] | None = None, **options: Any) -> Job:
        """Make a job, queue it, and return it; the options are those of ``Job``."""
        job = Job(name, task, parameters, **options)
        self.append_queue(job)
        return job

    # -- looking -------------------------------------------------------------------------------------------------------

    @property
    def queue(self) -> list[Job]:
        """The PENDING jobs in the order in which a worker that fits them all would get them."""
        pending = self._jobs(status=JobStatus.PENDING.value)
        return sorted(pending, key=lambda job: (-job.priority, job.id))

    @property
    def jobs(self) -> list[Job]:
        """All jobs of the project, oldest first."""
        return self._jobs()

    def events(
        self,
        after: int | None = None,
        *,
        jobs: Iterable[int | Job] = (),
        kinds: Iterable[str] = (),
        since: datetime | None = None,
    ) -> EventStream:
        """Return what happens to the project's jobs, as it happens: an iterator of events that has no end.

        It is connected at once, and it goes on where it was when the connection breaks or the server is restarted.

        Args:
            after: Begin behind the event of this number, 0 for all that are kept; None for now.
            jobs: Only events of these jobs, by id or Job.
            kinds: Only events of these kinds, ``"failed"`` for instance; see ``EventKind``.
            since: Begin at this time.
        """
        return open_events(self.rest.transport, after, project_id=self.id, jobs=jobs, kinds=kinds, since=since)

    # -- taking --------------------------------------------------------------------------------------------------------

    def fetch_job(self, available_cpu: int = 0, available_accelerators: int = 0) -> Job:
        """Take the next job that is ready and fits, and return it; it is then QUEUED, and nobody else gets it.

        Nothing ends it but ``Job.set_status`` or ``Job.run``: no lease watches over it.

        Args:
            available_cpu: CPUs that it may need; 0 for any number.
            available_accelerators: Accelerators that it may need; 0 for any number.

        Raises:
            EmptyQueueError: there is none.
        """
        found = self.rest.fetch_job(self.id, cpu=available_cpu, accelerators=available_accelerators)
        if found["job"] is not None:
            return Job.from_document(self.rest, found["job"])
        waiting = found["num_pending"]
        if not waiting:
            raise EmptyQueueError(f"The queue of project {self.label!r} is empty.")
        raise EmptyQueueError(
            f"No job of project {self.label!r} is ready and fits; {waiting} wait for other jobs, for a retry, "
            f"or for more CPUs or accelerators."
        )

    def pop(self) -> Job | None:
        """Take the next job that is ready, as ``fetch_job`` does, or return None if there is none."""
        try:
            return self.fetch_job()
        except EmptyQueueError:
            return None

    def pop_queue(self, idx: int = 0) -> Job:
        """Take the job at a place of ``queue``, and return it; it is then QUEUED, and nobody else gets it.

        Raises:
            EmptyQueueError: the queue has no such place.
            ConflictError: the job waits for other jobs, or somebody took it meanwhile.
        """
        queue = self.queue
        try:
            job = queue[idx]
        except IndexError:
            raise EmptyQueueError(
                f"The queue of project {self.label!r} has {len(queue)} jobs, and none at place {idx}."
            ) from None
        document = self.rest.update_job(job.number, {"status": JobStatus.QUEUED.value})
        job.take(self.rest, document)
        return job

    def remove_job(self, job_id: int | Job) -> bool:
        """Delete a job from the project, whatever its status; False if the project has none of this id."""
        try:
            self.rest.delete_job(self.id, job_id.number if isinstance(job_id, Job) else job_id)
        except NotFoundError:
            return False
        return True

    def clear_queue(self) -> int:
        """Delete all PENDING jobs of the project, and return how many there were."""
        return self.rest.clear_queue(self.id)

    # ------------------------------------------------------------------------------------------------------------------

    def _read(self) -> Document:
        return self.rest.project(self.id)

    def _jobs(self, **params: Any) -> list[Job]:
        found = self.rest.all_jobs(project_id=self.id, **params)
        return [Job.from_document(self.rest, document) for document in found]

    def _task_id(self, name: str) -> int:
        if name not in self._task_ids:
            self._task_ids[name] = self.rest.task_named(self.id, name)["id"]
        return self._task_ids[name]

    def __repr__(self) -> str:
        return f"Project(id={self.id}, name={self.label!r})"
