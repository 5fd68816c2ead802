"""The jobs that one command works on: loaded and locked at once, changed in memory, written back at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from attrs import define, field

from whatsnext_core.errors import NotFoundError
from whatsnext_core.model import EventKind, JobStatus, Task
from whatsnext_storage_sql.connection.bulk import plain
from whatsnext_storage_sql.connection.direct import Query, Question
from whatsnext_storage_sql.connection.transaction import Batch, Transaction
from whatsnext_storage_sql.events.runs import EventRow
from whatsnext_storage_sql.jobs.jobstate import COLUMNS, LOCKED, SPELLED, JobState, states_of
from whatsnext_storage_sql.jobs.listing import LISTING_KEYS
from whatsnext_storage_sql.models.types import to_micros
from whatsnext_storage_sql.projects.tasks import class_after, lock_tasks, tasks_by_id
from whatsnext_storage_sql.queue import lines
from whatsnext_storage_sql.queue.recall import Stand
from whatsnext_storage_sql.tables import DELAYED, JOB, LISTING

_LISTING_COLUMNS = ("project_id", "status", "neg_priority", "ended_at")
_Change: TypeAlias = tuple[JobState, JobState]
"""What a job was, and what it is now."""
_PLACING = (
    *("project_id", "task_id", "submission_id", "class_id", "status"),
    *("priority", "unmet", "not_before", "finished_at"),
)
_placement = itemgetter(*map(COLUMNS.index, _PLACING))
"""Gives what decides about a job's place in the queue, the lists and the counters: most of a batch share theirs."""


@define
class Ledger:
    """What one command knows and changes of jobs.

    ``flush`` writes the difference between what was loaded and what is now: the row, its place in the queue and the
    lists, and the counters. So no command can forget one of them.
    """

    tx: Transaction
    by_cursor: bool = False
    """Whether a batch notes by its cursor which jobs it brought into the queue, so that their rows need not change."""
    childless: set[int] = field(factory=set)
    """Loaded jobs that are known to have no children before this command ends."""
    ripples: dict[int, JobStatus | None] = field(factory=dict)
    """Jobs whose children must be told what they are now; with the last status of a deleted one."""
    _events: list[EventRow] = field(factory=list)
    _before: dict[int, JobState] = field(factory=dict)
    _now: dict[int, JobState] = field(factory=dict)
    _unseen: set[int] = field(factory=set)
    _more: dict[int, dict[str, Any]] = field(factory=dict)
    _tasks: dict[int, Task] = field(factory=dict)

    # -- knowing -------------------------------------------------------------------------------------------------------

    def load(
        self,
        job_ids: Iterable[int],
        query: Query = LOCKED,
        *,
        before: Sequence[Question] = (),
        after: Sequence[Question] = (),
    ) -> list[list[Any]]:
        """Load and lock those of the jobs that are there and not loaded yet.

        Returns what all queries found, in their order: those asked ``before``, that of the jobs, and those ``after``.
        """
        wanted = sorted({job_id for job_id in job_ids if job_id not in self._before})
        answers = self.tx.ask(*before, (query, {"ids": wanted}), *after) if wanted or before or after else []
        for state, batch in states_of(self.tx, answers[len(before)]) if answers else ():
            self.know(state, batch)
        return answers

    def know(self, state: JobState, batch: Batch) -> None:
        """Take in a job that was loaded and locked elsewhere, unless it is known already."""
        if state.id not in self._before:
            self._before[state.id] = self._now[state.id] = state
            if batch is Batch.HIDDEN:
                self._unseen.add(state.id)

    def __getitem__(self, job_id: int) -> JobState:
        return self._now[job_id]

    def seen(self, job_id: int) -> JobState | None:
        """Return a loaded job if anybody may see it."""
        return None if job_id in self._unseen else self._now.get(job_id)

    def row(self, job_id: int) -> JobState:
        """Return a loaded job; NotFoundError unless anybody may see it."""
        found = self.seen(job_id)
        if found is None:
            raise NotFoundError(f"Job with id {job_id} not found.")
        return found

    def knows(self, job_id: int) -> bool:
        """Return whether a job is loaded."""
        return job_id in self._now

    def task(self, task_id: int) -> Task:
        """Return the task of a loaded job."""
        if task_id not in self._tasks:
            wanted = {state.task_id for state in self._now.values()} | {task_id}
            self._tasks.update(tasks_by_id(self.tx, wanted - self._tasks.keys()))
        return self._tasks[task_id]

    # -- changing ------------------------------------------------------------------------------------------------------

    def put(self, state: JobState, **more: Any) -> JobState:
        """Note what a job is from now on; ``more`` are columns beside those of its state, JSON as text."""
        self._now[state.id] = state
        if more:
            self._more.setdefault(state.id, {}).update(more)
        return state

    def put_all(self, states: Sequence[JobState], more: Mapping[str, Sequence[Any]]) -> None:
        """Note what jobs are from now on; ``more`` gives each its value of a column beside the states'."""
        self._now.update((state.id, state) for state in states)
        for name, values in more.items():
            for state, value in zip(states, values, strict=True):
                self._more.setdefault(state.id, {})[name] = value

    def tell_all(self, states: Iterable[JobState], kind: EventKind, now: datetime, text: str | None) -> None:
        """Note the same event of jobs; ``text`` is its data as JSON."""
        rest = (kind._value_, to_micros(now), text)
        self._events += [(state.project_id, state.id, *rest) for state in states]

    def tell(self, state: JobState, kind: EventKind, now: datetime, text: str | None) -> None:
        """Note an event of a job; ``text`` is its data as JSON."""
        self._events.append((state.project_id, state.id, kind._value_, to_micros(now), text))

    def forget(self, job_id: int) -> None:
        """Note that a job is gone; whoever calls this deletes its rows."""
        del self._now[job_id], self._before[job_id]
        self._more.pop(job_id, None)

    # -- writing -------------------------------------------------------------------------------------------------------

    def flush(self, now: datetime) -> None:
        """Write what changed; the command goes on with what it knows."""
        self.tx.tell(self._events)
        self._events.clear()
        changed = [
            (old, self._now[job_id])
            for job_id, old in self._before.items()
            if self._now[job_id] != old or job_id in self._more
        ]
        if not changed:
            return
        changed = self._choose_lines(changed)
        groups = self._groups(changed)
        news = {new.id: new for _, new in changed}
        self._before.update(news)
        self._now.update(news)
        self._write_rows(groups)
        self._write_lists(groups)
        self._write_queue(groups, now)
        for group in groups:
            for state, number in zip(group[0], (-len(group), len(group)), strict=True):
                self.tx.count((state.project_id, state.submission_id, state.task_id, state.status._value_), number)
        self._more.clear()

    def _groups(self, changed: Sequence[_Change]) -> Sequence[Sequence[_Change]]:
        """Return the changes in groups of those that are written alike; most of a batch are one."""
        olds, news = zip(*changed, strict=True)
        more = {tuple(self._more.get(new.id, ())) for new in news} if self._more else {()}
        if len(more) == 1 and _share_place(olds) and _share_place(news):
            return [changed]
        groups: defaultdict[tuple[Any, ...], list[_Change]] = defaultdict(list)
        for alike, run in groupby(changed, key=self._alike):
            groups[alike] += run
        return list(groups.values())

    def _alike(self, change: _Change) -> tuple[Any, ...]:
        """Return what jobs share that are written alike; most of a batch stand next to each other."""
        old, new = change
        return (*_placement(old), *_placement(new), *self._more.get(new.id, ()))

    def _choose_lines(self, changed: list[_Change]) -> list[_Change]:
        """Return the changes with the requirement class of every job that comes into a line, or may change it."""
        coming = {
            new.task_id for old, new in changed if new.is_ready and (not old.is_ready or old.task_id != new.task_id)
        }
        if not coming:
            return changed
        rows = lock_tasks(self.tx, coming)
        grown: dict[tuple[int, int], int] = {}
        found = []
        for old, new in changed:
            if new.is_ready and new.task_id in rows:
                class_id = rows[new.task_id].class_id
                if new.ooms:
                    key = (new.task_id, new.ooms)
                    if key not in grown:
                        grown[key] = class_after(self.tx, self.task(new.task_id), new.ooms)
                    class_id = grown[key]
                found.append((old, new._replace(class_id=class_id)))
            else:
                found.append((old, new))
        return found

    def _write_rows(self, groups: Iterable[Sequence[_Change]]) -> None:
        """Write the columns in which any job of a group has changed."""
        rows: defaultdict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
        for group in groups:
            olds, news = zip(*group, strict=True)
            columns = {
                name: _spelled(new) if name in SPELLED else new
                for name, old, new in zip(COLUMNS, zip(*olds, strict=True), zip(*news, strict=True), strict=True)
                if old != new and not (self.by_cursor and name == "submission_id")
            }
            ids = [new.id for new in news]
            for name in self._more.get(ids[0], ()):
                columns[name] = tuple(self._more[job_id][name] for job_id in ids)
            if columns:
                rows[tuple(columns)] += zip(*columns.values(), ids, strict=True)
        for names, values in rows.items():
            self.tx.update(JOB, names, ("id",), values)

    def _write_lists(self, groups: Iterable[Sequence[_Change]]) -> None:
        rows: list[tuple[Any, ...]] = []
        for group in groups:
            old, new = group[0]
            before = (old.project_id, old.listed_as, old.priority, old.ended_at)
            if before != (new.project_id, new.listed_as, new.priority, new.ended_at):
                values = (new.project_id, new.listed_as, -new.priority, plain(new.ended_at))
                alike = (*values, old.project_id, old.listed_as)
                rows += [(*alike, each.id) for _, each in group]
        self.tx.update(LISTING, _LISTING_COLUMNS, LISTING_KEYS, rows)

    def _write_queue(self, groups: Iterable[Sequence[_Change]], now: datetime) -> None:
        leaves, moves, comes, wakes, sleeps = [], [], [], [], []
        for group in groups:
            old, new = group[0]
            ids = [each.id for _, each in group]
            before, after = place(old), place(new)
            if before and after and before != after:
                moves += [((*before[:-1], job_id), (*after[:-1], job_id)) for job_id in ids]
            elif before and not after:
                leaves += [(*before[:-1], job_id) for job_id in ids]
            elif after and not before:
                comes += [(*after[:-1], job_id) for job_id in ids]
            if old.not_before != new.not_before:
                if old.not_before is not None:
                    wakes += [(to_micros(old.not_before), job_id) for job_id in ids]
                if new.not_before is not None:
                    sleeps += [(to_micros(new.not_before), job_id) for job_id in ids]
        lines.leave(self.tx, leaves)
        lines.change(self.tx, moves)
        lines.enter(self.tx, comes, to_micros(now))
        self.tx.delete(DELAYED, ("not_before", "job_id"), wakes)
        self.tx.insert(DELAYED, ("not_before", "job_id"), sleeps)


def _share_place(states: Sequence[JobState]) -> bool:
    columns = _placement(tuple(zip(*states, strict=True)))
    return all(column.count(column[0]) == len(column) for column in columns)


def _spelled(column: Sequence[Any]) -> Sequence[Any]:
    """Return the values of a column as the database spells them; most of a group share theirs."""
    if column.count(column[0]) == len(column):
        return (plain(column[0]),) * len(column)
    return tuple(map(plain, column))


def place(state: JobState) -> Stand | None:
    """Return the key of a ready job's row in the queue; None for a job that is not ready."""
    return (state.project_id, state.class_id, -state.priority, state.id) if state.is_ready else None
