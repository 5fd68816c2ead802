"""What of a worker is free: for the server, that deals it out, and for the next job, that takes it."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from whatsnext_core.model import Allocation, Capacity
from whatsnext_core.model.limits import MAX_CPU, MAX_MEMORY
from whatsnext_core.resources import WHOLE


def remaining(
    total: Capacity, allocations: Iterable[Allocation], *, extra_cpu: int = 0, extra_memory: int = 0
) -> Capacity:
    """Return what is left of ``total``, with CPUs and memory added that jobs may be kept in stock for.

    Devices are never added: each is given out once.
    """
    cpu, memory = total.cpu + extra_cpu, (total.memory or 0) + extra_memory
    free = {device.id: device.free for device in total.devices}
    for allocation in allocations:
        cpu -= allocation.cpu
        memory -= allocation.memory
        for share in allocation.devices:
            if share.device in free:
                free[share.device] = min(WHOLE, max(0, free[share.device] - share.millis))
    return evolve(
        total,
        cpu=min(MAX_CPU, max(0, cpu)),
        memory=None if total.memory is None else min(MAX_MEMORY, max(0, memory)),
        devices=tuple(
            device if free[device.id] == device.free else evolve(device, free=free[device.id])
            for device in total.devices
        ),
    )


def covers(free: Capacity, allocation: Allocation) -> bool:
    """Return whether this very allocation can be taken from what is free."""
    if allocation.cpu > free.cpu or (free.memory is not None and allocation.memory > free.memory):
        return False
    left = {device.id: device.free for device in free.devices}
    return all(left.get(share.device, WHOLE) >= share.millis for share in allocation.devices)
