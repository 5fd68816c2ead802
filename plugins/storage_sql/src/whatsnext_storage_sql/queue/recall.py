"""What a storage remembers of the lines of ready jobs, so that a claim reads only those that it takes jobs from.

There may be thousands of lines, one for each project and requirement class, and a client that serves all projects needs
the best jobs of all. Of each line the first job is remembered, or a place that no job comes before. What this storage
does itself it takes in at once. On SQLite nobody else writes; on PostgreSQL other servers do: what they do it learns
when it looks at the lines again, twice a second, or at once when a claim finds less than it could take.

On PostgreSQL it serves another purpose, too: a job that was claimed leaves a dead row behind, which stays in the table
while anybody reads an older snapshot. A search from the beginning of a line goes through all of them; one from the
place remembered does not.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import inf
from typing import TypeAlias

from attrs import define, evolve, field, frozen

from whatsnext_core.scheduling import Line, ReadyJob
from whatsnext_storage_sql.models.types import from_micros

LOOK_AGAIN = 0.5
"""Seconds after which the lines are looked at again, where others write, too."""
PART = 0.05
"""The part of the time, at most, that looking takes: where that is slow, it is done less often."""
MANY = 256
"""From how many different sets of projects that are asked for everything is forgotten."""
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)

Key: TypeAlias = tuple[int, int]
"""Project and requirement class: they name a line."""
Place: TypeAlias = tuple[int, int]
"""Negative priority and id of a job: they give its place in its line."""
Stand: TypeAlias = tuple[int, int, int, int]
"""The key of a ready job: that of its line, and its place there."""


@frozen(kw_only=True)
class KnownLine(Line):
    """A line of which something is known: where it begins."""

    key: Key
    """Which one it is."""
    is_open: bool = True
    """Whether its project is active; nobody gets a job from another."""

    @property
    def first(self) -> Place | None:
        """The place that no job in it comes before; None if there is no job."""
        return (-self.jobs[0].priority, self.jobs[0].job_id) if self.jobs else None

    def begins(self, place: Place | None, since: datetime = LONG_AGO) -> KnownLine:
        """Return the line as it is when its first job stands there, or is not known but no earlier one can be."""
        jobs = () if place is None else (ReadyJob(job_id=place[1], priority=-place[0], since=since),)
        return evolve(self, jobs=jobs, is_read=False)


@define
class Recall:
    """The lines of those projects that were looked at, with their beginnings.

    Args:
        is_alone: Whether nobody else writes to the database, or it is told: then what is known stays right.
    """

    is_alone: bool = False
    _lines: dict[int, dict[int, KnownLine]] = field(factory=dict)
    """By project and class."""
    _looks: dict[tuple[int, ...] | None, float] = field(factory=dict)
    """Until when a look at a set of projects holds, by the monotonic clock; None is all of them."""
    _version: object = None

    def check(self, version: object) -> None:
        """Forget everything if the database is not of the version that it was of: somebody else wrote to it."""
        if version != self._version:
            self.forget()
            self._version = version

    def lines(self, project_ids: tuple[int, ...] | None) -> list[KnownLine] | None:
        """Return the lines of these projects in which jobs may stand, or None if it is time to look (again)."""
        if time.monotonic() >= self._looks.get(project_ids, -inf):
            return None
        parts: Iterable[Mapping[int, KnownLine]] = self._lines.values()
        if project_ids is not None:
            parts = [self._lines.get(project_id, {}) for project_id in dict.fromkeys(project_ids)]
        return [line for part in parts for line in part.values() if line.jobs and line.is_open]

    def remember(self, project_ids: tuple[int, ...] | None, lines: Iterable[KnownLine], took: float) -> None:
        """Take in a look at all lines of these projects, and how many seconds it took."""
        if len(self._looks) >= MANY:
            self.forget()
        if project_ids is None:
            self._lines.clear()
        else:
            self._lines |= {project_id: {} for project_id in project_ids}
        for line in lines:
            self._lines.setdefault(line.key[0], {})[line.key[1]] = line
        self._looks[project_ids] = time.monotonic() + (inf if self.is_alone else max(LOOK_AGAIN, took / PART))

    def first(self, key: Key) -> Place | None:
        """Return the place that no job of a line comes before; None if it is not known."""
        line = self._lines.get(key[0], {}).get(key[1])
        return None if line is None else line.first

    def begins(self, key: Key, place: Place | None, since: datetime = LONG_AGO) -> None:
        """Take in where a line begins, or that nobody stands in it."""
        part = self._lines.get(key[0])
        if part is not None and (line := part.get(key[1])) is not None:
            part[key[1]] = line.begins(place, since)

    def entered(self, stands: Iterable[Stand], since: int | None = None) -> None:
        """Take in that jobs came into lines, and since when they could start, in microseconds; None if that differs."""
        if not self._looks:
            return
        key: tuple[int, ...] = ()
        for stand in sorted(stands):
            if stand[:2] == key:
                continue  # the first one of its line has been seen
            key = stand[:2]
            project_id, class_id, neg_priority, job_id = stand
            part = self._lines.get(project_id)
            if part is None and None not in self._looks:
                continue  # nobody looked at this project
            line = None if part is None else part.get(class_id)
            if line is None:
                self.forget()  # a new line
                return
            if line.first is None or (neg_priority, job_id) < line.first:
                start = LONG_AGO if since is None else from_micros(since)
                self.begins(line.key, (neg_priority, job_id), start)

    def leaving(self, stands: Iterable[Stand]) -> None:
        """Take in that jobs left their lines."""
        if self._looks:
            gone = set(stands)
            for key in {stand[:2] for stand in gone}:
                first = self.first(key)
                if first is not None and (*key, *first) in gone:
                    self.begins(key, (first[0], first[1] + 1))

    def left(self, key: Key, jobs: Sequence[Place], taken: Collection[int]) -> None:
        """Take in that of the first jobs of a line, all that there are up to the last of these, some were taken."""
        gone = 0
        while gone < len(jobs) and jobs[gone][1] in taken:
            gone += 1
        if gone:
            neg_priority, job_id = jobs[gone - 1]
            self.begins(key, (neg_priority, job_id + 1))

    def forget(self) -> None:
        """Remember nothing, for what was taken in may have been undone."""
        self._looks.clear()
        self._lines.clear()
