"""An event: one change of one job, numbered, for whoever follows along.

Every change of a job's status is exactly one event. The kinds and the keys of their data are decided here, so that
every storage backend tells the same story.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from whatsnext_core.model.status import Cause, JobStatus, ReadInAnyCase


class EventKind(ReadInAnyCase):
    """What happened to a job.

    Data in brackets; ``from`` and ``to`` are statuses, and a key without a value is left out.
    """

    SUBMITTED = "submitted"
    """It was submitted (to: PENDING or BLOCKED); for a batch written in steps, when it enters the queue."""
    CLAIMED = "claimed"
    """A client claimed it (from, to, fence, client)."""
    STARTED = "started"
    """It runs (from, to, fence, client)."""
    COMPLETED = "completed"
    """It succeeded (from, to, fence, client, exit_code)."""
    FAILED = "failed"
    """It failed for good (from, to, fence, client, cause, exit_code)."""
    RETRYING = "retrying"
    """An attempt failed and it will be tried again (from, to, fence, client, cause, exit_code, delay in seconds)."""
    LOST = "lost"
    """An attempt was lost and it will be tried again (from, to, fence, client, cause)."""
    RELEASED = "released"
    """It was given back unfinished, by a person or by its client (from, to, fence, client)."""
    CANCEL_REQUESTED = "cancel-requested"
    """A person cancelled it while a client holds it; its status stays (fence, client)."""
    CANCELLED = "cancelled"
    """It was cancelled (from, to, cause; fence, client, exit_code if an attempt ended with it)."""
    BLOCKED = "blocked"
    """A dependency can never be met (from, to)."""
    UNBLOCKED = "unblocked"
    """All its dependencies may be met again (from, to)."""
    RETRIED = "retried"
    """A person brought it back (from, to)."""
    UPDATED = "updated"
    """A person changed fields other than its status (fields: their names, sorted)."""
    DELETED = "deleted"
    """A person deleted it (from)."""


@frozen(kw_only=True)
class Event:
    """One change of one job."""

    id: int
    """Number of the event; a later one has a higher number."""
    project_id: int
    """The job's project."""
    job_id: int
    """The job."""
    kind: EventKind
    """What happened."""
    at: datetime
    """When, in UTC."""
    data: Mapping[str, Any] = field(factory=dict)
    """Details, by the keys that ``EventKind`` lists."""


def event_data(
    old: JobStatus | None = None,
    new: JobStatus | None = None,
    *,
    fence: int | None = None,
    client: str | None = None,
    cause: Cause | None = None,
    exit_code: int | None = None,
    delay: float | None = None,
) -> dict[str, Any]:
    """Return the data of an event as plain JSON: the keys that have a value, in this order."""
    found = {
        "from": old and old._value_,
        "to": new and new._value_,
        "fence": fence,
        "client": client,
        "cause": cause and cause._value_,
        "exit_code": exit_code,
        "delay": None if not delay else round(delay, 3),
    }
    return {key: value for key, value in found.items() if value is not None}
