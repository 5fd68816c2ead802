"""The lines of ready jobs: how jobs come into them and leave them, and how a claim reads their heads."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from math import inf
from typing import Any

from attrs import evolve
from sqlalchemy import Row, text

from whatsnext_core.model import Requirement
from whatsnext_core.resources import Room
from whatsnext_core.scheduling import AHEAD, Line, Offer, ReadyJob
from whatsnext_core.storage import Demand
from whatsnext_storage_sql.connection.dialects import numbers
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.rows import requirement_of
from whatsnext_storage_sql.models.types import from_micros
from whatsnext_storage_sql.queue.recall import LONG_AGO, Key, KnownLine, Place, Stand
from whatsnext_storage_sql.tables import READY

FEW_PROJECTS = 8
"""Up to how many projects a claim looks for lines one project at a time."""
AT_ONCE = 32
"""Lines that are read with one statement, where each statement takes a way to another machine."""

_BEGINNING = (-(2**62), 0)
_KEYS = ("project_id", "class_id", "neg_priority", "job_id")

# Steps from line to line: each step is a few searches in the key of ``ready``, however many jobs stand in the lines.
# Not by comparing pairs: SQLite would then go through all jobs of the line that it comes from.
_ALL = """
    WITH RECURSIVE line (project_id, class_id) AS (
        SELECT project_id, class_id FROM (
            SELECT project_id, class_id FROM ready ORDER BY project_id, class_id LIMIT 1
        ) AS first
        UNION ALL
        SELECT
            CASE WHEN EXISTS (
                SELECT 1 FROM ready AS r WHERE r.project_id = line.project_id AND r.class_id > line.class_id
            ) THEN line.project_id ELSE (
                SELECT r.project_id FROM ready AS r WHERE r.project_id > line.project_id ORDER BY r.project_id LIMIT 1
            ) END,
            coalesce(
                (SELECT r.class_id FROM ready AS r WHERE r.project_id = line.project_id AND r.class_id > line.class_id
                 ORDER BY r.class_id LIMIT 1),
                (SELECT r.class_id FROM ready AS r WHERE r.project_id > line.project_id
                 ORDER BY r.project_id, r.class_id LIMIT 1)
            )
        FROM line WHERE line.project_id IS NOT NULL
    )
    """
_OF_ONE = """
    WITH RECURSIVE line (class_id) AS (
        SELECT class_id FROM (
            SELECT class_id FROM ready WHERE project_id = :project ORDER BY class_id LIMIT 1
        ) AS first
        UNION ALL
        SELECT (SELECT r.class_id FROM ready AS r WHERE r.project_id = :project AND r.class_id > line.class_id
                ORDER BY r.class_id LIMIT 1)
        FROM line WHERE line.class_id IS NOT NULL
    )
    """
_FOUND = """
    SELECT
        project.id AS project_id, line.class_id, requirement_class.requirement, head.neg_priority, head.job_id,
        head.since, CASE WHEN project.status = 'ACTIVE' AND NOT project.deleted THEN 1 ELSE 0 END AS is_open
    FROM line
    JOIN project ON project.id = {project}
    JOIN requirement_class ON requirement_class.id = line.class_id
    """
_SEARCH = """
    SELECT {columns} FROM ready AS r
    WHERE r.project_id = {project} AND r.class_id = line.class_id ORDER BY r.neg_priority, r.job_id LIMIT 1
    """


def _looks(lines: str, project: str) -> tuple[Query, Query]:
    """Return the statements that look at lines and at their first jobs, for SQLite and for PostgreSQL."""
    found = lines + _FOUND.format(project=project)
    place = _SEARCH.format(project=project, columns="r.neg_priority, r.job_id")
    whole = _SEARCH.format(project=project, columns="r.neg_priority, r.job_id, r.since")
    head = f"head.project_id = {project} AND head.class_id = line.class_id"
    return (
        # CROSS keeps SQLite from going through all jobs of a project to look which of them stands first in a line.
        Query(text(f"{found} CROSS JOIN ready AS head ON {head} AND (head.neg_priority, head.job_id) = ({place})")),
        Query(text(f"{found} CROSS JOIN LATERAL ({whole}) AS head")),
    )


_LINES = _looks(_ALL, "line.project_id")
_LINES_OF = _looks(_OF_ONE, ":project")
_VERSION = Query(text("PRAGMA data_version"))
_HEAD = Query(
    text(
        "SELECT project_id, class_id, neg_priority, job_id, since FROM ready "
        "WHERE project_id = :project AND class_id = :class ORDER BY neg_priority, job_id LIMIT :number"
    )
)
_LONGEST = "coalesce(job.timeout, task.timeout) + task.grace"
_HEAD_IN_TIME = Query(
    text(
        f"""
    SELECT ahead.* FROM (
        SELECT project_id, class_id, neg_priority, job_id, since FROM ready
        WHERE project_id = :project AND class_id = :class ORDER BY neg_priority, job_id LIMIT :ahead
    ) AS ahead
    JOIN job ON job.id = ahead.job_id JOIN task ON task.id = job.task_id
    WHERE {_LONGEST} IS NULL OR {_LONGEST} <= :time_left
    ORDER BY ahead.neg_priority, ahead.job_id LIMIT :number
    """  # noqa: S608 - of constants
    )
)
_DEMAND = Query(
    text(
        f"""
    SELECT {_LONGEST} AS longest, count(*) AS jobs FROM (
        SELECT job_id FROM ready
        WHERE project_id = :project AND class_id = :class ORDER BY neg_priority, job_id LIMIT :depth
    ) AS ahead
    JOIN job ON job.id = ahead.job_id JOIN task ON task.id = job.task_id
    GROUP BY {_LONGEST}
    """  # noqa: S608 - of constants
    )
)
# The rows are locked inside of a materialized expression, so that no plan locks more than it returns.
_HEADS_POSTGRESQL = Query(
    text(
        """
    WITH head AS MATERIALIZED (
        SELECT found.* FROM unnest(
            CAST(:projects AS bigint[]), CAST(:classes AS bigint[]), CAST(:numbers AS bigint[]),
            CAST(:priorities AS bigint[]), CAST(:jobs AS bigint[])
        ) AS line (project_id, class_id, number, neg_priority, job_id)
        JOIN project ON project.id = line.project_id AND project.status = 'ACTIVE' AND NOT project.deleted
        CROSS JOIN LATERAL (
            SELECT r.project_id, r.class_id, r.neg_priority, r.job_id, r.since FROM ready AS r
            WHERE r.project_id = line.project_id AND r.class_id = line.class_id
            AND (r.neg_priority, r.job_id) >= (line.neg_priority, line.job_id)
            ORDER BY r.neg_priority, r.job_id LIMIT line.number FOR UPDATE SKIP LOCKED
        ) AS found
    )
    SELECT * FROM head ORDER BY project_id, class_id, neg_priority, job_id
    """
    ).bindparams(*map(numbers, ("projects", "classes", "numbers", "priorities", "jobs")))
)


def enter(tx: Transaction, stands: Sequence[Stand], since: int) -> None:
    """Bring jobs into their lines; ``since`` is the present in microseconds."""
    tx.insert(READY, (*_KEYS, "since"), [(*stand, since) for stand in stands])
    tx.recall.entered(stands, since)


def entering(jobs: str) -> Query:
    """Return the statement that brings into their lines those of some jobs, given as SQL, that nothing holds back."""
    return Query(
        text(
            "INSERT INTO ready (project_id, class_id, neg_priority, job_id, since) "
            f"SELECT project_id, class_id, -priority, id, :since {jobs} AND unmet = 0"
        )
    )


def enter_by(tx: Transaction, query: Query, parameters: Mapping[str, Any], firsts: Iterable[Stand]) -> None:
    """Let a statement bring jobs into their lines; none of a line comes before the first of it in ``firsts``.

    That may be made up, of one job's priority and another one's id; so it does not tell for how long anybody waited.
    """
    tx.note(query, **parameters)
    tx.recall.entered(firsts)


def change(tx: Transaction, stands: Sequence[tuple[Stand, Stand]]) -> None:
    """Bring ready jobs from one stand to another; they have waited as long as before."""
    tx.update(READY, _KEYS[:3], _KEYS, [(*new[:3], *old) for old, new in stands])
    tx.recall.leaving(old for old, _ in stands)
    tx.recall.entered(new for _, new in stands)


def leave(tx: Transaction, stands: Sequence[Stand]) -> None:
    """Take jobs out of their lines."""
    tx.delete(READY, _KEYS, stands)
    tx.recall.leaving(stands)


class Choice:
    """The lines that a claim chooses from; those that it takes jobs from are read when it comes to them."""

    def __init__(self, tx: Transaction, offer: Offer, project_ids: tuple[int, ...] | None) -> None:
        self._tx = tx
        self._offer = offer
        self._project_ids = project_ids
        self._total = Room(offer.total, ignore_cpu=offer.ignore_cpu, ignore_accelerators=offer.ignore_accelerators)
        self._fits: dict[int, bool] = {}
        """By class."""
        self._read: dict[Key, KnownLine] = {}
        self._is_fresh = tx.recall.is_alone
        self._is_short = False
        if not tx.is_postgresql:
            tx.recall.check(tx.scalar(_VERSION))
        known = tx.recall.lines(project_ids)
        self._known: Sequence[KnownLine] = self._look() if known is None else known

    @property
    def lines(self) -> Sequence[Line]:
        """What is known of them; all is read already for a client that will be taken away soon."""
        left = self._offer.time_left
        if left is None:
            return self._known
        return _read_in_time(self._tx, list(filter(self._may_fit, self._known)), self._offer, left)

    def read(self, line: Line) -> Line:
        """Return a line with as many of its first jobs as could be claimed."""
        assert isinstance(line, KnownLine)  # noqa: S101 - it is one of ours
        if line.key not in self._read:
            wanted = [line]
            if self._tx.is_postgresql:
                others = (each for each in self._known if each.key not in self._read and each is not line)
                wanted += nsmallest(AT_ONCE - 1, filter(self._may_fit, others), key=_first)
            numbers = [self._number(each.requirement) for each in wanted]
            for each, number, jobs in zip(wanted, numbers, _heads(self._tx, wanted, numbers), strict=True):
                self._is_short |= len(jobs) < number
                self._read[each.key] = known = evolve(each, jobs=jobs, is_read=True)
                self._tx.recall.begins(each.key, known.first, jobs[0].since if jobs else LONG_AGO)
        return self._read[line.key]

    def look_again(self, picked: int) -> bool:
        """Look whether there is more than was known if a claim could have taken more; returns whether it did look."""
        if self._is_fresh or picked == self._offer.limit or (picked and not self._is_short):
            return False
        self._known = self._look()
        return True

    def taken(self, job_ids: Collection[int]) -> None:
        """Remember that these were taken."""
        for key, line in self._read.items():
            self._tx.recall.left(key, [(-job.priority, job.job_id) for job in line.jobs], job_ids)

    def _may_fit(self, line: KnownLine) -> bool:
        """Return whether the client could ever run a job of a line: what it could not is left to other servers."""
        class_id = line.key[1]
        if class_id not in self._fits:
            self._fits[class_id] = self._total.find(line.requirement) is not None
        return self._fits[class_id]

    def _number(self, requirement: Requirement) -> int:
        return min(self._offer.limit, at_most(requirement, self._offer) + 1)

    def _look(self) -> Sequence[KnownLine]:
        begin = time.monotonic()
        found = [
            KnownLine(
                key=(row.project_id, row.class_id),
                requirement=requirement_of(row.requirement),
                jobs=(),
                is_read=False,
                is_open=bool(row.is_open),
            ).begins((row.neg_priority, row.job_id), from_micros(row.since))
            for row in _look(self._tx, self._project_ids)
        ]
        self._tx.recall.remember(self._project_ids, found, time.monotonic() - begin)
        self._read, self._is_fresh, self._is_short = {}, True, False
        return [line for line in found if line.is_open]


def all_lines(tx: Transaction, project_ids: tuple[int, ...] | None = None) -> Sequence[Row[Any]]:
    """Return project, class and requirement of every line of active projects, or of these, in which a job stands."""
    return [row for row in _look(tx, project_ids) if row.is_open]


def demand(tx: Transaction, depth: int) -> list[Demand]:
    """Return what the jobs that could start now need, the first ``depth`` of each line."""
    found = [
        Demand(
            project_id=line.project_id, requirement=requirement_of(line.requirement), longest=row.longest, jobs=row.jobs
        )
        for line in all_lines(tx)
        for row in tx.all(_DEMAND, **{"project": line.project_id, "class": line.class_id, "depth": depth})
    ]
    return sorted(
        found,
        key=lambda one: (one.project_id, one.requirement.key, inf if one.longest is None else one.longest),
    )


def at_most(requirement: Requirement, offer: Offer) -> int:
    """Return a number of jobs with this requirement that is never exceeded by those that fit what is free."""
    found, free = offer.limit, offer.free
    if requirement.cpu and not offer.ignore_cpu:
        found = min(found, free.cpu // requirement.cpu)
    if requirement.memory and free.memory is not None:
        found = min(found, free.memory // requirement.memory)
    if requirement.accelerator_millis and not offer.ignore_accelerators:
        found = min(found, sum(device.free for device in free.devices) // requirement.accelerator_millis)
    return found


def _look(tx: Transaction, project_ids: tuple[int, ...] | None) -> Iterator[Row[Any]]:
    if project_ids is not None and len(project_ids) <= FEW_PROJECTS:
        for project_id in dict.fromkeys(project_ids):
            yield from tx.all(_LINES_OF[tx.is_postgresql], project=project_id)
        return
    for row in tx.all(_LINES[tx.is_postgresql]):
        if project_ids is None or row.project_id in project_ids:
            yield row


def _read_in_time(tx: Transaction, lines: Sequence[KnownLine], offer: Offer, time_left: float) -> list[Line]:
    """Return the jobs that a client may get which is taken away soon; nothing is locked: a claim locks the jobs."""
    found = []
    for line in lines:
        number = min(offer.limit, at_most(line.requirement, offer) + 1)
        place = {"project": line.key[0], "class": line.key[1], "number": number}
        rows = tx.all(_HEAD_IN_TIME, **place, ahead=AHEAD, time_left=time_left)
        found.append(Line(requirement=line.requirement, jobs=list(map(_ready, rows))))
    return found


def _heads(tx: Transaction, lines: Sequence[KnownLine], numbers: Sequence[int]) -> list[list[ReadyJob]]:
    """Return the first jobs of each line, up to so many; on PostgreSQL nobody else gets them before the commit."""
    if not tx.is_postgresql:
        return [
            [_ready(row) for row in tx.all(_HEAD, **{"project": line.key[0], "class": line.key[1], "number": number})]
            for line, number in zip(lines, numbers, strict=True)
        ]
    firsts = list(map(_first, lines))
    rows = tx.all(
        _HEADS_POSTGRESQL,
        projects=[line.key[0] for line in lines],
        classes=[line.key[1] for line in lines],
        numbers=numbers,
        priorities=[neg_priority for neg_priority, _ in firsts],
        jobs=[job_id for _, job_id in firsts],
    )
    found: defaultdict[Key, list[ReadyJob]] = defaultdict(list)
    for row in rows:
        found[row.project_id, row.class_id].append(_ready(row))
    return [found[line.key] for line in lines]


def _first(line: KnownLine) -> Place:
    return line.first or _BEGINNING


def _ready(row: Row[Any]) -> ReadyJob:
    return ReadyJob(job_id=row.job_id, priority=-row.neg_priority, since=from_micros(row.since))
