"""Whether a requirement fits what a client has, and which devices it then gets. Pure, exact, in thousandths."""

from __future__ import annotations

from functools import lru_cache
from math import ceil

from attrs import evolve

from whatsnext_core.model.client import Allocation, Capacity, Device, Share, numbered_devices
from whatsnext_core.model.requirement import Requirement

WHOLE = 1000
"""Thousandths of one whole device."""


def suits(requirement: Requirement, device: Device) -> bool:
    """Return whether the device is of the kind and size asked for, free or not."""
    return (
        requirement.accelerator_kind.casefold() in device.kind.casefold()
        and device.memory >= requirement.accelerator_memory
    )


class Room:
    """What is free while jobs are chosen: a scratch copy of a capacity that can be taken from in place.

    ``ignore_cpu`` and ``ignore_accelerators`` make it give nothing, and never lack, of that kind.
    """

    __slots__ = ("_capacity", "_cpu", "_free", "_ignores_accelerators", "_ignores_cpu", "_memory")

    def __init__(self, capacity: Capacity, *, ignore_cpu: bool = False, ignore_accelerators: bool = False) -> None:
        self._capacity = capacity
        self._cpu = capacity.cpu
        self._memory = capacity.memory
        self._free = [device.free for device in capacity.devices]
        self._ignores_cpu = ignore_cpu
        self._ignores_accelerators = ignore_accelerators

    def find(self, requirement: Requirement) -> Allocation | None:
        """Return the part that the requirement gets, or None if it does not fit; nothing is taken.

        A share of a device goes to the fullest device that still has room for it, so that whole devices stay whole;
        whole devices are taken in the order given.
        """
        cpu = 0 if self._ignores_cpu else requirement.cpu
        if cpu > self._cpu or (self._memory is not None and requirement.memory > self._memory):
            return None
        if not requirement.labels <= self._capacity.labels:
            return None
        wanted = 0 if self._ignores_accelerators else requirement.accelerator_millis
        if wanted == 0:
            return _without_devices(cpu, requirement.memory)
        places = self._share(requirement, wanted) if wanted < WHOLE else self._whole(requirement, wanted // WHOLE)
        if places is None:
            return None
        devices, millis = self._capacity.devices, min(wanted, WHOLE)
        shares = tuple(Share(device=devices[place].id, millis=millis) for place in places)
        return Allocation(cpu=cpu, memory=requirement.memory, devices=shares)

    def take(self, allocation: Allocation, sign: int = -1) -> None:
        """Take an allocation away, or with ``sign`` 1 add it again; nothing goes below zero, no device above whole."""
        self._cpu = max(0, self._cpu + sign * allocation.cpu)
        if self._memory is not None:
            self._memory = max(0, self._memory + sign * allocation.memory)
        if allocation.devices:
            millis = {share.device: sign * share.millis for share in allocation.devices}
            for place, device in enumerate(self._capacity.devices):
                self._free[place] = min(WHOLE, max(0, self._free[place] + millis.get(device.id, 0)))

    def set_aside(self, requirement: Requirement) -> None:
        """Leave only what others may use while a client drains for a requirement that does not fit.

        Whatever is free goes to the waiting requirement first: others get the surplus, so that no job started now makes
        it wait longer.
        """
        if not self._ignores_cpu:
            self._cpu = max(0, self._cpu - requirement.cpu)
        if self._memory is not None:
            self._memory = max(0, self._memory - requirement.memory)
        wanted = 0 if self._ignores_accelerators else ceil(requirement.accelerator_millis / WHOLE)
        places = (place for place, device in enumerate(self._capacity.devices) if suits(requirement, device))
        for place in sorted(places, key=lambda place: -self._free[place])[:wanted]:
            self._free[place] = 0

    def capacity(self) -> Capacity:
        """Return what is left as a value."""
        devices = tuple(
            device if device.free == free else evolve(device, free=free)
            for device, free in zip(self._capacity.devices, self._free, strict=True)
        )
        return evolve(self._capacity, cpu=self._cpu, memory=self._memory, devices=devices)

    def _share(self, requirement: Requirement, wanted: int) -> list[int] | None:
        devices = self._capacity.devices
        room = [place for place, free in enumerate(self._free) if free >= wanted and suits(requirement, devices[place])]
        return [min(room, key=self._free.__getitem__)] if room else None

    def _whole(self, requirement: Requirement, number: int) -> list[int] | None:
        places: list[int] = []
        for place, device in enumerate(self._capacity.devices):
            if self._free[place] == WHOLE and suits(requirement, device):
                places.append(place)
                if len(places) == number:
                    return places
        return None


@lru_cache(maxsize=1024)
def _without_devices(cpu: int, memory: int) -> Allocation:
    """Return an allocation; the jobs of a batch get the same."""
    return Allocation(cpu=cpu, memory=memory)


def allocate(requirement: Requirement, free: Capacity) -> Allocation | None:
    """Return the part of ``free`` that the requirement gets as ``Room.find`` says, or None if it does not fit."""
    return Room(free).find(requirement)


def fits(requirement: Requirement, capacity: Capacity) -> bool:
    """Return whether the requirement fits the capacity."""
    return Room(capacity).find(requirement) is not None


def whole(capacity: Capacity) -> Capacity:
    """Return the capacity with all its devices free."""
    return evolve(capacity, devices=tuple(evolve(device, free=WHOLE) for device in capacity.devices))


def take(free: Capacity, allocation: Allocation) -> Capacity:
    """Return what is left of ``free`` without the allocation; nothing goes below zero."""
    room = Room(free)
    room.take(allocation)
    return room.capacity()


def give_back(free: Capacity, allocation: Allocation) -> Capacity:
    """Return ``free`` with the allocation added again."""
    room = Room(free)
    room.take(allocation, sign=1)
    return room.capacity()


def set_aside(requirement: Requirement, free: Capacity) -> Capacity:
    """Return what others may use of ``free`` as ``Room.set_aside`` says."""
    room = Room(free)
    room.set_aside(requirement)
    return room.capacity()


def shortfalls(requirement: Requirement, capacity: Capacity) -> list[tuple[str, str]]:
    """Return what the capacity lacks for the requirement, as pairs of a code and words; empty if it fits."""
    lacks: list[tuple[str, str]] = []
    if requirement.cpu > capacity.cpu:
        lacks.append(("cpu", f"needs {requirement.cpu} CPUs, has {capacity.cpu}"))
    if capacity.memory is not None and requirement.memory > capacity.memory:
        lacks.append(("memory", f"needs {requirement.memory} bytes of memory, has {capacity.memory}"))
    missing = sorted(requirement.labels - capacity.labels)
    if missing:
        lacks.append(("labels", f"lacks the labels {', '.join(missing)}"))
    devices_alone = evolve(requirement, cpu=0, memory=0, labels=frozenset())
    if not fits(devices_alone, capacity):
        found = sum(suits(requirement, device) * device.free for device in capacity.devices) / WHOLE
        kind = f" of kind {requirement.accelerator_kind}" if requirement.accelerator_kind else ""
        lacks.append(("accelerators", f"needs {requirement.accelerators:g} accelerators{kind}, has {found:g}"))
    return lacks


__all__ = [
    "WHOLE",
    "Room",
    "allocate",
    "fits",
    "give_back",
    "numbered_devices",
    "set_aside",
    "shortfalls",
    "suits",
    "take",
    "whole",
]
