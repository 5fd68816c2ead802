"""Changes of single jobs by hand: their fields, their dependencies, and their status."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from datetime import datetime
from typing import Any

import attrs
from sqlalchemy import bindparam, select

from whatsnext_core.dependencies import Counts, Fate, check_new_edges, fate, weigh
from whatsnext_core.errors import ConflictError, IllegalTransitionError, InvalidError
from whatsnext_core.model import (
    Allocation,
    AttemptEnd,
    Cause,
    Condition,
    EventKind,
    Job,
    JobChanges,
    JobStatus,
    Project,
    ProjectStatus,
)
from whatsnext_core.model.limits import shorten
from whatsnext_core.references import check_references, refers
from whatsnext_core.states import GIVEN_BACK, check_request, needed
from whatsnext_storage_sql.attempts.attempts import Holds
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.controlling import cancel_one, retry_one, touch
from whatsnext_storage_sql.jobs.graph import FATES, lock_whole_graph, recount, spread
from whatsnext_storage_sql.jobs.jobs import job, jobs_by_id
from whatsnext_storage_sql.jobs.jobstate import JobState
from whatsnext_storage_sql.jobs.ledger import Ledger
from whatsnext_storage_sql.jobs.submitting import EDGE_COLUMNS, check_parents, check_tasks
from whatsnext_storage_sql.models.types import write_json
from whatsnext_storage_sql.projects.projects import lock_active_project, project
from whatsnext_storage_sql.projects.tasks import lock_tasks
from whatsnext_storage_sql.tables import EDGE

_NEEDS_WAITING = frozenset({"project_id", "task_id", "parameters", "depends"})
_IN_STATE = frozenset({"project_id", "task_id", "priority"})
_PARENTS = Query(select(EDGE.c.child_id, EDGE.c.parent_id).where(among(EDGE.c.child_id, "ids")))
_FATES = Query(select(EDGE.c.parent_id, EDGE.c.fate).where(EDGE.c.child_id == bindparam("id")))
_ANY_CHILD = Query(select(EDGE.c.child_id).where(EDGE.c.parent_id == bindparam("id")).limit(1))


def update_job(tx: Transaction, job_id: int, changes: JobChanges, now: datetime) -> Job:
    """Change a job: its status by the table of transitions, anything else as far as its status allows."""
    if changes.depends is not None:
        lock_whole_graph(tx)
    holds, (state,) = touch(tx, [job_id], now)
    known = jobs_by_id(tx, [job_id])[job_id]
    fields = _real_changes(known, changes)
    status: JobStatus | None = fields.pop("status", None)
    if status is not None:
        check_request(job_id, state.status, status)
    with tx.savepoint() if fields and status is not None else nullcontext():
        first = state.status.is_waiting
        if fields and first:
            state = _edit(holds.ledger, state, known, fields, now)
        if status is not None:
            state = _request(holds, state, status, now)
        if fields and not first:
            state = _edit(holds.ledger, state, known, fields, now)
        holds.flush()
        spread(holds.ledger, now)
    return job(tx, job_id)


def _real_changes(known: Job, changes: JobChanges) -> dict[str, Any]:
    found = {attribute.name: getattr(changes, attribute.name) for attribute in attrs.fields(JobChanges)}
    return {name: value for name, value in found.items() if value is not None and not _is_now(known, name, value)}


def _is_now(known: Job, name: str, value: Any) -> bool:
    if name == "parameters":  # 1, 1.0 and true are not the same to a job, nor is another order of the keys
        return write_json(dict(value)) == write_json(dict(known.parameters))
    return bool(value == (known.conditions if name == "depends" else getattr(known, name)))


def _edit(ledger: Ledger, state: JobState, known: Job, fields: Mapping[str, Any], now: datetime) -> JobState:
    """Change fields other than the status."""
    fixed = sorted(_NEEDS_WAITING & fields.keys())
    if fixed and not state.status.is_waiting:
        raise ConflictError(
            f"Job {state.id} is {state.status}, so its {' and '.join(fixed)} can't change any more; "
            f"only a job that waits can be changed like that."
        )
    tx = ledger.tx
    target = _check_move(tx, known, fields) if "project_id" in fields else None
    if "task_id" in fields:
        target = target or project(tx, state.project_id)
        check_tasks(lock_tasks(tx, [fields["task_id"]]).values(), target, [(fields["task_id"], known.name)])
    counts = state.counts
    if "depends" in fields:
        counts = _rewire(tx, known, fields["depends"], fields.get("parameters", known.parameters))
    elif "parameters" in fields:
        _check_references(fields["parameters"], known.depends, known.name)
    inside = {name: value for name, value in fields.items() if name in _IN_STATE}
    beside = {"name": fields["name"]} if "name" in fields else {}
    if "parameters" in fields:
        beside["parameters"] = write_json(dict(fields["parameters"]))
    state = ledger.put(state._replace(updated_at=now, **inside), **beside)
    ledger.tell(state, EventKind.UPDATED, now, write_json({"fields": sorted(fields)}))
    return recount(ledger, state, counts, now)


def _check_move(tx: Transaction, known: Job, fields: Mapping[str, Any]) -> Project:
    target = lock_active_project(tx, fields["project_id"])
    if fields.get("depends", known.conditions) or tx.first(_ANY_CHILD, id=known.id) is not None:
        raise ConflictError(
            f"Job {known.id} has dependencies or jobs that depend on it, so it can't move to another project; "
            f"remove these first."
        )
    if "task_id" not in fields:
        raise InvalidError(f"Job {known.id} can move to project {target.id} only with a 'task_id' of that project.")
    return target


def _check_references(parameters: Mapping[str, Any], parents: Mapping[int, str], name: str) -> None:
    if refers(parameters):
        check_references(parameters, parents, f"job {shorten(name)}")


def _rewire(tx: Transaction, known: Job, depends: Mapping[int, Condition], parameters: Mapping[str, Any]) -> Counts:
    """Replace the edges to a job's parents, but for those that stay the same, and return its new counts.

    ``parameters`` are those that it will have; they may ask for results of these parents only.
    """
    kept = {parent for parent, condition in depends.items() if known.conditions.get(parent) is condition}
    new = [parent for parent in depends if parent not in kept]
    check_new_edges(known.id, new, lambda jobs: _parents(tx, jobs))
    parents = check_parents(tx, known.project_id, ((parent, known.name) for parent in new))
    names = {parent: known.depends.get(parent) or parents[parent][1] for parent in depends}
    _check_references(parameters, names, known.name)
    fates = {row.parent_id: FATES[row.fate] for row in tx.all(_FATES, id=known.id)}
    cut = [(known.id, parent) for parent in known.depends if parent not in kept]
    tx.delete(EDGE, ("child_id", "parent_id"), cut)
    counts, edges = Counts(), []
    for parent, condition in depends.items():
        if parent in kept:
            found = fates[parent]
        else:
            found = fate(condition, parents[parent][0])
            edges.append((known.id, parent, condition.value, names[parent], found.value))
        counts += weigh(Fate.MET, found)
    tx.insert(EDGE, EDGE_COLUMNS, edges)
    return counts


def _parents(tx: Transaction, jobs: Collection[int]) -> Mapping[int, Collection[int]]:
    found: dict[int, list[int]] = {}
    for row in tx.all(_PARENTS, ids=list(jobs)):
        found.setdefault(row.child_id, []).append(row.parent_id)
    return found


def _request(holds: Holds, state: JobState, status: JobStatus, now: datetime) -> JobState:
    """Bring a job to a status that a person asked for."""
    check_request(state.id, state.status, status)
    match status:
        case JobStatus.QUEUED:
            return _take(holds, state, now)
        case JobStatus.RUNNING:
            return holds.run(state, holds.of(state.id), now)
        case JobStatus.COMPLETED | JobStatus.FAILED:
            succeeded = status is JobStatus.COMPLETED
            cause = None if succeeded else Cause.EXIT
            end = AttemptEnd(job_id=state.id, fence=state.attempt, succeeded=succeeded, cause=cause)
            return holds.end(state, holds.of(state.id), end, now)
        case JobStatus.CANCELLED:
            cancel_one(holds, state, now)
            return holds.ledger[state.id]
        case _ if state.status.is_live:
            return holds.give_back(state, holds.of(state.id), GIVEN_BACK, now)
        case _:
            return retry_one(holds.ledger, state, now)


def _take(holds: Holds, state: JobState, now: datetime) -> JobState:
    """Claim a job without client and lease."""
    archived = project(holds.ledger.tx, state.project_id).status is ProjectStatus.ARCHIVED
    if archived or not state.is_ready:
        reasons = {
            "its project is archived": archived,
            f"it waits for {state.unmet} dependencies": state.unmet,
            f"it waits until {state.not_before} for a retry": state.not_before,
        }
        found = " and ".join(reason for reason, holds_back in reasons.items() if holds_back)
        raise IllegalTransitionError(f"Job {state.id} cannot go from {state.status} to QUEUED: {found}.")
    task = holds.ledger.task(state.task_id)
    requirement = needed(task.requirement, task.retry, state.ooms)
    allocation = Allocation(cpu=requirement.cpu, memory=requirement.memory)
    return holds.begin(state, allocation, now)
