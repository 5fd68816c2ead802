"""The contract of resource probes: what a machine has to offer.

A probe is asked in the client's process, with a time limit; one that raises or hangs costs a warning and contributes
nothing. Probes add up: CPUs and memory are the smallest that any of them reports, devices and labels all of them.
"""

from __future__ import annotations

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
    """Accelerators; ``free`` is 0 for one that others use."""
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
