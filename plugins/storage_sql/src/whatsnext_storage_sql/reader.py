"""The reading half of the contract, each method by the module of its noun."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from whatsnext_core.model import Artifact, Attempt, Client, Cursor, Event, Job, JobStatus, Project, ProjectStatus, Task
from whatsnext_core.storage import (
    EVERY_EVENT,
    Demand,
    EventFilter,
    Holding,
    JobQuery,
    LogPart,
    Page,
    Parent,
    PastRun,
    Place,
)
from whatsnext_storage_sql import artifacts
from whatsnext_storage_sql.attempts import logs
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.events import cursors, events
from whatsnext_storage_sql.jobs import jobs
from whatsnext_storage_sql.projects import clients, projects, tasks
from whatsnext_storage_sql.queue import lines, looks, standing


class SQLReader:
    """A consistent view of the database."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def project(self, project_id: int) -> Project:
        """Return the project."""
        return projects.project(self._tx, project_id)

    def project_named(self, name: str) -> Project:
        """Return the project of that name."""
        return projects.project_named(self._tx, name)

    def projects(self, page: Page, status: ProjectStatus | None = None) -> Sequence[Project]:
        """Return projects by id ascending."""
        return projects.projects(self._tx, page, status)

    def task(self, task_id: int) -> Task:
        """Return the task."""
        return tasks.task(self._tx, task_id)

    def task_named(self, project_id: int, name: str) -> Task:
        """Return the task of that name in the project."""
        return tasks.task_named(self._tx, project_id, name)

    def tasks(self, page: Page, project_id: int | None = None) -> Sequence[Task]:
        """Return tasks by id ascending."""
        return tasks.tasks(self._tx, page, project_id)

    def job(self, job_id: int) -> Job:
        """Return the job."""
        return jobs.job(self._tx, job_id)

    def jobs(self, query: JobQuery) -> Sequence[Job]:
        """Return the jobs that the query describes."""
        return jobs.jobs(self._tx, query)

    def dependencies(self, job_id: int) -> Mapping[int, tuple[str, JobStatus | None]]:
        """Return name and status of each job before this one."""
        return jobs.dependencies(self._tx, job_id)

    def children(self, job_id: int, page: Page) -> Sequence[int]:
        """Return the ids of the jobs that depend directly on this one."""
        return jobs.children(self._tx, job_id, page)

    def unmet(self, job_id: int, limit: int) -> Sequence[Parent]:
        """Return the jobs before this one whose edges to it are not met."""
        return looks.unmet(self._tx, job_id, limit)

    def place(self, job_id: int, limit: int) -> Place | None:
        """Return where a ready job stands."""
        return standing.place(self._tx, job_id, limit)

    def past_runs(self, project_id: int, task_ids: Collection[int], limit: int) -> Sequence[PastRun]:
        """Return how long the newest completed jobs of these tasks ran."""
        return looks.past_runs(self._tx, project_id, task_ids, limit)

    def counts(self, project_id: int) -> Mapping[JobStatus, int]:
        """Return how many jobs of the project there are in each status."""
        return projects.counts(self._tx, project_id)

    def pending(self) -> int:
        """Return how many jobs of all projects are PENDING."""
        return projects.pending(self._tx)

    def demand(self, depth: int) -> Sequence[Demand]:
        """Return what the jobs that could start now need."""
        return lines.demand(self._tx, depth)

    def attempts(self, job_id: int) -> Sequence[Attempt]:
        """Return the attempts of a job, oldest first."""
        return jobs.attempts(self._tx, job_id)

    def live_attempts(self, client_id: str) -> Sequence[Attempt]:
        """Return the attempts that the client holds now, by job id."""
        return jobs.live_attempts(self._tx, client_id)

    def holdings(self, client_ids: Collection[str], limit: int) -> Sequence[Holding]:
        """Return the attempts that these clients hold now, by job id."""
        return looks.holdings(self._tx, client_ids, limit)

    def reservations(self) -> Mapping[str, tuple[int, datetime]]:
        """Return the job that each client drains for, and since when that counts."""
        return looks.reservations(self._tx)

    def client(self, client_id: str) -> Client:
        """Return the client."""
        return clients.client(self._tx, client_id)

    def clients(self, page: Page, *, active_only: bool) -> Sequence[Client]:
        """Return clients by id ascending."""
        return clients.clients(self._tx, page, active_only=active_only)

    def events(
        self, after: int, limit: int, only: EventFilter = EVERY_EVENT, *, until: int | None = None
    ) -> Sequence[Event]:
        """Return events with a number above ``after``."""
        self._tx.flush()
        return events.events(self._tx, after, limit, only, until)

    def last_event(self) -> int:
        """Return the number of the newest event that there is."""
        self._tx.flush()
        return events.last_event(self._tx)

    def event_before(self, moment: datetime) -> int:
        """Return the number of the last event before a time."""
        self._tx.flush()
        return events.event_before(self._tx, moment)

    def cursors(self) -> Sequence[Cursor]:
        """Return all cursors, by name."""
        return cursors.cursors(self._tx)

    def log(self, job_id: int, fence: int, stream: str, offset: int, limit: int) -> LogPart:
        """Return a piece of a stream of an attempt."""
        return logs.log(self._tx, job_id, fence, stream, offset, limit)

    def artifacts(self, job_id: int, page: Page) -> Sequence[Artifact]:
        """Return the files of a job by name."""
        return artifacts.artifacts(self._tx, job_id, page)

    def artifact(self, job_id: int, name: str) -> Artifact:
        """Return the file of a name."""
        return artifacts.artifact(self._tx, job_id, name)

    def artifact_bytes(self, upload_id: int, offset: int, limit: int) -> bytes:
        """Return a piece of a file."""
        return artifacts.artifact_bytes(self._tx, upload_id, offset, limit)
