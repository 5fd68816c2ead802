"""Whether a server was there to renew leases: nobody loses a job because nobody could take in that it still runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import evolve, frozen

STEPS: Final = 4
"""A new time is noted when so many of them would make up the gap that counts as an absence."""


@frozen
class Attendance:
    """What a storage keeps of the servers that work with it."""

    at: datetime
    """When a server was last noted to be there."""
    lapses_from: datetime | None = None
    """Until when no lease lapses, because there was no server for a while before; None if there always was one."""

    def earliest_lapse(self, now: datetime) -> datetime:
        """Return the earliest time at which a lease may lapse that could do so now."""
        return now if self.lapses_from is None else max(now, self.lapses_from)


def attend(before: Attendance | None, now: datetime, *, gap: timedelta, grace: timedelta) -> Attendance:
    """Return what is known when a server is there at ``now``: ``before`` itself if that is recent enough.

    After an absence of more than ``gap`` no lease lapses for ``grace``. A clock that was set back is no absence.
    """
    if before is None:
        return Attendance(now)
    away = now - before.at
    if away > gap:
        return Attendance(now, now + grace)
    if away >= gap / STEPS or away < timedelta(0):
        return evolve(before, at=now)
    return before


def absence(before: Attendance | None, after: Attendance) -> timedelta | None:
    """Return how long no server was there, if ``attend`` found that between the two; None otherwise."""
    if before is None or before.lapses_from == after.lapses_from:
        return None
    return after.at - before.at
