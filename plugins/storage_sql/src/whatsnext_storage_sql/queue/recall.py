"""What a server remembers of the lines of ready jobs in PostgreSQL, so that it need not search from their beginning.

A job that was claimed leaves a dead row behind, which stays in the table while anybody reads an older snapshot: then
every search from the beginning of a line goes through all of them. So a server remembers for each line up to where it
has seen nothing but dead rows. What it does itself it takes in at once; what other servers do it learns when it looks
at the whole again, twice a second, or at once when a line gives less than was asked for.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

from attrs import define, field, frozen

LOOK_AGAIN = 0.5
"""Seconds after which a server looks at all lines from their beginning."""
MANY = 256
"""From how many different sets of projects that are asked for everything is forgotten."""

Key: TypeAlias = tuple[int, int]
"""Project and requirement class: they name a line."""
Place: TypeAlias = tuple[int, int]
"""Negative priority and id of a job: they give its place in its line."""
BEGINNING: Place = (-(2**62), 0)


@frozen
class KnownLine:
    """A line with its requirement, as JSON."""

    key: Key
    requirement: str


@define
class _Look:
    at: float
    lines: Sequence[KnownLine]


@define
class Recall:
    """The lines that there were at the last look, and the first place in each where a job may still stand."""

    _looks: dict[tuple[int, ...] | None, _Look] = field(factory=dict)
    _first: dict[Key, Place] = field(factory=dict)

    def lines(self, project_ids: tuple[int, ...] | None) -> Sequence[KnownLine] | None:
        """Return the lines of these projects (None for all), or None if it is time to look again."""
        look = self._looks.get(project_ids)
        return look.lines if look is not None and time.monotonic() - look.at < LOOK_AGAIN else None

    def first(self, key: Key) -> Place:
        """Return the place from which a line is to be searched."""
        return self._first.get(key, BEGINNING)

    def remember(self, project_ids: tuple[int, ...] | None, lines: Sequence[KnownLine]) -> None:
        """Take in a look at all lines of these projects, each from its beginning."""
        if len(self._looks) >= MANY:
            self.forget()
        self._looks[project_ids] = _Look(time.monotonic(), lines)
        for line in lines:
            self._first.setdefault(line.key, BEGINNING)

    def found(self, key: Key, place: Place) -> None:
        """Take in the first job that stands in a line."""
        self._first[key] = place

    def entered(self, rows: Iterable[tuple[int, int, int, int]]) -> None:
        """Take in that jobs came into lines, at the places that their keys name."""
        for project_id, class_id, neg_priority, job_id in rows:
            key = (project_id, class_id)
            if key not in self._first:
                self.forget()
                return
            self._first[key] = min(self._first[key], (neg_priority, job_id))

    def left(self, key: Key, jobs: Iterable[Place], taken: Collection[int]) -> None:
        """Take in that the first of these jobs, those that were taken, left their line."""
        for neg_priority, job_id in jobs:
            if job_id not in taken:
                return
            self._first[key] = (neg_priority, job_id + 1)

    def forget(self) -> None:
        """Remember nothing, for what was taken in may have been undone."""
        self._looks.clear()
        self._first.clear()
