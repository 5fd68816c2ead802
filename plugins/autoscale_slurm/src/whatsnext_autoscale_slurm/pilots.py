"""What pilots are: workers that are jobs of Slurm. Values only."""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import Final, Self

from attrs import frozen

from whatsnext_core.model import Capacity, Device

MEBIBYTE: Final = 2**20
MARK: Final = "whatsnext-pilot"
"""How the comments of pilots begin, by which they are found again."""
_COMMENT: Final = re.compile(rf"{MARK}:([\w-]+):([\w-]+):(\d+)c(\d+)m(\d+)g(\d+)s")


@frozen(kw_only=True)
class Shape:
    """What a pilot has."""

    cpus: int
    """CPUs."""
    memory: int
    """Mebibytes of memory."""
    gpus: int
    """GPUs."""
    minutes: int
    """Minutes that it may run."""

    def capacity(self, kind: str, labels: frozenset[str]) -> Capacity:
        """Return what its worker offers, with GPUs of a kind."""
        devices = tuple(Device(id=str(number), kind=kind) for number in range(self.gpus))
        return Capacity(cpu=self.cpus, memory=self.memory * MEBIBYTE, devices=devices, labels=labels)

    def __str__(self) -> str:
        parts = [f"{self.cpus} CPU{'s' * (self.cpus != 1)}", f"{self.memory} MiB"]
        parts += [f"{self.gpus} GPU{'s' * (self.gpus != 1)}"] if self.gpus else []
        return f"{', '.join(parts)} for {self.minutes} min"


class PilotState(Enum):
    """Where a pilot stands on Slurm."""

    PENDING = "pending"
    """It waits in Slurm's queue."""
    RUNNING = "running"
    ENDED = "ended"
    """It ended as it should: idle, drained, at its end, or cancelled."""
    FAILED = "failed"
    """It ended otherwise."""

    @property
    def is_live(self) -> bool:
        """Whether it has not ended."""
        return self in (PilotState.PENDING, PilotState.RUNNING)


@frozen(kw_only=True)
class Pilot:
    """A worker that is a job of Slurm, or was one."""

    id: str
    """Its id on the server."""
    job: str
    """Its id on Slurm."""
    shape: Shape
    """What it has."""
    state: PilotState
    """Where it stands."""
    submitted_at: float = 0.0
    """When it was submitted, in seconds since 1970."""
    started_at: float | None = None
    """When it started, in seconds since 1970; None if it has not."""
    ended_at: float | None = None
    """When it ended, in seconds since 1970; None if it has not."""
    reason: str = ""
    """Why it waits, or how it ended, in Slurm's words."""
    works: bool = False
    """Whether the server knows it as an active worker, or did once."""


def comment(name: str, pilot_id: str, shape: Shape) -> str:
    """Return the comment by which a pilot is found again, and what it has is known."""
    return f"{MARK}:{name}:{pilot_id}:{shape.cpus}c{shape.memory}m{shape.gpus}g{shape.minutes}s"


@frozen(kw_only=True)
class Tag:
    """What such a comment says."""

    name: str
    """The name of the autoscaler that submitted it."""
    id: str
    """The pilot's id on the server."""
    shape: Shape
    """What it has."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return what a comment says; None if it is not that of a pilot."""
        found = _COMMENT.fullmatch(text)
        if found is None:
            return None
        cpus, memory, gpus, minutes = map(int, found.groups()[2:])
        shape = Shape(cpus=cpus, memory=memory, gpus=gpus, minutes=minutes)
        return cls(name=found[1], id=found[2], shape=shape)


def minutes(seconds: float) -> int:
    """Return whole minutes that are at least so long."""
    return max(1, math.ceil(seconds / 60))
