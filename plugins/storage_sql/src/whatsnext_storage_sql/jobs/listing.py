"""Under which status ``listing`` has a job, and which jobs have one status where it does not tell them apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, literal_column, select

from whatsnext_core.model import JobStatus
from whatsnext_core.model.limits import MAX_PRIORITY
from whatsnext_core.storage import JobOrder
from whatsnext_storage_sql.connection.dialects import among_found
from whatsnext_storage_sql.tables import JOB, LEASE, LISTING

OPEN: Final = "OPEN"
"""What ``listing`` calls a job that is PENDING, QUEUED or RUNNING: a claim changes nothing there."""
HELD_STATUSES: Final = frozenset(status for status in JobStatus if status.is_live)
"""Those of jobs with a lease."""
_OPEN_STATUSES: Final = HELD_STATUSES | {JobStatus.PENDING}
LISTED: Final[Mapping[JobStatus, str]] = {
    status: OPEN if status in _OPEN_STATUSES else status.value for status in JobStatus
}
"""The status that ``listing`` gives a job."""
LISTING_KEYS: Final = ("project_id", "status", "job_id")

# With an offset, PostgreSQL looks for the lease of a row at a time, in the order of the rows. Else it makes a join of
# it, which compares each row with each lease as long as it does not know how many there are.
_HELD = select(LEASE.c.job_id).where(LEASE.c.job_id == LISTING.c.job_id).offset(literal_column("0")).exists()
PENDING: ColumnElement[bool] = and_(LISTING.c.status == OPEN, ~_HELD)
"""Holds for a row of ``listing`` whose job is PENDING: an open one that nobody holds."""
# The words of the index that has open jobs in the order of the queue. They stand in the statement as they are, or a
# plan for all parameters could not go by it. The second holds for every job; it keeps other lists out of the index,
# all of whose rows PostgreSQL would sort if it took them for few, since it is smaller than the key.
_OPEN_BY_PRIORITY: ColumnElement[bool] = and_(
    LISTING.c.status == literal_column(f"'{OPEN}'"), LISTING.c.neg_priority <= literal_column(str(MAX_PRIORITY))
)

Number: TypeAlias = ColumnElement[int]


def range_with(status: JobStatus, wanted: frozenset[JobStatus]) -> frozenset[JobStatus]:
    """Return which of the wanted statuses, this one among them, are looked for at once."""
    for together in (_OPEN_STATUSES, HELD_STATUSES):
        if status in together and together <= wanted:
            return together
    return frozenset({status})


def jobs_in(
    project_id: int | None, statuses: frozenset[JobStatus], order: JobOrder
) -> tuple[Select[Any], Number, Number]:
    """Select ``id`` and ``neg_priority`` of a project's jobs in a set of statuses that ``range_with`` returned.

    The columns of both come with it. Held jobs, for which None stands for all projects, are found by their leases, of
    which there are only as many as the clients have room for.
    """
    number: Number
    neg_priority: Number
    if statuses <= HELD_STATUSES:
        number, neg_priority = JOB.c.id, -JOB.c.priority
        wanted = JOB.c.status.in_(sorted(status.value for status in statuses))
        within = and_(among_found(number, select(LEASE.c.job_id)), wanted)
        if project_id is not None:
            within = and_(within, JOB.c.project_id == project_id)
    else:
        number, neg_priority = LISTING.c.job_id, LISTING.c.neg_priority
        (name,) = {LISTED[status] for status in statuses}
        in_queue_order = name == OPEN and order is JobOrder.QUEUE
        within = and_(
            LISTING.c.project_id == project_id, _OPEN_BY_PRIORITY if in_queue_order else LISTING.c.status == name
        )
        if statuses == {JobStatus.PENDING}:
            within = and_(within, ~_HELD)
    return select(number.label("id"), neg_priority.label("neg_priority")).where(within), number, neg_priority
