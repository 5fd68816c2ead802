"""The room of a worker, as its jobs take it and leave it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from whatsnext_client.engine.pace import Pace
from whatsnext_client.engine.pinning import Pins
from whatsnext_client.engine.plan import WorkPlan
from whatsnext_client.engine.records import Held
from whatsnext_client.engine.room import covers
from whatsnext_client.engine.runner import Runner
from whatsnext_client.engine.turns import Turn, Turns
from whatsnext_core.resources import give_back, take

MARGIN: Final = 1.0
"""Seconds before the end of a lease from which on no job is started under it."""


class Places:
    """What is free of one worker, which CPUs, and who takes turns there.

    Args:
        plan: What there is.
        pace: How long jobs take.
        runner: What runs there, and whether it can be started in turn.
        taken: The devices that others use now.
    """

    def __init__(self, plan: WorkPlan, pace: Pace, runner: Runner, *, taken: Callable[[], frozenset[str]]) -> None:
        self._plan = plan
        self._runner = runner
        self._taken = taken
        self._free = plan.room
        self._unpaid: dict[str, Held] = {}
        """Attempts of an earlier process that there is no room for: they waited for their turn."""
        self._pins = Pins(plan.cpu_ids if plan.use_resource_filter else ())
        self._turns = Turns(pace, usable=runner.has_turns and plan.use_resource_filter and not plan.cpu_ids)

    def inherit(self, held: Held) -> None:
        """Note that an attempt of an earlier process of this worker has its room still, or waits for some."""
        self._unpaid[held.key] = held
        self._pay()
        self._pins.keep(held.cpu_ids)

    def admit(self, held: Held, now: float) -> bool:
        """Return whether an attempt can be started now: there is room for it, or it may wait for its turn."""
        return self._has_room(held) or self._turns.has_place(held, now, held.lease_until - MARGIN)

    def enter(self, held: Held, now: float) -> Turn | None:
        """Give an admitted attempt its room, and return what the engine is told of its turn, if it takes turns."""
        has_room = self._has_room(held)
        if has_room:
            self._free = take(self._free, held.allocation)
        if self._turns.suits(held):
            return self._turns.join(held, now, held.lease_until - MARGIN, has_room=has_room)
        held.cpu_ids = self._pins.take(held.allocation.cpu)
        return None

    def leave(self, held: Held) -> None:
        """Take back what an attempt had that has ended, or will never start."""
        if self._unpaid.pop(held.key, None) is None and self._turns.leave(held):
            self._free = give_back(self._free, held.allocation)
            self._pay()
        self._pins.give_back(held.cpu_ids)

    def _pay(self) -> None:
        """Take the room of those that have none yet, as far as there is some."""
        for held in tuple(self._unpaid.values()):
            if covers(self._free, held.allocation):
                self._free = take(self._free, held.allocation)
                del self._unpaid[held.key]

    def _has_room(self, held: Held) -> bool:
        if not self._plan.use_resource_filter:
            return len(self._runner.live) < max(1, self._plan.total.cpu)
        others_use_it = held.allocation.devices and held.devices & self._taken()
        return not others_use_it and covers(self._free, held.allocation)
