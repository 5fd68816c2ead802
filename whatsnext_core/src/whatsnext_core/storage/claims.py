"""What a claim, a reap and a settling ask of the storage, and what they report."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import field, frozen

from whatsnext_core.scheduling import Offer

SUBMISSION_LASTS = timedelta(days=1)
"""How long a batch may stay unpublished before it is taken for abandoned."""

UPLOAD_LASTS = timedelta(days=1)
"""How long after its last bytes a file that is not whole yet is kept."""


@frozen(kw_only=True)
class ClaimRequest:
    """A client asks for jobs."""

    offer: Offer
    """What it offers, and how many jobs it takes at most."""
    project_ids: tuple[int, ...] | None = None
    """Only jobs of these projects; None for all."""
    client_id: str | None = None
    """The client; None for a documented fetch that names none."""
    session_id: str | None = None
    """The client's process; None for a documented fetch."""
    request: int | None = None
    """The number of the sync request in its session, which finds the attempts again if the answer was lost."""
    lease: timedelta | None = None
    """How long the lease is; None for a claim that never lapses (the documented fetch, which cannot renew)."""
    reserve_after: timedelta = timedelta(minutes=5)
    """How long a job that fits only the client's total waits before the client drains for it."""


@frozen(kw_only=True)
class Renewal:
    """What became of the leases that a session wanted to renew."""

    renewed: tuple[tuple[int, int], ...] = field(default=())
    """(job id, fence) of those that it still holds, now for one more lease."""
    gone: tuple[tuple[int, int], ...] = field(default=())
    """(job id, fence) of those that it does not hold any more: it must kill them and report nothing."""
    cancel: tuple[tuple[int, int], ...] = field(default=())
    """(job id, fence) among the renewed ones that it shall cancel."""


@frozen(kw_only=True)
class Settled:
    """What one small step of housekeeping did."""

    steps: int
    """How many things it settled; 0 when nothing was due."""
    more: bool
    """Whether more is due at once."""
    next_at: datetime | None
    """When the next thing falls due (a lease, a back-off), in UTC; None if nothing waits for a time."""
