"""Gathers what decides about a job: bounded looks at one moment, however long the queue is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from whatsnext_core.converters import to_json
from whatsnext_core.errors import NotFoundError
from whatsnext_core.explaining import Facts, Wishes, explain, follow, survey
from whatsnext_core.model import Client, Job, JobStatus, ProjectStatus
from whatsnext_core.scheduling import longest
from whatsnext_core.states import needed
from whatsnext_core.storage import Holding, Page, Parent, PastRun, Place, Reader
from whatsnext_server.config import ServerSettings

COUNTED: Final = 10_000
"""Jobs before a job that are counted."""
PARENTS: Final = 100
"""Jobs that a job waits for of which the statuses are told."""
FOLLOWED: Final = 3
"""Those of them that are told of one by one, each with what it waits for."""
CLIENTS: Final = 1_000
"""Clients that are looked at, and as many active ones beside them."""
CROWDED: Final = 64
"""Clients that would fit of which it is told what they run."""
HELD: Final = 2_000
"""Live attempts on them."""
RUNS: Final = 1_000
"""Completed jobs of a project among which past runs are looked for."""
PROJECTS: Final = 4
"""Projects in which they are looked for."""
TASKS: Final = 8
"""Other tasks whose names are looked up."""
CHILDREN: Final = 10
"""Jobs behind a job that are counted."""


def gather(reader: Reader, job_id: int, now: datetime, settings: ServerSettings, wishes: Wishes) -> Facts:
    """Return what decides about a job, as it is at one moment; NotFoundError if there is none of this id."""
    job = reader.job(job_id)
    task, project = reader.task(job.task_id), reader.project(job.project_id)
    silent_after = timedelta(seconds=settings.lease_seconds)
    ended = job.status is JobStatus.COMPLETED
    parents = () if ended or job.status.is_live else tuple(reader.unmet(job_id, PARENTS + 1))
    chains = tuple(follow(parent, reader.unmet) for parent in parents[:FOLLOWED]) if job.status.is_waiting else ()
    roots = [chain.root for chain in chains]
    place: Place | None = None
    clients: tuple[Client, ...] = ()
    holdings: tuple[Holding, ...] = ()
    looked_at: frozenset[str] = frozenset()
    reservations: Mapping[str, tuple[int, datetime]] = {}
    if job.status is JobStatus.PENDING:
        clients = _clients(reader)
        place = reader.place(job_id, COUNTED)
        if place is not None and project.status is ProjectStatus.ACTIVE:
            requirement = needed(task.requirement, task.retry, job.ooms)
            fleet = survey(
                clients,
                requirement,
                project.id,
                now=now,
                silent_after=silent_after,
                wishes=wishes,
                seconds=longest(job.timeout, task),
            )
            crowded = [seat.client.id for seat in fleet.candidates[:CROWDED]]
            holdings = tuple(reader.holdings(crowded, HELD + 1))
            looked_at = frozenset(crowded) if len(holdings) <= HELD else frozenset()
            reservations = reader.reservations()
    live = job.status.is_live
    children = [] if not job.status.is_final or ended else list(reader.children(job_id, Page(limit=CHILDREN + 1)))
    tasks = _tasks(job, place, holdings, roots)
    return Facts(
        now=now,
        job=job,
        task=task,
        project=project,
        unmet=parents[:PARENTS],
        unmet_is_all=len(parents) <= PARENTS,
        chains=chains,
        place=place,
        clients=clients,
        silent_after=silent_after,
        wishes=wishes,
        holdings=holdings[:HELD],
        looked_at=looked_at,
        reservations=reservations,
        reserve_after=timedelta(seconds=settings.reserve_after_seconds),
        runs=_runs(reader, tasks),
        task_names=_names(reader, job, tasks),
        attempt=reader.attempts(job_id)[-1] if live else None,
        holder=_holder(reader, job) if live else None,
        children=min(len(children), CHILDREN),
        children_are_all=len(children) <= CHILDREN,
    )


def why(reader: Reader, job_id: int, now: datetime, settings: ServerSettings, wishes: Wishes) -> Any:
    """Return why a job stands where it stands, as JSON."""
    return to_json(explain(gather(reader, job_id, now, settings, wishes)))


def _clients(reader: Reader) -> tuple[Client, ...]:
    """Return all clients, or the first active ones and some others if they are very many."""
    page = Page(limit=CLIENTS)
    found = {client.id: client for client in reader.clients(page, active_only=False)}
    if len(found) == CLIENTS:
        found |= {client.id: client for client in reader.clients(page, active_only=True)}
    return tuple(found.values())


def _holder(reader: Reader, job: Job) -> Client | None:
    try:
        return reader.client(job.client_id) if job.client_id is not None else None
    except NotFoundError:
        return None


def _tasks(
    job: Job, place: Place | None, holdings: Collection[Holding], roots: Collection[Parent]
) -> Mapping[int, set[int]]:
    """Return the tasks whose past runs matter to a job that waits or runs, by project, its own first."""
    tasks: defaultdict[int, set[int]] = defaultdict(set)
    if job.status in {JobStatus.PENDING, JobStatus.RUNNING}:
        tasks[job.project_id].add(job.task_id)
        tasks[job.project_id].update(root.task_id for root in roots if root.task_id is not None)
        for group in place.ahead if place else ():
            tasks[group.project_id].add(group.task_id)
        for holding in holdings:
            tasks[holding.project_id].add(holding.task_id)
    return tasks


def _runs(reader: Reader, tasks: Mapping[int, set[int]]) -> tuple[PastRun, ...]:
    return tuple(
        run for project_id in list(tasks)[:PROJECTS] for run in reader.past_runs(project_id, tasks[project_id], RUNS)
    )


def _names(reader: Reader, job: Job, tasks: Mapping[int, set[int]]) -> Mapping[int, str]:
    others = sorted({task_id for ids in tasks.values() for task_id in ids} - {job.task_id})
    return {job.task_id: job.task_name, **{task_id: reader.task(task_id).name for task_id in others[:TASKS]}}


__all__ = ["gather", "why"]
