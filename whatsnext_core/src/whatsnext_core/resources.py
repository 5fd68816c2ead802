"""Whether a requirement fits what a client has, and which devices it then gets. Pure, exact, in thousandths."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

from attrs import evolve

from whatsnext_core.model.client import Allocation, Capacity, Device, Share
from whatsnext_core.model.client import numbered_devices
from whatsnext_core.model.requirement import Requirement

WHOLE = 1000
"""Thousandths of one whole device."""


def suits(requirement: Requirement, device: Device) -> bool:
    """Return whether the device is of the kind and size asked for, free or not."""
    return (
        requirement.accelerator_kind.casefold() in device.kind.casefold()
        and device.memory >= requirement.accelerator_memory
    )


def allocate(requirement: Requirement, free: Capacity) -> Allocation | None:
    """Return the part of ``free`` that the requirement gets, or None if it does not fit.

    A share of a device goes to the fullest device that still has room for it, so that whole devices stay whole; whole
    devices are taken in the order given.
    """
    if requirement.cpu > free.cpu or not requirement.labels <= free.labels:
        return None
    if free.memory is not None and requirement.memory > free.memory:
        return None
    devices = _choose(requirement, free.devices)
    if devices is None:
        return None
    return Allocation(cpu=requirement.cpu, memory=requirement.memory, devices=devices)


def fits(requirement: Requirement, capacity: Capacity) -> bool:
    """Return whether the requirement fits the capacity."""
    return allocate(requirement, capacity) is not None


def whole(capacity: Capacity) -> Capacity:
    """Return the capacity with all its devices free."""
    return evolve(capacity, devices=tuple(evolve(device, free=WHOLE) for device in capacity.devices))


def take(free: Capacity, allocation: Allocation) -> Capacity:
    """Return what is left of ``free`` without the allocation; nothing goes below zero."""
    return _shift(free, allocation, -1)


def give_back(free: Capacity, allocation: Allocation) -> Capacity:
    """Return ``free`` with the allocation added again."""
    return _shift(free, allocation, +1)


def set_aside(requirement: Requirement, free: Capacity) -> Capacity:
    """Return what others may use of ``free`` while a client drains for a requirement that does not fit it.

    Whatever is free goes to the waiting requirement first: others get the surplus, so that no job started now makes it
    wait longer.
    """
    wanted = ceil(requirement.accelerator_millis / WHOLE)
    candidates = [device for device in free.devices if suits(requirement, device)]
    kept = {device.id for device in sorted(candidates, key=lambda device: -device.free)[:wanted]}
    return evolve(
        free,
        cpu=max(0, free.cpu - requirement.cpu),
        memory=None if free.memory is None else max(0, free.memory - requirement.memory),
        devices=tuple(evolve(device, free=0) if device.id in kept else device for device in free.devices),
    )


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
    if _choose(requirement, capacity.devices) is None:
        found = sum(suits(requirement, device) * device.free for device in capacity.devices) / WHOLE
        kind = f" of kind {requirement.accelerator_kind}" if requirement.accelerator_kind else ""
        lacks.append(("accelerators", f"needs {requirement.accelerators:g} accelerators{kind}, has {found:g}"))
    return lacks


def _choose(requirement: Requirement, devices: Iterable[Device]) -> tuple[Share, ...] | None:
    wanted = requirement.accelerator_millis
    if wanted == 0:
        return ()
    fitting = [device for device in devices if suits(requirement, device)]
    if wanted < WHOLE:
        best = min(
            (device for device in fitting if device.free >= wanted), key=lambda device: device.free, default=None
        )
        return None if best is None else (Share(device=best.id, millis=wanted),)
    free = [device for device in fitting if device.free == WHOLE][: wanted // WHOLE]
    if len(free) * WHOLE < wanted:
        return None
    return tuple(Share(device=device.id, millis=WHOLE) for device in free)


def _shift(free: Capacity, allocation: Allocation, sign: int) -> Capacity:
    millis = {share.device: sign * share.millis for share in allocation.devices}
    return evolve(
        free,
        cpu=max(0, free.cpu + sign * allocation.cpu),
        memory=None if free.memory is None else max(0, free.memory + sign * allocation.memory),
        devices=tuple(
            evolve(device, free=min(WHOLE, max(0, device.free + millis[device.id]))) if device.id in millis else device
            for device in free.devices
        ),
    )


__all__ = [
    "WHOLE",
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
