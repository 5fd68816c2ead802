"""Where a ready job stands among all ready ones: a bounded count in the order in which claims take them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from attrs import evolve
from sqlalchemy import Row, and_, bindparam, select, text

from whatsnext_core.model import ProjectStatus
from whatsnext_core.storage import Ahead, Place
from whatsnext_storage_sql.connection.dialects import numbers
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.jobs import check_exists
from whatsnext_storage_sql.jobs.rows import requirement_of
from whatsnext_storage_sql.queue.lines import all_lines
from whatsnext_storage_sql.tables import JOB, PROJECT, READY

_OWN = Query(
    select(READY.c.since, READY.c.neg_priority, READY.c.project_id, READY.c.job_id)
    .join(
        JOB,
        and_(
            JOB.c.project_id == READY.c.project_id,
            JOB.c.class_id == READY.c.class_id,
            -JOB.c.priority == READY.c.neg_priority,
            JOB.c.id == READY.c.job_id,
        ),
    )
    .join(PROJECT, PROJECT.c.id == JOB.c.project_id)
    .where(JOB.c.id == bindparam("id"), PROJECT.c.status == ProjectStatus.ACTIVE.value)
)

# In each line one search in its key, then along it; the task is looked up for each that was counted, and no other way.
_AHEAD = """
    SELECT project_id, class_id, task_id, count(*) AS number FROM (
        SELECT found.project_id, found.class_id, (SELECT task_id FROM job WHERE job.id = found.job_id) AS task_id
        FROM ({found}) AS found
    ) AS counted GROUP BY project_id, class_id, task_id
"""
_AHEAD_SQLITE = Query(
    text(
        _AHEAD.format(
            found="""
        SELECT r.project_id, r.class_id, r.job_id FROM json_each(:lines) AS line
        CROSS JOIN ready AS r ON r.project_id = json_extract(line.value, '$[0]')
        AND r.class_id = json_extract(line.value, '$[1]')
        AND (r.neg_priority, r.job_id) < (:priority, :job)
        LIMIT :limit
        """
        )
    )
)
_AHEAD_POSTGRESQL = Query(
    text(
        _AHEAD.format(
            found="""
        SELECT part.* FROM unnest(
            CAST(:projects AS bigint[]), CAST(:classes AS bigint[])
        ) AS line (project_id, class_id)
        CROSS JOIN LATERAL (
            SELECT r.project_id, r.class_id, r.job_id FROM ready AS r
            WHERE r.project_id = line.project_id AND r.class_id = line.class_id
            AND (r.neg_priority, r.job_id) < (:priority, :job)
            ORDER BY r.neg_priority, r.job_id LIMIT :limit
        ) AS part
        LIMIT :limit
        """
        )
    ).bindparams(numbers("projects"), numbers("classes"))
)


def place(tx: Transaction, job_id: int, limit: int) -> Place | None:
    """Return where a ready job stands; those of its own project are counted first, and no others if they are enough."""
    check_exists(tx, job_id)
    own = tx.first(_OWN, id=job_id)
    if own is None:
        return None
    ahead = _count(tx, own, all_lines(tx, (own.project_id,)), limit + 1)
    number = sum(each.number for each in ahead)
    if number <= limit:
        others = [line for line in all_lines(tx) if line.project_id != own.project_id]
        ahead += _count(tx, own, others, limit + 1 - number)
        number = sum(each.number for each in ahead)
    return Place(since=own.since, ahead=_cut(ahead, number - limit), more=number > limit)


def _count(tx: Transaction, own: Row[Any], among: Sequence[Row[Any]], limit: int) -> list[Ahead]:
    """Return what stands before a job in some lines, up to so many jobs."""
    lines = {(line.project_id, line.class_id): requirement_of(line.requirement) for line in among}
    bounds = {"priority": own.neg_priority, "job": own.job_id, "limit": limit}
    if tx.is_postgresql:
        projects, classes = ([key[part] for key in lines] for part in (0, 1))
        counted = tx.all(_AHEAD_POSTGRESQL, projects=projects, classes=classes, **bounds)
    else:
        counted = tx.all(_AHEAD_SQLITE, lines=json.dumps(list(lines)), **bounds)
    return [
        Ahead(
            project_id=row.project_id,
            task_id=row.task_id,
            requirement=lines[row.project_id, row.class_id],
            number=row.number,
        )
        for row in counted
    ]


def _cut(ahead: list[Ahead], surplus: int) -> tuple[Ahead, ...]:
    """Return the groups in their order, with ``surplus`` jobs less in the largest if there are too many."""
    keys = {need: need.key for need in {each.requirement for each in ahead}}
    ahead.sort(key=lambda each: (each.project_id, each.task_id, keys[each.requirement]))
    if surplus > 0:
        largest = max(range(len(ahead)), key=lambda index: ahead[index].number)
        ahead[largest] = evolve(ahead[largest], number=ahead[largest].number - surplus)
    return tuple(each for each in ahead if each.number)
