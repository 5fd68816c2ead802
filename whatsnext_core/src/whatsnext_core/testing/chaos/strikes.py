"""What goes wrong during a chaos run, and when: planned from a seed before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import Final

from attrs import frozen


class Blow(StrEnum):
    """One thing that goes wrong."""

    KILL_WORKER = "kill worker"
    """SIGKILL to the worker; its jobs go on, and one of the same name starts later."""
    KILL_MACHINE = "kill machine"
    """SIGKILL to the worker and to all that it started, as when the power fails; it starts again later."""
    KILL_SERVER = "kill server"
    """SIGKILL to a server, or to one of its processes if it has several; it starts again later."""
    KILL_DATABASE = "kill database"
    """SIGKILL to the database, which starts again later."""
    FREEZE_WORKER = "freeze worker"
    """SIGSTOP to a worker, and SIGCONT later."""
    FREEZE_SERVER = "freeze server"
    """SIGSTOP to a server, and SIGCONT later."""
    CUT = "cut"
    """All connections of one link break, and none is made for a while."""
    SLOW = "slow"
    """What goes through a link arrives late."""
    DEAF = "deaf"
    """No answer comes through a link, though the requests arrive; then its connections break."""
    HALF_CLOSE = "half-close"
    """The answering half of a link's connections is closed while requests are on their way."""

    @property
    def kills(self) -> bool:
        """Return whether it ends a process."""
        return self in KILLS


KILLS: Final = frozenset({Blow.KILL_WORKER, Blow.KILL_MACHINE, Blow.KILL_SERVER, Blow.KILL_DATABASE})


@frozen(kw_only=True)
class Strike:
    """A blow, and whom it meets."""

    pause: float
    """Seconds after the one before."""
    blow: Blow
    """What goes wrong."""
    victim: int
    """Number of the worker, server or link that it meets; modulo how many there are."""
    lasts: float
    """Seconds until it is mended."""

    def __str__(self) -> str:
        return f"{self.blow} {self.victim} for {self.lasts:.2f} s"


WEIGHTS: Final = {
    Blow.KILL_WORKER: 8,
    Blow.KILL_MACHINE: 3,
    Blow.KILL_SERVER: 6,
    Blow.KILL_DATABASE: 4,
    Blow.FREEZE_WORKER: 4,
    Blow.FREEZE_SERVER: 3,
    Blow.CUT: 3,
    Blow.SLOW: 2,
    Blow.DEAF: 3,
    Blow.HALF_CLOSE: 3,
}
OTHERS: Final = 0.5
"""Blows that kill nobody, for each that does."""
LONG: Final = 0.2
"""How many of the blows last longer than a lease."""


def plan_strikes(
    dice: Random, kills: int, *, lease: float, pause: float, has_database: bool, short: bool = False
) -> Sequence[Strike]:
    """Return so many kills and half as many other blows, in an order of chance; the same for the same dice.

    Args:
        dice: What decides.
        kills: How many processes are killed, at least.
        lease: Seconds that a lease lasts.
        pause: Seconds between two blows, on average.
        has_database: Whether there is a database that can be killed by itself.
        short: Whether only few blows last longer than a lease, so that the run is soon over.
    """
    killing = [blow for blow in WEIGHTS if blow.kills and (has_database or blow is not Blow.KILL_DATABASE)]
    other = [blow for blow in WEIGHTS if not blow.kills]
    blows = [*_each_then_any(dice, killing, kills), *_each_then_any(dice, other, round(kills * OTHERS))]
    dice.shuffle(blows)
    long = LONG / 2 if short else LONG
    return [
        Strike(
            pause=pause * dice.uniform(0.3, 1.7),
            blow=blow,
            victim=dice.randrange(1_000),
            lasts=lease * (dice.uniform(1.1, 1.8) if dice.random() < long else dice.uniform(0.05, 0.5)),
        )
        for blow in blows
    ]


def _each_then_any(dice: Random, blows: Sequence[Blow], number: int) -> list[Blow]:
    """Return each blow once, in an order of chance, and then any of them by weight."""
    first = dice.sample(blows, len(blows))[:number]
    return first + dice.choices(blows, [WEIGHTS[blow] for blow in blows], k=number - len(first))
