"""Jobs among each other: a change of one, its place in the queue, and what it means for those that wait for it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import evolve

from whatsnext_core.dependencies import Counts, Fate, fate, fate_after_deletion, matters, weigh
from whatsnext_core.memory.artifacts import give_up_all
from whatsnext_core.memory.state import State
from whatsnext_core.memory.tables import Edge, Ready, Row
from whatsnext_core.model import Condition, EventKind, JobStatus, event_data
from whatsnext_core.scheduling import ReadyJob
from whatsnext_core.states import needed

AT_ONCE = 1_000
"""Children that are told of a change in the transaction that makes it; ``settle`` tells the others."""


def move(state: State, row: Row, kind: EventKind, now: datetime, details: Mapping[str, Any], **changes: Any) -> Row:
    """Change a job and its status, tell of it, put it into or out of its line, and note that its children must know.

    ``details`` are what ``event_data`` takes beside the old and new status.
    """
    old = row.job.status
    row = evolve(row, job=evolve(row.job, updated_at=now, **changes))
    new = row.job.status
    state.jobs.put(row.job.id, row)
    state.tell(row.job, kind, now, event_data(old, new, **details))
    if matters(old, new):
        note_change(state, row.job.id)
    place(state, row, now)
    return row


def place(state: State, row: Row, now: datetime) -> None:
    """Put a job into its line if it is ready, and out of it otherwise."""
    job = row.job
    waits = job.status is JobStatus.PENDING and row.counts.is_ready and job.not_before is None
    if not waits or row.submission is not None:
        state.ready.drop(job.id)
        return
    task, known = state.tasks[job.task_id], state.ready.get(job.id)
    requirement = needed(task.requirement, task.retry, job.ooms)
    ready = Ready(
        project_id=job.project_id,
        requirement=requirement,
        key=requirement.key,
        job=ReadyJob(job_id=job.id, priority=job.priority, since=known.job.since if known else now),
    )
    if ready != known:
        state.ready.put(job.id, ready)


def recount(state: State, row: Row, counts: Counts, now: datetime) -> Row:
    """Give a job new counts, and if it waits, the status and place that follow from them."""
    row = evolve(row, counts=counts)
    state.jobs.put(row.job.id, row)
    status = counts.status
    if row.submission is None and row.job.status.is_waiting and row.job.status is not status:
        kind = EventKind.BLOCKED if status is JobStatus.BLOCKED else EventKind.UNBLOCKED
        return move(state, row, kind, now, {}, status=status)
    place(state, row, now)
    return row


def connect(state: State, child: int, parent: int, condition: Condition, *, new_parent: bool = False) -> Counts:
    """Make an edge and return what it adds to the child's counts; a parent of the same batch counts as PENDING."""
    status = JobStatus.PENDING if new_parent else state.jobs[parent].job.status
    found = fate(condition, status)
    state.edges.put((child, parent), Edge(condition, found))
    return weigh(Fate.MET, found)


def note_change(state: State, parent: int) -> None:
    """Note that the children of a job must be told what it is now."""
    if state.edges.children.keys(parent):
        state.ripples.put(parent, 0)


def spread(state: State, now: datetime, limit: int = AT_ONCE) -> int:
    """Tell up to ``limit`` children what became of their parents and return how many were told."""
    told = 0
    while told < limit and len(state.ripples):
        parent = next(iter(state.ripples))
        children = state.edges.children.keys(parent)
        first = bisect_right(children, state.ripples[parent])
        part = children[first : first + limit - told]
        for child in part:
            _tell(state, parent, child, now)
        told += len(part)
        if first + len(part) < len(children):
            state.ripples.put(parent, part[-1])
        else:
            state.ripples.drop(parent)
            state.departed.drop(parent)
    return told


def _tell(state: State, parent: int, child: int, now: datetime) -> None:
    edge, row, above = state.edges[child, parent], state.jobs[child], state.jobs.get(parent)
    if above is not None:
        found = fate(edge.condition, above.job.status)
    else:
        found = fate_after_deletion(edge.condition, state.departed[parent])
    if found is not edge.fate:
        state.edges.put((child, parent), evolve(edge, fate=found))
        recount(state, row, row.counts + weigh(edge.fate, found), now)


def erase(state: State, row: Row, *, tell_children: bool) -> None:
    """Remove a job with its edges to parents, its attempts, logs and files; its children learn of it by ``spread``."""
    job = row.job
    state.ready.drop(job.id)
    for parent in job.depends:
        state.edges.drop((job.id, parent))
    for fence in range(1, job.attempt + 1):
        state.attempts.drop((job.id, fence))
        state.logs.drop((job.id, fence))
    give_up_all(state, job.id)
    state.jobs.drop(job.id)
    state.ripples.drop(job.id)
    if tell_children and state.edges.children.keys(job.id):
        state.departed.put(job.id, job.status)
        state.ripples.put(job.id, 0)
