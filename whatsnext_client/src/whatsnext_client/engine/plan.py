"""What a worker shall do: which jobs it takes, with what, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import evolve, frozen

from whatsnext_core.model import Capacity
from whatsnext_core.model.limits import MAX_CPU
from whatsnext_core.probing import Probe
from whatsnext_core.resources import WHOLE, numbered_devices

PRETENDED: Final = 64
"""Accelerators that jobs may need at most of a worker that takes them whatever they need."""


@frozen(kw_only=True)
class WorkPlan:
    """What a worker shall do."""

    total: Capacity
    """What it offers."""
    project_names: Mapping[int, str]
    """The projects whose jobs it takes, id to name; empty for all."""
    run_forever: bool = False
    """Whether it waits for more when the queue is empty."""
    poll_interval: float = 5.0
    """Seconds between two looks whether a queue with nothing for this worker is worth waiting for."""
    use_resource_filter: bool = True
    """Whether jobs are taken by what they need; if not, as many at once as there are CPUs."""
    idle_time: float | None = None
    """Seconds without a job after which it leaves; None for never."""
    lifetime: float | None = None
    """Seconds after which it takes no more jobs; None for never."""
    ends_at: float | None = None
    """When the machine is taken away, by the monotonic clock; None for never."""
    margin: float = 60.0
    """Seconds before that at which it takes no more jobs, and ends those that run: they return to the queue. Longer
    than jobs take to end when they are asked to."""
    cpu_ids: tuple[int, ...] = ()
    """The CPUs that it deals out, by number, at least as many as it offers; empty if it pins nothing."""
    patience: float = 300.0
    """Seconds that it waits for a server that is away, when nothing runs any more and it shall not run for ever."""
    farewell: float = 10.0
    """Seconds that it waits for such a server, or for output to be sent, when it leaves."""

    probe: Probe | None = None
    """What measures the devices while it works; None if only it uses them."""
    probe_interval: float = 10.0
    """Seconds between two measurements."""

    @property
    def watches(self) -> bool:
        """Whether devices are dealt out that others might use."""
        return self.probe is not None and self.use_resource_filter and bool(self.total.devices)

    @property
    def room(self) -> Capacity:
        """What its jobs find when none of them runs, whatever others do."""
        return self.without(frozenset()) if self.watches else self.total

    def without(self, taken: frozenset[str]) -> Capacity:
        """Return what there is while others use these devices, and leave the others alone."""
        devices = tuple(
            evolve(device, free=0 if device.id in taken else device.free or WHOLE) for device in self.total.devices
        )
        return evolve(self.total, devices=devices)

    @property
    def leave_by(self) -> float | None:
        """When it takes no more jobs, by the monotonic clock, because the machine is taken away soon after."""
        return None if self.ends_at is None else self.ends_at - self.margin

    @property
    def offered(self) -> Capacity:
        """What the server is told that there is."""
        if self.use_resource_filter:
            return self.total
        return evolve(self.total, cpu=MAX_CPU, memory=None, devices=numbered_devices(PRETENDED))
