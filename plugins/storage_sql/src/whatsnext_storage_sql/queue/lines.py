"""The lines of ready jobs: how jobs come into them and leave them, and how a claim reads their heads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, TypeAlias

from attrs import frozen
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
from whatsnext_storage_sql.queue.recall import BEGINNING, Key, KnownLine
from whatsnext_storage_sql.tables import READY

FEW_PROJECTS = 8
"""Up to how many projects a claim looks for lines one project at a time."""

Stand: TypeAlias = tuple[int, int, int, int]
"""The key of a ready job: project, requirement class, negative priority, id."""
_KEYS = ("project_id", "class_id", "neg_priority", "job_id")

# Steps from line to line: each step is a few searches in the key of ``ready``, however many jobs stand in the lines.
# Not by comparing pairs: SQLite would then go through all jobs of the line that it comes from.
_LINES = Query(
    text(
        """
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
    SELECT line.project_id, line.class_id, requirement_class.requirement FROM line
    JOIN project ON project.id = line.project_id
    JOIN requirement_class ON requirement_class.id = line.class_id
    WHERE project.status = 'ACTIVE' AND NOT project.deleted
    """
    )
)
_LINES_OF = Query(
    text(
        """
    WITH RECURSIVE line (class_id) AS (
        SELECT class_id FROM (
            SELECT class_id FROM ready WHERE project_id = :project ORDER BY class_id LIMIT 1
        ) AS first
        UNION ALL
        SELECT (SELECT r.class_id FROM ready AS r WHERE r.project_id = :project AND r.class_id > line.class_id
                ORDER BY r.class_id LIMIT 1)
        FROM line WHERE line.class_id IS NOT NULL
    )
    SELECT project.id AS project_id, line.class_id, requirement_class.requirement FROM line
    JOIN requirement_class ON requirement_class.id = line.class_id
    JOIN project ON project.id = :project AND project.status = 'ACTIVE' AND NOT project.deleted
    """
    )
)
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


@frozen
class Head:
    """The head of one line, and which line it is."""

    key: Key
    line: Line


@frozen
class _Wanted:
    key: Key
    requirement: Requirement
    number: int


def enter(tx: Transaction, stands: Sequence[Stand], since: int) -> None:
    """Bring jobs into their lines; ``since`` is the present in microseconds."""
    tx.insert(READY, (*_KEYS, "since"), [(*stand, since) for stand in stands])
    if tx.recall is not None:
        tx.recall.entered(stands)


def entering(jobs: str) -> Query:
    """Return the statement that brings into their lines those of some jobs, given as SQL, that nothing holds back."""
    return Query(
        text(
            "INSERT INTO ready (project_id, class_id, neg_priority, job_id, since) "
            f"SELECT project_id, class_id, -priority, id, :since {jobs} AND unmet = 0"
        )
    )


def enter_by(tx: Transaction, query: Query, parameters: Mapping[str, Any], firsts: Iterable[Stand]) -> None:
    """Let a statement bring jobs into their lines; none of a line comes before the first of it in ``firsts``."""
    tx.note(query, **parameters)
    if tx.recall is not None:
        tx.recall.entered(firsts)


def change(tx: Transaction, stands: Sequence[tuple[Stand, Stand]]) -> None:
    """Bring ready jobs from one stand to another; they have waited as long as before."""
    tx.update(READY, _KEYS[:3], _KEYS, [(*new[:3], *old) for old, new in stands])
    if tx.recall is not None:
        tx.recall.entered(new for _, new in stands)


def leave(tx: Transaction, stands: Sequence[Stand]) -> None:
    """Take jobs out of their lines."""
    tx.delete(READY, _KEYS, stands)


def heads(tx: Transaction, offer: Offer, project_ids: tuple[int, ...] | None) -> list[Head]:
    """Return each line whose jobs fit what the client has, with as many of them as could be claimed."""
    if offer.time_left is not None:
        lines = [KnownLine((row.project_id, row.class_id), row.requirement) for row in _look(tx, project_ids)]
        return _read(tx, _wanted(lines, offer), from_first=False, time_left=offer.time_left)
    known = None if tx.recall is None else tx.recall.lines(project_ids)
    if known is not None:
        wanted = _wanted(known, offer)
        found = _read(tx, wanted, from_first=True)
        if found and [len(head.line.jobs) for head in found] == [each.number for each in wanted]:
            return found
    known = [KnownLine((row.project_id, row.class_id), row.requirement) for row in _look(tx, project_ids)]
    found = _read(tx, _wanted(known, offer), from_first=False)
    if tx.recall is not None:
        tx.recall.remember(project_ids, known)
        for head in found:
            tx.recall.found(head.key, (-head.line.jobs[0].priority, head.line.jobs[0].job_id))
    return found


def all_lines(tx: Transaction) -> Sequence[Row[Any]]:
    """Return project, class and requirement of every line of active projects in which a job stands."""
    return tx.all(_LINES)


def _wanted(lines: Sequence[KnownLine], offer: Offer) -> list[_Wanted]:
    total = Room(offer.total, ignore_cpu=offer.ignore_cpu, ignore_accelerators=offer.ignore_accelerators)
    wanted = []
    for line in sorted(lines, key=lambda line: line.key):
        requirement = requirement_of(line.requirement)
        if total.find(requirement) is not None:
            wanted.append(_Wanted(line.key, requirement, min(offer.limit, at_most(requirement, offer) + 1)))
    return wanted


def demand(tx: Transaction, depth: int) -> list[Demand]:
    """Return what the jobs that could start now need, the first ``depth`` of each line."""
    found = [
        Demand(
            project_id=line.project_id, requirement=requirement_of(line.requirement), longest=row.longest, jobs=row.jobs
        )
        for line in tx.all(_LINES)
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
            yield from tx.all(_LINES_OF, project=project_id)
        return
    for row in tx.all(_LINES):
        if project_ids is None or row.project_id in project_ids:
            yield row


def _read(
    tx: Transaction, wanted: Sequence[_Wanted], *, from_first: bool, time_left: float | None = None
) -> list[Head]:
    jobs: defaultdict[Key, list[ReadyJob]] = defaultdict(list)
    rows = _rows(tx, wanted, from_first=from_first) if time_left is None else _rows_in_time(tx, wanted, time_left)
    for row in rows:
        ready = ReadyJob(job_id=row.job_id, priority=-row.neg_priority, since=from_micros(row.since))
        jobs[row.project_id, row.class_id].append(ready)
    return [
        Head(each.key, Line(requirement=each.requirement, jobs=jobs[each.key])) for each in wanted if each.key in jobs
    ]


def _rows_in_time(tx: Transaction, wanted: Sequence[_Wanted], time_left: float) -> Iterator[Row[Any]]:
    """Yield the jobs that a client may get which is taken away soon; nothing is locked: a claim locks the jobs."""
    for each in wanted:
        project_id, class_id = each.key
        place = {"project": project_id, "class": class_id, "number": each.number}
        yield from tx.all(_HEAD_IN_TIME, **place, ahead=AHEAD, time_left=time_left)


def _rows(tx: Transaction, wanted: Sequence[_Wanted], *, from_first: bool) -> Iterator[Row[Any]]:
    if not wanted:
        return
    if tx.recall is None:
        for each in wanted:
            project_id, class_id = each.key
            yield from tx.all(_HEAD, **{"project": project_id, "class": class_id, "number": each.number})
        return
    firsts = [tx.recall.first(each.key) if from_first else BEGINNING for each in wanted]
    yield from tx.all(
        _HEADS_POSTGRESQL,
        projects=[each.key[0] for each in wanted],
        classes=[each.key[1] for each in wanted],
        numbers=[each.number for each in wanted],
        priorities=[neg_priority for neg_priority, _ in firsts],
        jobs=[job_id for _, job_id in firsts],
    )
