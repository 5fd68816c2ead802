"""When a worker leaves by itself: after its lifetime, long without a job, or because its machine is taken away."""

from __future__ import annotations

import logging

from whatsnext_client.engine.plan import WorkPlan
from whatsnext_client.engine.records import Held
from whatsnext_client.engine.runner import Runner
from whatsnext_core.model import Cause
from whatsnext_core.scheduling import ends_in_time

_log = logging.getLogger(__name__)


class Departure:
    """When the worker is to leave, and what ends then.

    On a machine that is taken away, as a batch allocation is at its end, all that runs is asked to end in time; other
    reasons only keep it from taking more. Times are those of the monotonic clock.

    Args:
        plan: How long it may stay.
        now: When it began.
    """

    def __init__(self, plan: WorkPlan, now: float) -> None:
        self._leave_by = plan.leave_by
        self._margin = plan.margin
        self._idle_time = plan.idle_time
        self._lived_by = None if plan.lifetime is None else now + plan.lifetime
        self._busy_at = now
        self._left = False

    def busy(self, now: float) -> None:
        """Note that there is a job now."""
        self._busy_at = now

    def moments(self, *, draining: bool) -> list[float]:
        """Return when there is something to do; one that drains already only has to leave its machine in time."""
        found = [] if self._left else [self._leave_by]
        if not draining:
            found += [self._lived_by, None if self._idle_time is None else self._busy_at + self._idle_time]
        return [moment for moment in found if moment is not None]

    def time_left(self, now: float) -> float | None:
        """Return how long jobs may take that begin now; None for as long as they like."""
        return None if self._leave_by is None else self._leave_by - now

    def allows(self, held: Held, now: float) -> bool:
        """Return whether an attempt that begins now surely ends before, or has no limit."""
        return ends_in_time(held.longest, self.time_left(now))

    def begin(self, now: float, runner: Runner) -> bool:
        """Return whether it is time to take no more; if the machine is to be left, ask all that runs to end, once."""
        if self._leave_by is None or now < self._leave_by:
            idle = self._idle_time is not None and now > self._busy_at + self._idle_time
            return idle or (self._lived_by is not None and now > self._lived_by)
        if not self._left:
            self._left = True
            _log.warning("This machine is taken away in %.0f seconds; leaving", self._margin)
            for held in list(runner.live.values()):
                held.leaving = held.stopping is None
                runner.stop(held, Cause.LOST)
        return True


__all__ = ["Departure"]
