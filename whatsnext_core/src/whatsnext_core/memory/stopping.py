"""Failed jobs in memory that take their siblings with them, in small steps."""

from __future__ import annotations

from datetime import datetime

from whatsnext_core.dependencies import siblings
from whatsnext_core.memory.graph import spread
from whatsnext_core.memory.jobs import cancel_one
from whatsnext_core.memory.state import State
from whatsnext_core.memory.submitting import admit
from whatsnext_core.memory.tables import Halt
from whatsnext_core.model import JobStatus

AT_ONCE = 500
"""Steps in the transaction in which a job fails; ``settle`` takes the others."""


def stop_siblings(state: State, now: datetime, limit: int) -> None:
    """Take up to ``limit`` steps: find the siblings of a failed job, or cancel one of them."""
    for _ in range(limit):
        if not len(state.halts):
            return
        _go_on(state, min(state.halts), now)


def _go_on(state: State, job_id: int, now: datetime) -> None:
    """Take the next step for one job. Children of its siblings are told when all of these are cancelled."""
    row, left = state.seen(job_id), state.halts[job_id].left
    if row is None or row.job.status is not JobStatus.FAILED or left == ():
        state.halts.drop(job_id)
        spread(state, now)
        return
    if left is None:
        children = map(state.jobs.__getitem__, state.edges.children.keys(job_id))
        parents = {child.job.id: child.job.depends for child in children if child.job.status.is_waiting}
        state.halts.put(job_id, Halt(tuple(sorted(siblings(job_id, parents)))))
        return
    sibling = state.seen(left[0])
    if sibling is not None and not sibling.job.status.is_final:
        cancel_one(state, admit(state, sibling, now), now)
    state.halts.put(job_id, Halt(left[1:]))
