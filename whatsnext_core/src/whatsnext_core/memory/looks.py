"""What the storage in memory tells of the reasons why a job stands where it stands."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from whatsnext_core.dependencies import Fate
from whatsnext_core.memory.state import State
from whatsnext_core.memory.tables import Ready
from whatsnext_core.model import JobStatus, ProjectStatus, Requirement
from whatsnext_core.storage import Ahead, Holding, Parent, PastRun, Place


def unmet(state: State, job_id: int, limit: int) -> Sequence[Parent]:
    """Return the jobs before this one whose edges to it are not met."""
    job = state.row(job_id).job
    open_edges = [parent for parent in job.depends if state.edges[job_id, parent].fate is not Fate.MET]
    open_edges.sort(key=lambda parent: (state.edges[job_id, parent].fate is not Fate.IMPOSSIBLE, parent))
    return [_parent(state, job_id, parent) for parent in open_edges[:limit]]


def _parent(state: State, child_id: int, parent_id: int) -> Parent:
    child, row = state.jobs[child_id].job, state.jobs.get(parent_id)
    name, condition = child.depends[parent_id], child.conditions[parent_id]
    if row is None:
        return Parent(id=parent_id, name=name, condition=condition)
    job = row.job
    return Parent(
        id=parent_id,
        name=name,
        condition=condition,
        status=job.status,
        task_id=job.task_id,
        client_id=job.client_id,
        started_at=job.started_at,
        not_before=job.not_before,
        cause=job.cause,
        exit_code=job.exit_code,
        message=job.message,
    )


def place(state: State, job_id: int, limit: int) -> Place | None:
    """Return where a ready job stands among all ready ones of active projects."""
    state.row(job_id)
    own = state.ready.get(job_id)
    if own is None or not _is_open(state, own.project_id):
        return None
    counted = list(islice(_before(state, own), limit + 1))
    numbers = Counter[tuple[int, int, str]]()
    needs: dict[str, Requirement] = {}
    for ready in counted[:limit]:
        numbers[ready.project_id, state.jobs[ready.job.job_id].job.task_id, ready.key] += 1
        needs[ready.key] = ready.requirement
    ahead = tuple(
        Ahead(project_id=project_id, task_id=task_id, requirement=needs[key], number=number)
        for (project_id, task_id, key), number in sorted(numbers.items())
    )
    return Place(since=own.job.since, ahead=ahead, more=len(counted) > limit)


def _before(state: State, own: Ready) -> Iterator[Ready]:
    """Come to each ready job before this one, line by line."""
    key = (own.job.priority, -own.job.job_id)
    for (project_id, _), line in state.ready.lines.items():
        if _is_open(state, project_id):
            for place in range(bisect_right(line.keys, key), len(line.keys)):
                yield state.ready[-line.keys[place][1]]


def _is_open(state: State, project_id: int) -> bool:
    project = state.projects.get(project_id)
    return project is not None and project.status is ProjectStatus.ACTIVE


def past_runs(state: State, project_id: int, task_ids: Collection[int], limit: int) -> Sequence[PastRun]:
    """Return how long the newest completed jobs of these tasks ran."""
    if project_id not in state.projects:
        return []
    jobs = (state.jobs[job_id].job for job_id in reversed(state.jobs.of_project.keys(project_id)))
    newest = islice((job for job in jobs if job.status is JobStatus.COMPLETED), limit)
    return [
        PastRun(job_id=job.id, task_id=job.task_id, seconds=(job.finished_at - job.started_at).total_seconds())
        for job in newest
        if job.task_id in task_ids and job.started_at is not None and job.finished_at is not None
    ]


def holdings(state: State, client_ids: Collection[str], limit: int) -> Sequence[Holding]:
    """Return the attempts that these clients hold now."""
    keys = sorted(key for client_id in set(client_ids) for key in state.attempts.live.keys(client_id))
    return [_holding(state, *key) for key in keys if state.seen(key[0])][:limit]


def _holding(state: State, job_id: int, fence: int) -> Holding:
    job, attempt = state.jobs[job_id].job, state.attempts[job_id, fence]
    return Holding(
        client_id=attempt.client_id or "",
        job_id=job_id,
        name=job.name,
        project_id=job.project_id,
        task_id=job.task_id,
        status=attempt.status,
        allocation=attempt.allocation,
        claimed_at=attempt.claimed_at,
        started_at=attempt.started_at,
    )
