"""Housekeeping in memory, in small steps: what falls due with time, and what large operations left behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from attrs import evolve

from whatsnext_core import attendance
from whatsnext_core.memory.artifacts import clear_next
from whatsnext_core.memory.attempts import lose
from whatsnext_core.memory.graph import erase, place, spread
from whatsnext_core.memory.state import State
from whatsnext_core.memory.stopping import stop_siblings
from whatsnext_core.memory.submitting import admit
from whatsnext_core.memory.tables import Row, Stage
from whatsnext_core.states import LEASE_LAPSED
from whatsnext_core.storage import SUBMISSION_LASTS, Settled

THE_ROW: Final = ""
"""The key of the one row of attendance."""


def attend(state: State, now: datetime, gap: timedelta, grace: timedelta) -> timedelta | None:
    """Note that a server is there, and return how long none was."""
    before = state.attendance.get(THE_ROW)
    after = attendance.attend(before, now, gap=gap, grace=grace)
    state.attendance.put(THE_ROW, after)
    return attendance.absence(before, after)


def settle(state: State, now: datetime, limit: int) -> Settled:
    """Do up to ``limit`` small pieces of what is due."""
    steps = 0
    while (piece := _next_piece(state, now)) is not None:
        if steps == limit:
            return Settled(steps=steps, more=True, next_at=now)
        piece()
        steps += 1
    earliest = _earliest_lapse(state, now)
    times = [max(lapses, earliest) for lapses, *_ in state.attempts.leases.keys[:1]]
    times += [ends for ends, _ in state.jobs.back_offs.keys[:1]]
    times += [expires for expires, _ in state.uploads.due.keys[:1]]
    times += [state.submissions[number].opened_at + SUBMISSION_LASTS for number in state.submissions]
    return Settled(steps=steps, more=False, next_at=min(times, default=None))


def _earliest_lapse(state: State, now: datetime) -> datetime:
    found = state.attendance.get(THE_ROW)
    return now if found is None else found.earliest_lapse(now)


def _next_piece(state: State, now: datetime) -> Callable[[], object] | None:
    if len(state.halts):
        return partial(stop_siblings, state, now, 1)
    for lapses, job_id, fence in state.attempts.leases.keys[:1]:
        if lapses <= now and _earliest_lapse(state, now) <= now:
            return partial(_lapse, state, job_id, fence, now)
    for ends, job_id in state.jobs.back_offs.keys[:1]:
        if ends <= now:
            return partial(_end_back_off, state, state.jobs[job_id], now)
    if len(state.ripples):
        return partial(spread, state, now, 1)
    for number in state.submissions:
        piece = _next_of_submission(state, number, now)
        if piece is not None:
            return piece
    for project_id in state.cleared:
        return partial(_clear, state, project_id)
    for expires, number in state.uploads.due.keys[:1]:
        if expires <= now:
            return partial(clear_next, state, number)
    return None


def _lapse(state: State, job_id: int, fence: int, now: datetime) -> None:
    row = state.seen(job_id)
    if row is None:
        erase(state, state.jobs[job_id], tell_children=False)
    else:
        lose(state, row, state.attempts[job_id, fence], LEASE_LAPSED, now)


def _end_back_off(state: State, row: Row, now: datetime) -> None:
    row = evolve(row, job=evolve(row.job, not_before=None))
    state.jobs.put(row.job.id, row)
    place(state, row, now)


def _next_of_submission(state: State, number: int, now: datetime) -> Callable[[], object] | None:
    submission = state.submissions[number]
    if submission.project_id not in state.projects:
        return None
    if submission.stage is Stage.OPEN:
        if submission.opened_at + SUBMISSION_LASTS > now:
            return None
        return partial(state.submissions.put, number, evolve(submission, stage=Stage.DISCARDED))
    for job_id in state.jobs.of_submission.keys(number)[:1]:
        row = state.jobs[job_id]
        if submission.stage is Stage.PUBLISHED:
            return partial(admit, state, row, now)
        return partial(erase, state, row, tell_children=False)
    return partial(state.submissions.drop, number)


def _clear(state: State, project_id: int) -> None:
    for job_id in state.jobs.of_project.keys(project_id)[:1]:
        return erase(state, state.jobs[job_id], tell_children=False)
    for task_id in state.tasks.of_project.keys(project_id)[:1]:
        return state.tasks.drop(task_id)
    for event_id in state.events.of_project.keys(project_id)[:1]:
        return state.events.drop(event_id)
    for number in list(state.submissions):
        if state.submissions[number].project_id == project_id:
            state.submissions.drop(number)
    return state.cleared.drop(project_id)


def prune(state: State, before: datetime, limit: int) -> int:
    """Delete up to ``limit`` jobs that ended before a time, the first first, and old events of jobs that are gone."""
    ended = sorted(
        (row.job.finished_at, row.job.id)
        for row in map(state.jobs.__getitem__, state.jobs.ids.keys)
        if row.job.status.is_final and row.job.finished_at is not None and row.job.finished_at < before
        if state.is_visible(row) and not _is_awaited(state, row.job.id)
    )
    for _, job_id in ended[:limit]:
        erase(state, state.jobs[job_id], tell_children=True)
        for event_id in list(state.events.of_job.keys(job_id)):
            state.events.drop(event_id)
    gone = [
        event_id
        for event_id in state.events.ids.keys
        if state.events[event_id].at < before and state.events[event_id].job_id not in state.jobs
    ]
    for event_id in gone:
        state.events.drop(event_id)
    return min(len(ended), limit)


def _is_awaited(state: State, job_id: int) -> bool:
    children = state.edges.children.keys(job_id)
    return any(state.jobs[child].job.status.is_waiting for child in children)
