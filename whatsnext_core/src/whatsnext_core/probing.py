"""The contract of resource probes: what a machine has to offer.

A probe is asked in the client's process, with a time limit; one that raises or hangs costs a warning and contributes
nothing. Probes add up: CPUs and memory are the smallest that any of them reports, devices and labels all of them, but
devices without a kind only if none has one.

A probe that reports devices is asked again every few seconds while the worker runs, so that a device is not dealt out
while others use it: the device is not free then, and its users are named, among whom the worker knows its own jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, runtime_checkable

from attrs import field, frozen

from whatsnext_core.model import limits
from whatsnext_core.model.client import Device


@frozen(kw_only=True)
class Measurement:
    """What one probe found; None and empty mean that it says nothing of that kind."""

    cpu: int | None = None
    """CPUs that this process may use."""
    cpu_ids: tuple[int, ...] = field(default=())
    """Numbers of these CPUs, for pinning."""
    memory: int | None = None
    """Main memory in bytes that this process may use."""
    devices: tuple[Device, ...] = field(default=())
    """Accelerators; ``free`` is 0 for one that is in use."""
    users: Mapping[str, tuple[int, ...]] = field(factory=dict)
    """The processes that use a device, by its id, as far as they are known; a worker's own jobs may be among them."""
    labels: frozenset[str] = field(default=frozenset(), converter=limits.as_labels)
    """Labels that the machine deserves (``os=linux``)."""
    ends_at: datetime | None = None
    """When this machine will be taken away (the end of a batch allocation), in UTC."""


@runtime_checkable
class Probe(Protocol):
    """Something that measures the machine it runs on."""

    def measure(self) -> Measurement:
        """Return what there is now. May raise; may be called from any thread, again and again."""
        ...
