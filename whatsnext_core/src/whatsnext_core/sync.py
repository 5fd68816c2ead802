"""The messages of the worker protocol, ``POST /clients/{id}/sync``.

One round trip carries the results of ended attempts, the states of running ones (which renews their leases and is the
client's heartbeat) and the wish for new jobs; the answer brings new attempts, orders for running ones, and which
results counted. A client numbers its requests within its session and repeats one with the same number if the answer was
lost: that changes nothing twice and returns the same attempts. A request that is held is answered at once when a newer
one of the same session arrives, so that a client can send a result, and then offer what it freed, while another request
waits. The server takes in a request in the order ``adopted``, ``running``, ``ended``, ``output``, ``released``, and
then looks for jobs.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from whatsnext_core.model import limits
from whatsnext_core.model.attempt import (
    Assignment,
    AttemptEnd,
    AttemptNote,
    AttemptRef,
    AttemptStart,
    EndOutcome,
    LogPiece,
)
from whatsnext_core.model.client import Capacity

MAX_WANTED = 1_000
"""Jobs that one request may ask for."""
MAX_WAIT = 60.0
"""Seconds that one request may be held."""


@frozen(kw_only=True)
class SyncRequest:
    """What a client tells and asks."""

    session_id: str = field(validator=lambda _, __, value: limits.check_client_id(value))
    """The client's process: random, new at each start."""
    request: int = field(default=0)
    """Number of the request within the session, growing; the same again for a repeat."""
    total: Capacity = field(factory=Capacity)
    """What the client has when nothing runs."""
    free: Capacity = field(factory=Capacity)
    """What of it is free, the ended attempts of this request already given back."""
    want: int = field(default=0)
    """The most new jobs to send; 0 to only report."""
    wait: float = field(default=0.0)
    """Seconds to hold the request while there is no job for it and no order to give."""
    project_ids: tuple[int, ...] | None = field(default=None)
    """Only jobs of these projects; None for all."""
    time_left: float | None = field(default=None)
    """Seconds until the client's machine is taken away, a batch allocation say, less the time that it needs to leave:
    jobs that may take longer are not sent. None if it stays."""
    running: tuple[AttemptStart, ...] = field(default=())
    """The attempts that run; those that the server does not know as started are thereby started. See ``held``."""
    held: tuple[AttemptNote, ...] = field(default=())
    """The attempts that it holds and that do not run yet: they wait for room here or in the engine's own queue. Their
    leases are renewed, and what the engine says of them is kept if it is new. A request that waits names all, and
    others need not name those that were named a moment ago: nobody infers anything from one that is not named."""
    released: tuple[AttemptRef, ...] = field(default=())
    """Attempts that it gives back without having started them: their jobs are PENDING again at once, and neither a
    failure nor a loss is counted. One that is no longer its own is passed over."""
    adopted: tuple[AttemptRef, ...] = field(default=())
    """Attempts of an earlier session of this client that it proved to run still, or whose end it can report."""
    ended: tuple[AttemptEnd, ...] = field(default=())
    """The attempts that ended and whose end was not yet confirmed."""
    output: tuple[LogPiece, ...] = field(default=())
    """What attempts have written and the server lacks, as far as it is little: with it a short job's end needs no
    request before it. Each piece counts by itself, as if it were sent to the log of its stream."""

    @request.validator
    def _check_request(self, _: object, value: int) -> None:
        limits.check_number(value, "number of the sync request", low=0, high=limits.MAX_ID)

    @project_ids.validator
    def _check_projects(self, _: object, value: tuple[int, ...] | None) -> None:
        for project_id in value or ():
            limits.check_id(project_id, "project of the sync request")

    @want.validator
    def _check_want(self, _: object, value: int) -> None:
        limits.check_number(value, "number of wanted jobs", low=0, high=MAX_WANTED)

    @time_left.validator
    def _check_time_left(self, _: object, value: float | None) -> None:
        if value is not None:
            limits.check_number(value, "time left of the sync request", low=0, high=limits.MAX_SECONDS, unit="seconds")

    @wait.validator
    def _check_wait(self, _: object, value: float) -> None:
        limits.check_number(value, "wait of the sync request", low=0, high=MAX_WAIT, unit="seconds")


class OrderKind(StrEnum):
    """What the server wants done with a running attempt, or with the client."""

    CANCEL = "cancel"
    """End it with its task's signal and grace, then report it as cancelled."""
    KILL = "kill"
    """It is not this client's any more: end it at once and report nothing."""
    DRAIN = "drain"
    """Finish what runs, take no more, and leave; names no attempt."""


@frozen(kw_only=True)
class Order:
    """One thing that the server wants done."""

    kind: OrderKind
    """What."""
    job_id: int | None = None
    """With which job; None for the client as a whole."""
    fence: int | None = None
    """With which attempt of it."""


@frozen(kw_only=True)
class SyncResponse:
    """What the server answers."""

    now: datetime
    """The server's time, in UTC; for display only."""
    lease: float
    """Seconds that a lease lasts from now."""
    interval: float
    """Seconds after which the server wants to hear from the client at the latest."""
    num_pending: int
    """Jobs that wait in the projects asked for, those included that don't fit or aren't ready."""
    assignments: tuple[Assignment, ...] = field(default=())
    """The new attempts."""
    outcomes: tuple[EndOutcome, ...] = field(default=())
    """What became of the reported ends, in their order."""
    output: tuple[int | None, ...] = field(default=())
    """For each piece of ``output``, in order, how many bytes its stream has now; None if there is no such attempt."""
    orders: tuple[Order, ...] = field(default=())
    """What shall be done."""
