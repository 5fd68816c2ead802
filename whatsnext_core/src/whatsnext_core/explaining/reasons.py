"""What an explanation says: reasons with a code and words, and an estimate."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from whatsnext_core.model.status import JobStatus


class ReasonCode(StrEnum):
    """What kind of thing a reason is, for programs."""

    ARCHIVED = "archived"
    """The project hands out no jobs."""
    DEPENDENCY = "dependency"
    """It waits for another job, or can never run because of one."""
    BACK_OFF = "back-off"
    """An attempt failed, and the next one may start only later."""
    SETTLING = "settling"
    """The server is about to bring it into the queue."""
    NO_CLIENT = "no-client"
    """No client takes jobs."""
    UNKNOWN_LABEL = "unknown-label"
    """It asks for a label that no client carries."""
    DOES_NOT_FIT = "does-not-fit"
    """No client that takes jobs has what it needs, even with nothing else running there."""
    OFFLINE = "offline"
    """Clients that would fit have not been heard of for a while."""
    INACTIVE = "inactive"
    """Clients that would fit were taken out of service."""
    DRAINING = "draining"
    """Clients that would fit take no more jobs."""
    OTHER_PROJECTS = "other-projects"
    """Clients that would fit serve other projects only."""
    LEAVING = "leaving"
    """Clients that would fit are taken away before it would surely end."""
    QUEUE = "queue"
    """It is ready, and this is its place."""
    NEXT = "next"
    """A client has room for it now."""
    BUSY = "busy"
    """What it needs is not free on any client that has it."""
    RESERVED = "reserved"
    """A client drains for it."""
    RESERVED_ELSEWHERE = "reserved-elsewhere"
    """A client drains for another job."""
    LACKS = "lacks"
    """Some clients lack what it needs; others have it."""
    LAST_ATTEMPT = "last-attempt"
    """An earlier attempt did not succeed."""
    ESTIMATE = "estimate"
    """When it may start."""
    NO_ESTIMATE = "no-estimate"
    """Why that cannot be told."""
    CANCELLING = "cancelling"
    """Somebody cancelled it, and its client has yet to confirm that it ended."""
    CLAIMED = "claimed"
    """A client has it and has not reported its start."""
    ENGINE = "engine"
    """It waits in the own queue of the client's engine."""
    RUNNING = "running"
    """It runs."""
    SILENT = "silent"
    """Its client has not been heard of for a while."""
    COMPLETED = "completed"
    """Its command succeeded."""
    FAILED = "failed"
    """Its last attempt did not succeed."""
    ATTEMPTS = "attempts"
    """Why it is not tried again."""
    CANCELLED = "cancelled"
    """Somebody cancelled it."""
    RETRY = "retry"
    """What a retry would do."""


@frozen(kw_only=True)
class Reason:
    """One thing that explains where a job stands."""

    code: str
    """What kind of thing it is, for programs; a later version may know more of them."""
    text: str
    """The same in words."""
    advice: str = ""
    """What a person can do about it; empty if there is nothing to do but wait."""
    job_ids: tuple[int, ...] = field(default=())
    """The other jobs that it is about."""
    client_ids: tuple[str, ...] = field(default=())
    """The clients that it is about, as far as they are named."""
    until: datetime | None = None
    """When that ends, in UTC, if it ends by itself at a known time."""


@frozen(kw_only=True)
class Sample:
    """The past runs of one task that an estimate rests on."""

    task_id: int
    """The task."""
    task: str
    """Its name."""
    runs: int
    """How many completed runs were looked at."""
    shortest: float
    """Seconds that they take at the least; of ten or more the shortest tenth is left out."""
    longest: float
    """Seconds that they take at the most; of ten or more the longest tenth is left out."""


@frozen(kw_only=True)
class Estimate:
    """When a ready job may start, as a range."""

    earliest: datetime
    """Not before this time, in UTC."""
    latest: datetime | None
    """Not after this time, in UTC; None if that cannot be told."""
    samples: tuple[Sample, ...] = field(default=())
    """What it rests on."""


@frozen(kw_only=True)
class Explanation:
    """Why a job stands where it stands."""

    job_id: int
    """The job."""
    name: str
    """Its name."""
    status: JobStatus
    """Where it stands."""
    at: datetime
    """When that was so, in UTC."""
    reasons: tuple[Reason, ...]
    """Why, the weightiest first; there is always one."""
    place: int | None = None
    """Ready jobs that stand before it in the order in which claims take them; None for a job that is not ready."""
    place_is_exact: bool = True
    """Whether that is all of them; otherwise there are more."""
    estimate: Estimate | None = None
    """When it may start; None if it is not ready, or there are too few past runs to tell."""


def reason(  # the fields of a reason
    code: ReasonCode,
    text: str,
    advice: str = "",
    *,
    jobs: Iterable[int] = (),
    clients: Iterable[str] = (),
    until: datetime | None = None,
) -> Reason:
    """Return a reason."""
    return Reason(
        code=code.value, text=text, advice=advice, job_ids=tuple(jobs), client_ids=tuple(clients), until=until
    )
