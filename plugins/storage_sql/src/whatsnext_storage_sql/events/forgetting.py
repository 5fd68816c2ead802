"""Removing events of jobs, also out of the midst of runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import bindparam, delete, select

from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.events.events import of_jobs
from whatsnext_storage_sql.events.runs import COLUMNS, members, runs_of
from whatsnext_storage_sql.models.types import to_micros
from whatsnext_storage_sql.tables import EVENT

_SINGLE = (EVENT.c.jobs == 1, among(EVENT.c.job_id, "ids"))
_FORGET = delete(EVENT).where(*_SINGLE)
_FORGET_OLD = _FORGET.where(EVENT.c.at < bindparam("before"))
_RUNS = select(EVENT).where(EVENT.c.jobs > 1)
_OLD_RUNS = _RUNS.where(EVENT.c.at < bindparam("before"))


def forget(tx: Transaction, job_ids: Collection[int], before: datetime | None = None) -> None:
    """Remove the events of jobs; those from before a time, if one is given. Other events keep their numbers."""
    parameters = {"ids": list(job_ids)} if before is None else {"ids": list(job_ids), "before": before}
    tx.run(_FORGET if before is None else _FORGET_OLD, parameters)
    runs = tx.all((_RUNS if before is None else _OLD_RUNS).where(of_jobs(tx)), **parameters)
    kept = []
    for row in runs:
        said = (row.kind, to_micros(row.at), row.data)
        ahead = row.id - (row.job_id + row.jobs - 1)  # of its job is each event's number
        rest = runs_of((row.project_id, job_id, *said) for _, job_id in members(row) if job_id not in job_ids)
        kept += [(run[2] + run[0] - 1 + ahead, *run) for run in rest]
    tx.delete(EVENT, ("id",), [(row.id,) for row in runs])
    tx.insert(EVENT, ("id", *COLUMNS), kept)


def oldest(tx: Transaction, job_ids: Collection[int]) -> Mapping[int, datetime]:
    """Return from when the oldest event is of those of the jobs that still have one."""
    found: dict[int, datetime] = {}
    for row in tx.all(select(EVENT).where(of_jobs(tx)), ids=list(job_ids)):
        for _, job_id in members(row):
            if job_id in job_ids:
                found[job_id] = min(found.get(job_id, row.at), row.at)
    return found
