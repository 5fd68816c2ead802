"""A cursor: how far something that follows the events has come, and which server moves it."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen


@frozen(kw_only=True)
class Cursor:
    """A named place in the numbers of events, kept in the database. One server at a time holds it by a lease."""

    name: str
    """What it is called: the name of the notifier whose cursor it is."""
    place: int
    """Number of the last event that was dealt with."""
    holder: str | None
    """Who holds it: an id that a server process gave itself; None once that gave it back."""
    expires_at: datetime | None
    """When the lease lapses, in UTC; None without a holder."""
    seen_at: datetime
    """When a holder was last heard of, in UTC."""
    failures: int = 0
    """How often in a row what lies behind it could not be dealt with."""
    error: str = ""
    """Why not, the last time; empty if nothing failed since it moved."""

    def is_free_for(self, holder: str, now: datetime) -> bool:
        """Return whether ``holder`` may take it: it is nobody's, its own already, or its lease has lapsed."""
        return self.holder in {None, holder} or self.expires_at is None or self.expires_at <= now
