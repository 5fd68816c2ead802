"""How a worker leaves a machine that is taken away, as a batch allocation is at its end."""

from __future__ import annotations

import logging

from whatsnext_client.engine.plan import WorkPlan
from whatsnext_client.engine.records import Held
from whatsnext_client.engine.runner import Runner
from whatsnext_core.model import Cause
from whatsnext_core.scheduling import ends_in_time

_log = logging.getLogger(__name__)


class Departure:
    """When the machine is to be left, and what ends then; on a machine that stays, never and nothing.

    Times are those of the monotonic clock.
    """

    def __init__(self, plan: WorkPlan) -> None:
        self._leave_by = plan.leave_by
        self._margin = plan.margin
        self._left = False

    def moments(self) -> list[float]:
        """Return when there is something to do."""
        return [] if self._leave_by is None or self._left else [self._leave_by]

    def time_left(self, now: float) -> float | None:
        """Return how long jobs may take that begin now; None for as long as they like."""
        return None if self._leave_by is None else self._leave_by - now

    def allows(self, held: Held, now: float) -> bool:
        """Return whether an attempt that begins now surely ends before, or has no limit."""
        return ends_in_time(held.longest, self.time_left(now))

    def begin(self, now: float, runner: Runner) -> bool:
        """If it is time, ask all that runs to end, once; returns whether it is time, so that no more is taken."""
        if self._leave_by is None or now < self._leave_by:
            return False
        if not self._left:
            self._left = True
            _log.warning("This machine is taken away in %.0f seconds; leaving", self._margin)
            for held in list(runner.live.values()):
                held.leaving = held.stopping is None
                runner.stop(held, Cause.LOST)
        return True


__all__ = ["Departure"]
