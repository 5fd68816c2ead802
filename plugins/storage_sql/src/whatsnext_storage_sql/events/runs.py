"""How events are kept: those that say the same of jobs with consecutive ids are one row, a run.

A batch of 500 jobs is submitted, claimed and finished in three events for each, and these are most of what a database
would have to write of it. A run has the number of the last of its events; the others have those before it, in the order
of their jobs. So whoever reads on after a number finds the run that this number is in the midst of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from sqlalchemy import Dialect, Row, text

from whatsnext_storage_sql.connection.bulk import inserting, selecting
from whatsnext_storage_sql.connection.direct import Order, Query
from whatsnext_storage_sql.tables import EVENT

BLOCK = 256
"""No run goes on to a job whose id is a multiple of this, so that the runs which may hold a job are found."""

EventRow: TypeAlias = tuple[int, int, str, int, str | None]
"""An event of one job: project, job, kind, microseconds since 1970, data as JSON text."""
RunRow: TypeAlias = tuple[int, int, int, str, int, str | None]
"""A run: number of jobs, project, the first job, kind, microseconds since 1970, data as JSON text."""

COLUMNS = ("jobs", "project_id", "job_id", "kind", "at", "data")

# A number is given to each event of a run, and the row has the last of them.
_LAST_SQLITE = "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)"
_NUMBERED_SQLITE = (
    "INSERT INTO event (id, jobs, project_id, job_id, kind, at, data) "  # noqa: S608 - of constants
    f"VALUES ({_LAST_SQLITE} + ?1, ?1, ?2, ?3, ?4, ?5, ?6)"
)
_NUMBER_POSTGRESQL = "setval('event_id_seq', nextval('event_id_seq') + jobs - 1)"
_NUMBERED_POSTGRESQL = (
    "INSERT INTO event (id, jobs, project_id, job_id, kind, at, data) "  # noqa: S608 - of constants
    f"SELECT {_NUMBER_POSTGRESQL}, jobs, project_id, job_id, kind, at, data FROM "
)
_TELLING = """
    INSERT INTO event (id, jobs, project_id, job_id, kind, at, data)
    SELECT {number}, jobs, project_id, first, :kind, :at, :data FROM (
        SELECT project_id, min(id) AS first, count(*) AS jobs FROM (
            SELECT id, project_id, id - row_number() OVER (ORDER BY id) AS island {jobs}
        ) AS each GROUP BY project_id, island, id / {block} ORDER BY first
    ) AS run ORDER BY first
"""


def inserting_events(dialect: Dialect, events: Iterable[EventRow]) -> Order | None:
    """Return what writes events in their order, with numbers above those of all others."""
    rows = runs_of(events)
    if all(row[0] == 1 for row in rows):
        return inserting(dialect, EVENT, COLUMNS, rows)
    if dialect.name == "sqlite":
        return Order(_NUMBERED_SQLITE, rows)
    given, arrays = selecting(EVENT, COLUMNS, rows)
    return Order(_NUMBERED_POSTGRESQL + given, [arrays])


def telling(jobs: str, *, is_postgresql: bool) -> Query:
    """Return the statement that writes an event of each of some jobs, given as SQL, with a kind, a time and data."""
    number = _NUMBER_POSTGRESQL if is_postgresql else f"{_LAST_SQLITE} + sum(jobs) OVER (ORDER BY first)"
    return Query(text(_TELLING.format(number=number, jobs=jobs, block=BLOCK)))


def runs_of(events: Iterable[EventRow]) -> list[RunRow]:
    """Return events as rows, in their order."""
    runs: list[RunRow] = []
    begin = end = 0
    said: tuple[Any, ...] | None = None
    for project_id, job_id, kind, at, data in events:
        saying = (project_id, kind, at, data)
        if job_id == end and end % BLOCK and saying == said:
            end += 1
            continue
        if said is not None:
            runs.append((end - begin, said[0], begin, *said[1:]))
        begin, end, said = job_id, job_id + 1, saying
    if said is not None:
        runs.append((end - begin, said[0], begin, *said[1:]))
    return runs


def members(row: Row[Any]) -> Iterator[tuple[int, int]]:
    """Come to the number and the job of each event in a row."""
    first = row.id - row.jobs + 1
    return zip(range(first, row.id + 1), range(row.job_id, row.job_id + row.jobs), strict=True)
