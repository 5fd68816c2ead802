"""The rows that the storage in memory keeps beside the model's own values, and the tables with their indexes."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from enum import Enum, auto

from attrs import field, frozen

from whatsnext_core.dependencies import Counts, Fate
from whatsnext_core.memory.journal import Groups, Journal, Ordered, Table
from whatsnext_core.model import (
    Artifact,
    ArtifactSpec,
    Attempt,
    Condition,
    Event,
    Job,
    JobStatus,
    Project,
    Requirement,
    Task,
)
from whatsnext_core.scheduling import ReadyJob

GONE = datetime.fromtimestamp(0, UTC)
"""When files that nobody wants were to be cleared away: before any other."""


@frozen
class Row:
    """A job as it is kept. Its ``task_name`` may be out of date; readers take the task's own."""

    job: Job
    """The job."""
    counts: Counts
    """How many of its edges are unmet and impossible, as far as it was told."""
    submission: int | None = None
    """The batch whose job it is, until it was brought into the queue."""


@frozen
class Edge:
    """That one job waits for another."""

    condition: Condition
    """What the parent must do."""
    fate: Fate
    """What the child was last told of it."""


class Stage(Enum):
    """How far a batch has come."""

    OPEN = auto()
    PUBLISHED = auto()
    DISCARDED = auto()


@frozen
class Submission:
    """A batch that is written in several transactions."""

    project_id: int
    """The project of its jobs."""
    opened_at: datetime
    """When it was opened."""
    stage: Stage = Stage.OPEN
    """How far it has come."""


@frozen
class Ready:
    """A job that could start now."""

    project_id: int
    """The project of its line."""
    requirement: Requirement
    """What it needs, grown by its policy."""
    key: str
    """The requirement's key: with the project it names the line."""
    job: ReadyJob
    """Its place in the line."""


@frozen
class Reservation:
    """That a client drains for a job."""

    job_id: int
    """The job."""
    at: datetime
    """When it was made or renewed."""


@frozen
class Halt:
    """That the siblings of a failed job are to be cancelled."""

    left: tuple[int, ...] | None = None
    """Those that were not looked at yet; None before they are known."""


@frozen
class Log:
    """What is kept of one stream of an attempt."""

    size: int = 0
    """Bytes received, those dropped included."""
    chunks: tuple[tuple[int, bytes], ...] = field(default=())
    """Offset and bytes of each chunk that is kept, ascending."""


@frozen
class Upload:
    """A file of a job, whole or not."""

    spec: ArtifactSpec
    """What was said of it when it was begun."""
    expires_at: datetime | None
    """When it is cleared away; None once it is whole and seen, ``GONE`` once nobody wants it."""
    received: int = 0
    """Bytes that came."""
    chunks: tuple[bytes, ...] = field(default=())
    """The bytes, as they came."""
    artifact: Artifact | None = None
    """What is seen of it."""


class Projects(Table[int, Project]):
    """Projects by id and by name."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self.ids = Ordered[int]()
        self.by_name: dict[str, int] = {}

    def _moved(self, key: int, old: Project | None, new: Project | None) -> None:
        if old is None:
            self.ids.add(key)
        elif new is None:
            self.ids.remove(key)
        if old is not None:
            del self.by_name[old.name]
        if new is not None:
            self.by_name[new.name] = key


class Tasks(Table[int, Task]):
    """Tasks by id, by project, and by project and name."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self.ids = Ordered[int]()
        self.of_project = Groups[int, int]()
        self.by_name: dict[tuple[int, str], int] = {}

    def _moved(self, key: int, old: Task | None, new: Task | None) -> None:
        if old is None:
            self.ids.add(key)
        elif new is None:
            self.ids.remove(key)
        if old is not None:
            del self.by_name[old.project_id, old.name]
        if new is not None:
            self.by_name[new.project_id, new.name] = key
        self.of_project.move(key, old.project_id if old else None, new.project_id if new else None)


class Jobs(Table[int, Row]):
    """Jobs by id, by project, task and batch; how many there are in each status; and when their back-offs end."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self.ids = Ordered[int]()
        self.of_project = Groups[int, int]()
        self.of_task = Groups[int, int]()
        self.of_submission = Groups[int, int]()
        self.counts = Counter[tuple[int, JobStatus]]()
        self.back_offs = Ordered[tuple[datetime, int]]()

    def _moved(self, key: int, old: Row | None, new: Row | None) -> None:
        if old is None:
            self.ids.add(key)
        elif new is None:
            self.ids.remove(key)
        before, after = old.job if old else None, new.job if new else None
        self.of_project.move(key, before.project_id if before else None, after.project_id if after else None)
        self.of_task.move(key, before.task_id if before else None, after.task_id if after else None)
        self.of_submission.move(key, old.submission if old else None, new.submission if new else None)
        if old is not None and old.submission is None:
            self.counts[old.job.project_id, old.job.status] -= 1
        if new is not None and new.submission is None:
            self.counts[new.job.project_id, new.job.status] += 1
        ended, ends = before.not_before if before else None, after.not_before if after else None
        if ended != ends:
            if ended is not None:
                self.back_offs.remove((ended, key))
            if ends is not None:
                self.back_offs.add((ends, key))


class Edges(Table[tuple[int, int], Edge]):
    """Edges by child and parent; the children of each parent."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self.children = Groups[int, int]()

    def _moved(self, key: tuple[int, int], old: Edge | None, new: Edge | None) -> None:
        child, parent = key
        self.children.move(child, parent if old else None, parent if new else None)


class ReadyJobs(Table[int, Ready]):
    """Ready jobs by id, and in lines: by project and requirement, the best at the end."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self.lines: dict[tuple[int, str], Ordered[tuple[int, int]]] = {}

    def _moved(self, key: int, old: Ready | None, new: Ready | None) -> None:
        if old is not None:
            name = (old.project_id, old.key)
            self.lines[name].remove((old.job.priority, -key))
            if not self.lines[name].keys:
                del self.lines[name]
        if new is not None:
            name = (new.project_id, new.key)
            self.lines.setdefault(name, Ordered()).add((new.job.priority, -key))


class Attempts(Table[tuple[int, int], Attempt]):
    """Attempts by job and fence; those that clients hold, those that a request claimed, and when leases lapse."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self.live = Groups[str, tuple[int, int]]()
        self.of_request = Groups[tuple[str, int], tuple[int, int]]()
        self.leases = Ordered[tuple[datetime, int, int]]()

    def _moved(self, key: tuple[int, int], old: Attempt | None, new: Attempt | None) -> None:
        self.live.move(key, _holder(old), _holder(new))
        self.of_request.move(key, _request(old), _request(new))
        lapsed, lapses = old.expires_at if old else None, new.expires_at if new else None
        if lapsed != lapses:
            if lapsed is not None:
                self.leases.remove((lapsed, *key))
            if lapses is not None:
                self.leases.add((lapses, *key))


def _holder(attempt: Attempt | None) -> str | None:
    return attempt.client_id if attempt is not None and attempt.status.is_live else None


def _request(attempt: Attempt | None) -> tuple[str, int] | None:
    if attempt is None or attempt.session_id is None or attempt.request is None:
        return None
    return attempt.session_id, attempt.request


class Uploads(Table[int, Upload]):
    """Files by number, by job, and by job and name; and when those are cleared away that are not seen."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self.of_job = Groups[int, int]()
        self.by_name: dict[tuple[int, str], int] = {}
        self.due = Ordered[tuple[datetime, int]]()

    def _moved(self, key: int, old: Upload | None, new: Upload | None) -> None:
        self.of_job.move(key, old.spec.job_id if old else None, new.spec.job_id if new else None)
        if old is not None and old.artifact is not None:
            del self.by_name[old.spec.job_id, old.spec.name]
        if new is not None and new.artifact is not None:
            self.by_name[new.spec.job_id, new.spec.name] = key
        ended, ends = old.expires_at if old else None, new.expires_at if new else None
        if ended != ends:
            if ended is not None:
                self.due.remove((ended, key))
            if ends is not None:
                self.due.add((ends, key))


class Events(Table[int, Event]):
    """Events by number, job and project. They come and go, and never change."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self.ids = Ordered[int]()
        self.of_job = Groups[int, int]()
        self.of_project = Groups[int, int]()

    def _moved(self, key: int, old: Event | None, new: Event | None) -> None:
        if new is None:
            self.ids.remove(key)
        else:
            self.ids.add(key)
        self.of_job.move(key, old.job_id if old else None, new.job_id if new else None)
        self.of_project.move(key, old.project_id if old else None, new.project_id if new else None)
