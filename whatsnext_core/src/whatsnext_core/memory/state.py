"""All that the storage in memory keeps, and what every part of it needs: numbers, look-ups that fail well, events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from attrs import evolve

from whatsnext_core.attendance import Attendance
from whatsnext_core.errors import NotFoundError
from whatsnext_core.memory.journal import Journal, Table
from whatsnext_core.memory.tables import (
    Attempts,
    Edges,
    Events,
    Halt,
    Jobs,
    Log,
    Projects,
    ReadyJobs,
    Reservation,
    Row,
    Stage,
    Submission,
    Tasks,
    Uploads,
)
from whatsnext_core.model import Client, Cursor, Event, EventKind, Job, JobStatus, Project, Task
from whatsnext_core.model.limits import shorten

T = TypeVar("T")


def plain(value: T) -> T:
    """Return a copy of a JSON value as another backend would read it back: tuples as lists, nobody else's objects."""
    copied: T = json.loads(json.dumps(value, default=dict))
    return copied


class State:
    """The tables, under one journal."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.numbers = Table[str, int](self.journal)
        """The last number given to each kind of thing."""
        self.projects = Projects(self.journal)
        self.tasks = Tasks(self.journal)
        self.jobs = Jobs(self.journal)
        self.edges = Edges(self.journal)
        self.ready = ReadyJobs(self.journal)
        self.attempts = Attempts(self.journal)
        self.clients = Table[str, Client](self.journal)
        self.reservations = Table[str, Reservation](self.journal)
        """By client."""
        self.logs = Table[tuple[int, int], Mapping[str, Log]](self.journal)
        """By attempt, then stream."""
        self.uploads = Uploads(self.journal)
        self.events = Events(self.journal)
        self.cursors = Table[str, Cursor](self.journal)
        """By name."""
        self.submissions = Table[int, Submission](self.journal)
        self.ripples = Table[int, int](self.journal)
        """Jobs whose children have yet to be told of a change, each with the last child that was told."""
        self.halts = Table[int, Halt](self.journal)
        """By failed job."""
        self.departed = Table[int, JobStatus](self.journal)
        """The last status of deleted jobs whose children have yet to be told."""
        self.cleared = Table[int, bool](self.journal)
        """Deleted projects that still hold something."""
        self.attendance = Table[str, Attendance](self.journal)
        """At most one row, under an empty key."""

    def number(self, kind: str, count: int = 1) -> int:
        """Return the first of ``count`` new numbers for a kind of thing."""
        last = self.numbers.get(kind) or 0
        self.numbers.put(kind, last + count)
        return last + 1

    def project(self, project_id: int) -> Project:
        """Return the project, or raise NotFoundError."""
        found = self.projects.get(project_id)
        if found is None:
            raise NotFoundError(f"Project with id {project_id} not found.")
        return found

    def task(self, task_id: int) -> Task:
        """Return the task, or raise NotFoundError."""
        found = self.tasks.get(task_id)
        if found is None or found.project_id not in self.projects:
            raise NotFoundError(f"Task with id {task_id} not found.")
        return found

    def client(self, client_id: str) -> Client:
        """Return the client, or raise NotFoundError."""
        found = self.clients.get(client_id)
        if found is None:
            raise NotFoundError(f"Client with id {shorten(client_id)} not found.")
        return found

    def row(self, job_id: int) -> Row:
        """Return the row of a visible job, or raise NotFoundError."""
        row = self.seen(job_id)
        if row is None:
            raise NotFoundError(f"Job with id {job_id} not found.")
        return row

    def seen(self, job_id: int) -> Row | None:
        """Return the row of a visible job, or None."""
        row = self.jobs.get(job_id)
        return row if row is not None and self.is_visible(row) else None

    def is_visible(self, row: Row) -> bool:
        """Return whether anybody may see a job: its project is there, and its batch is published."""
        if row.job.project_id not in self.projects:
            return False
        return row.submission is None or self.submissions[row.submission].stage is Stage.PUBLISHED

    def view(self, row: Row) -> Job:
        """Return a job as readers see it."""
        name = self.tasks[row.job.task_id].name
        return row.job if row.job.task_name == name else evolve(row.job, task_name=name)

    def tell(self, job: Job, kind: EventKind, now: datetime, data: Mapping[str, Any]) -> None:
        """Write an event of a job."""
        number = self.number("event")
        event = Event(id=number, project_id=job.project_id, job_id=job.id, kind=kind, at=now, data=data)
        self.events.put(number, event)
