"""What can be read from the storage in memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from math import inf
from typing import TypeVar

from whatsnext_core.errors import NotFoundError
from whatsnext_core.memory import artifacts, looks
from whatsnext_core.memory.cursors import last_event
from whatsnext_core.memory.logs import read_log
from whatsnext_core.memory.state import State
from whatsnext_core.memory.tables import Row, Stage
from whatsnext_core.model import (
    Artifact,
    Attempt,
    Client,
    Cursor,
    Event,
    Job,
    JobStatus,
    Project,
    ProjectStatus,
    Requirement,
    Task,
)
from whatsnext_core.model.limits import shorten
from whatsnext_core.scheduling import longest
from whatsnext_core.storage import (
    EVERY_EVENT,
    Demand,
    EventFilter,
    Holding,
    JobOrder,
    JobQuery,
    LogPart,
    Page,
    Parent,
    PastRun,
    Place,
)

T = TypeVar("T")


class MemoryReader:
    """A view of the state; the lock around it keeps it consistent."""

    def __init__(self, state: State) -> None:
        self._state = state

    def project(self, project_id: int) -> Project:
        """Return the project."""
        return self._state.project(project_id)

    def project_named(self, name: str) -> Project:
        """Return the project of that name."""
        found = self._state.projects.by_name.get(name)
        if found is None:
            raise NotFoundError(f"Project with name {shorten(name)} not found.")
        return self._state.projects[found]

    def projects(self, page: Page, status: ProjectStatus | None = None) -> Sequence[Project]:
        """Return projects by id ascending."""
        found = map(self._state.projects.__getitem__, self._state.projects.ids.keys)
        return _cut((project for project in found if status is None or project.status is status), page)

    def task(self, task_id: int) -> Task:
        """Return the task."""
        return self._state.task(task_id)

    def task_named(self, project_id: int, name: str) -> Task:
        """Return the task of that name in the project."""
        found = self._state.tasks.by_name.get((project_id, name))
        if found is None or project_id not in self._state.projects:
            raise NotFoundError(f"Task with name {shorten(name)} not found in project {project_id}.")
        return self._state.tasks[found]

    def tasks(self, page: Page, project_id: int | None = None) -> Sequence[Task]:
        """Return tasks by id ascending."""
        tasks = self._state.tasks
        ids = tasks.ids.keys if project_id is None else tasks.of_project.keys(project_id)
        found = map(tasks.__getitem__, ids)
        return _cut((task for task in found if task.project_id in self._state.projects), page)

    def job(self, job_id: int) -> Job:
        """Return the job."""
        return self._state.view(self._state.row(job_id))

    def jobs(self, query: JobQuery) -> Sequence[Job]:
        """Return the jobs that the query describes."""
        rows = self._rows(query)
        if query.order is JobOrder.QUEUE:
            rows = iter(sorted(rows, key=_queue_key))
        return [self._state.view(row) for row in _cut(rows, query.page)]

    def _rows(self, query: JobQuery) -> Iterator[Row]:
        jobs, tasks = self._state.jobs, self._state.tasks
        ids = jobs.ids.keys if query.project_id is None else jobs.of_project.keys(query.project_id)
        first = 0 if query.after_id is None else bisect_right(ids, query.after_id)
        last = len(ids) if query.before_id is None else bisect_left(ids, query.before_id)
        places = range(first, last)
        behind = (-query.behind[0], query.behind[1]) if query.behind else None
        for place in reversed(places) if query.order is JobOrder.NEWEST else places:
            row = jobs[ids[place]]
            job = row.job
            if (
                self._state.is_visible(row)
                and (not query.statuses or job.status in query.statuses)
                and (query.task_id is None or job.task_id == query.task_id)
                and (query.task_name is None or tasks[job.task_id].name == query.task_name)
                and (query.name is None or job.name == query.name)
                and (behind is None or _queue_key(row) > behind)
            ):
                yield row

    def dependencies(self, job_id: int) -> Mapping[int, tuple[str, JobStatus | None]]:
        """Return name and status of each job before this one."""
        job = self._state.row(job_id).job
        parents = {parent: self._state.jobs.get(parent) for parent in sorted(job.depends)}
        return {parent: (job.depends[parent], row.job.status if row else None) for parent, row in parents.items()}

    def children(self, job_id: int, page: Page) -> Sequence[int]:
        """Return the ids of the jobs that depend directly on this one."""
        self._state.row(job_id)
        found = self._state.edges.children.keys(job_id)
        return _cut((child for child in found if self._state.is_visible(self._state.jobs[child])), page)

    def unmet(self, job_id: int, limit: int) -> Sequence[Parent]:
        """Return the jobs before this one whose edges to it are not met."""
        return looks.unmet(self._state, job_id, limit)

    def place(self, job_id: int, limit: int) -> Place | None:
        """Return where a ready job stands."""
        return looks.place(self._state, job_id, limit)

    def past_runs(self, project_id: int, task_ids: Collection[int], limit: int) -> Sequence[PastRun]:
        """Return how long the newest completed jobs of these tasks ran."""
        return looks.past_runs(self._state, project_id, task_ids, limit)

    def counts(self, project_id: int) -> Mapping[JobStatus, int]:
        """Return how many jobs of the project there are in each status."""
        state = self._state
        state.project(project_id)
        found = {status: state.jobs.counts[project_id, status] for status in JobStatus}
        for number in state.submissions:
            submission = state.submissions[number]
            if submission.project_id == project_id and submission.stage is Stage.PUBLISHED:
                found[JobStatus.PENDING] += len(state.jobs.of_submission.keys(number))
        return found

    def pending(self) -> int:
        """Return how many jobs of all projects are PENDING."""
        return sum(self.counts(number)[JobStatus.PENDING] for number in self._state.projects.ids.keys)

    def demand(self, depth: int) -> Sequence[Demand]:
        """Return what the jobs that could start now need."""
        state, found = self._state, Counter[tuple[int, str, float]]()
        requirements: dict[str, Requirement] = {}
        for (project_id, key), line in state.ready.lines.items():
            project = state.projects.get(project_id)
            if project is None or project.status is not ProjectStatus.ACTIVE:
                continue
            for _, negative in line.keys[: -depth - 1 : -1]:
                job = state.jobs[-negative].job
                limit = longest(job.timeout, state.tasks[job.task_id])
                found[project_id, key, inf if limit is None else limit] += 1
                requirements[key] = state.ready[-negative].requirement
        return [
            Demand(
                project_id=project_id,
                requirement=requirements[key],
                longest=None if limit == inf else limit,
                jobs=found[project_id, key, limit],
            )
            for project_id, key, limit in sorted(found)
        ]

    def attempts(self, job_id: int) -> Sequence[Attempt]:
        """Return the attempts of a job, oldest first."""
        newest = self._state.row(job_id).job.attempt
        return [self._state.attempts[job_id, fence] for fence in range(1, newest + 1)]

    def live_attempts(self, client_id: str) -> Sequence[Attempt]:
        """Return the attempts that the client holds now, by job id."""
        held = self._state.attempts.live.keys(client_id)
        return [self._state.attempts[key] for key in held if self._state.seen(key[0])]

    def holdings(self, client_ids: Collection[str], limit: int) -> Sequence[Holding]:
        """Return the attempts that these clients hold now, by job id."""
        return looks.holdings(self._state, client_ids, limit)

    def reservations(self) -> Mapping[str, tuple[int, datetime]]:
        """Return the job that each client drains for, and since when that counts."""
        found = ((client_id, self._state.reservations[client_id]) for client_id in self._state.reservations)
        return {client_id: (reservation.job_id, reservation.at) for client_id, reservation in found}

    def client(self, client_id: str) -> Client:
        """Return the client."""
        return self._state.client(client_id)

    def clients(self, page: Page, *, active_only: bool) -> Sequence[Client]:
        """Return clients by id ascending."""
        found = map(self._state.clients.__getitem__, sorted(self._state.clients))
        return _cut((client for client in found if client.is_active or not active_only), page)

    def events(
        self, after: int, limit: int, only: EventFilter = EVERY_EVENT, *, until: int | None = None
    ) -> Sequence[Event]:
        """Return events with a number above ``after``."""
        events = self._state.events
        if only.job_ids:
            ids = sorted(number for job_id in only.job_ids for number in events.of_job.keys(job_id))
        else:
            ids = events.ids.keys if only.project_id is None else events.of_project.keys(only.project_id)
        last = len(ids) if until is None else bisect_right(ids, until)
        found = (events[ids[place]] for place in range(bisect_right(ids, after), last))
        seen = (event for event in found if event.project_id in self._state.projects and only.matches(event))
        return list(islice(seen, limit))

    def last_event(self) -> int:
        """Return the number of the last event that was written."""
        return last_event(self._state)

    def event_before(self, moment: datetime) -> int:
        """Return the number of the last event before a time."""
        ids = self._state.events.ids.keys
        place = bisect_left(ids, moment, key=lambda number: self._state.events[number].at)
        return ids[place - 1] if place else 0

    def cursors(self) -> Sequence[Cursor]:
        """Return all cursors, by name."""
        return [self._state.cursors[name] for name in sorted(self._state.cursors)]

    def log(self, job_id: int, fence: int, stream: str, offset: int, limit: int) -> LogPart:
        """Return a piece of a stream of an attempt."""
        return read_log(self._state, job_id, fence, stream, offset, limit)

    def artifacts(self, job_id: int, page: Page) -> Sequence[Artifact]:
        """Return the files of a job by name."""
        return _cut(artifacts.artifacts(self._state, job_id), page)

    def artifact(self, job_id: int, name: str) -> Artifact:
        """Return the file of a name."""
        return artifacts.artifact(self._state, job_id, name)

    def artifact_bytes(self, upload_id: int, offset: int, limit: int) -> bytes:
        """Return a piece of a file."""
        return artifacts.artifact_bytes(self._state, upload_id, offset, limit)


def _queue_key(row: Row) -> tuple[int, int]:
    return -row.job.priority, row.job.id


def _cut(items: Iterable[T], page: Page) -> list[T]:
    return list(islice(islice(items, page.skip, None), page.limit))
