"""What people do with jobs in memory: change, cancel, retry, delete."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
from attrs import evolve

from whatsnext_core.dependencies import Counts, Fate, check_new_edges, weigh
from whatsnext_core.errors import ConflictError, IllegalTransitionError, InvalidError
from whatsnext_core.memory.attempts import end_by_report, give, give_back, newest, run
from whatsnext_core.memory.graph import connect, erase, move, recount, spread
from whatsnext_core.memory.state import State, plain
from whatsnext_core.memory.submitting import admit, check_parents, check_task
from whatsnext_core.memory.tables import Row
from whatsnext_core.model import (
    Allocation,
    AttemptEnd,
    AttemptStatus,
    Cause,
    Condition,
    EventKind,
    Job,
    JobChanges,
    JobStatus,
    ProjectStatus,
    event_data,
)
from whatsnext_core.model.limits import shorten
from whatsnext_core.references import check_references, refers
from whatsnext_core.states import (
    CANCELLED_BY_HAND,
    GIVEN_BACK,
    after_retry,
    check_request,
    needed,
)

_NEEDS_WAITING = frozenset({"project_id", "task_id", "parameters", "depends"})


def _touch(state: State, job_id: int, now: datetime) -> Row:
    return admit(state, state.row(job_id), now)


def update_job(state: State, job_id: int, changes: JobChanges, now: datetime) -> Job:
    """Change a job: its status by the table of transitions, anything else as far as its status allows."""
    row = _touch(state, job_id, now)
    fields = _real_changes(row.job, changes)
    status: JobStatus | None = fields.pop("status", None)
    if status is not None:
        check_request(job_id, row.job.status, status)
    fields_first = row.job.status.is_waiting
    if fields and fields_first:
        row = _edit(state, row, fields, now)
    if status is not None:
        row = _request(state, row, status, now)
    if fields and not fields_first:
        row = _edit(state, row, fields, now)
    spread(state, now)
    return state.view(state.jobs[job_id])


def _real_changes(job: Job, changes: JobChanges) -> dict[str, Any]:
    found = {attribute.name: getattr(changes, attribute.name) for attribute in attrs.fields(JobChanges)}
    return {name: value for name, value in found.items() if value is not None and not _is_now(job, name, value)}


def _is_now(job: Job, name: str, value: Any) -> bool:
    if name == "parameters":  # 1, 1.0 and true are not the same to a job, nor is another order of the keys
        return json.dumps(value) == json.dumps(job.parameters)
    return bool(value == (job.conditions if name == "depends" else getattr(job, name)))


def _edit(state: State, row: Row, fields: dict[str, Any], now: datetime) -> Row:
    job = row.job
    fixed = sorted(_NEEDS_WAITING & fields.keys())
    if fixed and not job.status.is_waiting:
        raise ConflictError(
            f"Job {job.id} is {job.status}, so its {' and '.join(fixed)} can't change any more; "
            f"only a job that waits can be changed like that."
        )
    target = job.project_id
    if "project_id" in fields:
        target = _check_move(state, row, fields)
    if "task_id" in fields:
        check_task(state, state.project(target), fields["task_id"], f"Job {shorten(job.name)}")
    new = dict(fields)
    if "parameters" in fields:
        new["parameters"] = plain(fields["parameters"])
    counts = row.counts
    if "depends" in fields:
        depends = new.pop("depends")
        counts = _rewire(state, job, depends)
        new["conditions"] = dict(depends)
        new["depends"] = {parent: job.depends.get(parent) or state.jobs[parent].job.name for parent in depends}
    if ("parameters" in new or "depends" in new) and refers(new.get("parameters", job.parameters)):
        check_references(
            new.get("parameters", job.parameters), new.get("depends", job.depends), f"job {shorten(job.name)}"
        )
    row = evolve(row, job=evolve(job, updated_at=now, **new))
    state.jobs.put(job.id, row)
    state.tell(row.job, EventKind.UPDATED, now, {"fields": sorted(fields)})
    return recount(state, row, counts, now)


def _check_move(state: State, row: Row, fields: Mapping[str, Any]) -> int:
    project, job = state.project(fields["project_id"]), row.job
    if project.status is ProjectStatus.ARCHIVED:
        raise ConflictError(f"Project {shorten(project.name)} is archived and takes no jobs; make it ACTIVE first.")
    if fields.get("depends", job.conditions) or state.edges.children.keys(job.id):
        raise ConflictError(
            f"Job {job.id} has dependencies or jobs that depend on it, so it can't move to another project; "
            f"remove these first."
        )
    if "task_id" not in fields:
        raise InvalidError(f"Job {job.id} can move to project {project.id} only with a 'task_id' of that project.")
    return project.id


def _rewire(state: State, job: Job, depends: Mapping[int, Condition]) -> Counts:
    kept = {parent for parent, condition in depends.items() if job.conditions.get(parent) is condition}
    new = [parent for parent in depends if parent not in kept]
    check_new_edges(job.id, new, lambda jobs: _parents(state, jobs))
    check_parents(state, job.project_id, new, f"Job {shorten(job.name)}")
    for parent in job.depends:
        if parent not in kept:
            state.edges.drop((job.id, parent))
    counts = Counts()
    for parent, condition in depends.items():
        if parent in kept:
            counts += weigh(Fate.MET, state.edges[job.id, parent].fate)
        else:
            counts += connect(state, job.id, parent, condition)
    return counts


def _parents(state: State, jobs: Collection[int]) -> dict[int, Collection[int]]:
    rows = {job: state.jobs.get(job) for job in jobs}
    return {job: row.job.depends for job, row in rows.items() if row is not None}


def _request(state: State, row: Row, status: JobStatus, now: datetime) -> Row:
    job = row.job
    check_request(job.id, job.status, status)
    match status:
        case JobStatus.QUEUED:
            return _take(state, row, now)
        case JobStatus.RUNNING:
            run(state, row, newest(state, row), now)
        case JobStatus.COMPLETED | JobStatus.FAILED:
            succeeded = status is JobStatus.COMPLETED
            cause = None if succeeded else Cause.EXIT
            end = AttemptEnd(job_id=job.id, fence=job.attempt, succeeded=succeeded, cause=cause)
            end_by_report(state, row, newest(state, row), end, now)
        case JobStatus.CANCELLED:
            cancel_one(state, row, now)
        case _ if job.status.is_live:
            give_back(state, row, newest(state, row), GIVEN_BACK, now)
        case _:
            _retry(state, row, now)
    return state.jobs[job.id]


def _take(state: State, row: Row, now: datetime) -> Row:
    job = row.job
    archived = state.project(job.project_id).status is ProjectStatus.ARCHIVED
    if job.id not in state.ready or archived:
        reasons = {
            "its project is archived": archived,
            f"it waits for {row.counts.unmet} dependencies": row.counts.unmet,
            f"it waits until {job.not_before} for a retry": job.not_before,
        }
        found = " and ".join(reason for reason, holds in reasons.items() if holds)
        raise IllegalTransitionError(f"Job {job.id} cannot go from {job.status} to QUEUED: {found}.")
    task = state.tasks[job.task_id]
    requirement = needed(task.requirement, task.retry, job.ooms)
    give(state, row, Allocation(cpu=requirement.cpu, memory=requirement.memory), now)
    return state.jobs[job.id]


def cancel(state: State, job_ids: Sequence[int], now: datetime) -> Sequence[Job]:
    """Cancel jobs."""
    rows = [_touch(state, job_id, now) for job_id in dict.fromkeys(job_ids)]
    for row in rows:
        if row.job.status is not JobStatus.CANCELLED:
            check_request(row.job.id, row.job.status, JobStatus.CANCELLED)
    for row in rows:
        if row.job.status is not JobStatus.CANCELLED:
            cancel_one(state, row, now)
    spread(state, now)
    return [state.view(state.jobs[job_id]) for job_id in job_ids]


def cancel_one(state: State, row: Row, now: datetime) -> None:
    """Cancel a job that may be cancelled: at once, or by asking its client to."""
    job = row.job
    attempt = newest(state, row) if job.status.is_live else None
    if attempt is not None and attempt.expires_at is not None:
        if not job.cancel_requested:
            row = evolve(row, job=evolve(job, cancel_requested=True, updated_at=now))
            state.jobs.put(job.id, row)
            data = event_data(fence=attempt.fence, client=attempt.client_id)
            state.tell(job, EventKind.CANCEL_REQUESTED, now, data)
        return
    details: dict[str, Any] = {"cause": Cause.CANCELLED}
    if attempt is not None:
        details |= {"fence": attempt.fence, "client": attempt.client_id}
        attempt = evolve(
            attempt,
            status=AttemptStatus.CANCELLED,
            finished_at=now,
            cause=Cause.CANCELLED,
            message=CANCELLED_BY_HAND,
        )
        state.attempts.put((job.id, attempt.fence), attempt)
    move(
        state,
        row,
        EventKind.CANCELLED,
        now,
        details,
        status=JobStatus.CANCELLED,
        cause=Cause.CANCELLED,
        message=CANCELLED_BY_HAND,
        not_before=None,
        finished_at=now,
    )


def retry(state: State, job_ids: Sequence[int], now: datetime) -> Sequence[Job]:
    """Bring FAILED and CANCELLED jobs back."""
    rows = [_touch(state, job_id, now) for job_id in dict.fromkeys(job_ids)]
    for row in rows:
        if not row.job.status.is_final:
            raise IllegalTransitionError(
                f"Job {row.job.id} cannot be retried: it is {row.job.status}; only FAILED and CANCELLED jobs can."
            )
        check_request(row.job.id, row.job.status, JobStatus.PENDING)
    for row in rows:
        _retry(state, row, now)
    spread(state, now)
    return [state.view(state.jobs[job_id]) for job_id in job_ids]


def _retry(state: State, row: Row, now: datetime) -> None:
    move(
        state,
        row,
        EventKind.RETRIED,
        now,
        {},
        status=after_retry(row.counts.impossible),
        failures=0,
        losses=0,
        ooms=0,
        cause=None,
        message="",
        exit_code=None,
        started_at=None,
        finished_at=None,
        result=None,
    )


def delete_jobs(state: State, job_ids: Sequence[int], now: datetime) -> int:
    """Delete jobs and return how many there were."""
    seen = [row for row in map(state.seen, dict.fromkeys(job_ids)) if row is not None]
    rows = [admit(state, row, now) for row in seen]
    for row in rows:
        state.tell(row.job, EventKind.DELETED, now, event_data(row.job.status))
        erase(state, row, tell_children=True)
    spread(state, now)
    return len(rows)


def clear_queue(state: State, project_id: int, now: datetime, limit: int) -> int:
    """Delete up to ``limit`` PENDING jobs of a project, newest first, and return how many."""
    state.project(project_id)
    found: list[int] = []
    for job_id in reversed(state.jobs.of_project.keys(project_id)):
        if len(found) == limit:
            break
        row = state.seen(job_id)
        if row is not None and row.job.status is JobStatus.PENDING:
            found.append(job_id)
    return delete_jobs(state, found, now)
