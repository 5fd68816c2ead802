"""A client (a worker), what it has, and what of it an attempt was given."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs
from attrs import evolve, field, frozen

from whatsnext_core.errors import InvalidError
from whatsnext_core.model import limits


@frozen(kw_only=True)
class Device:
    """One accelerator of a client, or what is free of it."""

    id: str = field(validator=lambda _, __, value: limits.check_name(value, "id of a device"))
    """What names it on its machine: an index ("0") or a UUID."""
    kind: str = field(default="")
    """Its product name ("NVIDIA A100-SXM4-80GB")."""
    memory: int = field(default=0)
    """Its memory in bytes; 0 if unknown."""
    free: int = field(default=1000)
    """Thousandths of it that are free; 1000 for all of it."""

    @kind.validator
    def _check_kind(self, _: object, value: str) -> None:
        if value:
            limits.check_name(value, f"kind of device {self.id!r}")

    @memory.validator
    def _check_memory(self, _: object, value: int) -> None:
        what = f"memory of device {self.id!r}"
        limits.check_number(value, what, low=0, high=limits.MAX_MEMORY, unit="bytes")

    @free.validator
    def _check_free(self, _: object, value: int) -> None:
        limits.check_number(value, f"free share of device {self.id!r}", low=0, high=1000, unit="thousandths")


@frozen(kw_only=True)
class Capacity:
    """What a client has, or what of it is free now."""

    cpu: int = field(default=0)
    """CPUs."""
    memory: int | None = field(default=None)
    """Main memory in bytes; None if the client doesn't limit it."""
    devices: tuple[Device, ...] = field(default=())
    """Accelerators."""
    labels: frozenset[str] = field(default=frozenset(), converter=limits.as_labels)
    """Labels of the client."""

    @cpu.validator
    def _check_cpu(self, _: object, value: int) -> None:
        limits.check_number(value, "number of available CPUs", low=0, high=limits.MAX_CPU)

    @devices.validator
    def _check_devices(self, _: object, value: tuple[Device, ...]) -> None:
        limits.check_number(len(value), "number of available accelerators", low=0, high=limits.MAX_ACCELERATORS)
        ids = [device.id for device in value]
        if len(set(ids)) < len(ids):
            twice = next(each for each in ids if ids.count(each) > 1)
            raise InvalidError(f"Two available accelerators have the id {twice!r}; give each its own.")

    @memory.validator
    def _check_memory(self, _: object, value: int | None) -> None:
        if value is not None:
            limits.check_number(value, "available memory", low=0, high=limits.MAX_MEMORY, unit="bytes")

    @labels.validator
    def _check_labels(self, _: object, value: frozenset[str]) -> None:
        limits.check_labels(value, "the client's labels")


@frozen(kw_only=True)
class Share:
    """A part of one device."""

    device: str
    """The device's id."""
    millis: int
    """Thousandths of it; 1000 for all of it."""


@frozen(kw_only=True)
class Allocation:
    """The part of a client's capacity that an attempt was given."""

    cpu: int = 0
    """CPUs."""
    memory: int = 0
    """Main memory in bytes; 0 if none in particular."""
    devices: tuple[Share, ...] = field(default=())
    """Devices, each with the share of it."""

    @property
    def device_ids(self) -> tuple[str, ...]:
        """The ids of the devices."""
        return tuple(share.device for share in self.devices)


def numbered_devices(count: int) -> tuple[Device, ...]:
    """Return ``count`` devices of no particular kind, with the ids "0", "1", ..."""
    return tuple(Device(id=str(index)) for index in range(count))


def _check_cpu(_: object, __: object, value: int | None) -> None:
    if value is not None:
        limits.check_number(value, "number of available CPUs", low=0, high=limits.MAX_CPU)


def _check_accelerators(_: object, __: object, value: int | None) -> None:
    if value is not None:
        limits.check_number(value, "number of available accelerators", low=0, high=limits.MAX_ACCELERATORS)


def _check_text(_: object, attribute: attrs.Attribute[Any], value: str | None) -> None:
    if value is not None:
        limits.check_text(value, f"{attribute.name} of the client")


@frozen(kw_only=True)
class ClientSpec:
    """What a client says of itself when it registers."""

    id: str = field(validator=lambda _, __, value: limits.check_client_id(value))
    """1 to 128 of letters, digits, ``-`` and ``_``; unique on the server."""
    name: str = field()
    """Name for people."""
    entity: str = field(default="", validator=_check_text)
    """Who it belongs to: a team or a person."""
    description: str = field(default="", validator=_check_text)
    """Free text."""
    available_cpu: int = field(default=1, validator=_check_cpu)
    """CPUs that it offers."""
    available_accelerators: int = field(default=0, validator=_check_accelerators)
    """Accelerators that it offers."""
    capacity: Capacity | None = None
    """All that it offers, in detail; None leaves it at the two numbers."""
    session_id: str | None = None
    """The client's process; a new one never takes over the attempts of an older one by itself."""

    @name.validator
    def _check_name(self, _: object, value: str) -> None:
        limits.check_name(value, "name of the client")

    def register(self, known: Client | None, now: datetime) -> Client:
        """Return the client that registers with this: active, not draining, heard of now.

        As old as the ``known`` one.
        """
        devices = numbered_devices(self.available_accelerators)
        return Client(
            id=self.id,
            name=self.name,
            entity=self.entity,
            description=self.description,
            available_cpu=self.available_cpu,
            available_accelerators=self.available_accelerators,
            capacity=self.capacity or Capacity(cpu=self.available_cpu, devices=devices),
            session_id=self.session_id,
            last_heartbeat=now,
            created_at=known.created_at if known else now,
            is_active=True,
        )


@frozen(kw_only=True)
class Client:
    """A registered client."""

    id: str
    """Its id."""
    name: str
    """Name for people."""
    entity: str
    """Who it belongs to."""
    description: str
    """Free text."""
    available_cpu: int
    """CPUs that it offers."""
    available_accelerators: int
    """Accelerators that it offers."""
    capacity: Capacity
    """All that it offers, in detail."""
    session_id: str | None
    """The client's process that registered last."""
    last_heartbeat: datetime
    """When it was last heard of, in UTC."""
    created_at: datetime
    """When it first registered, in UTC."""
    is_active: bool
    """Whether it takes jobs."""
    draining: bool = False
    """Whether it was asked to finish what it runs and take no more."""


@frozen(kw_only=True)
class ClientChanges:
    """The fields of a client that shall change; None leaves one as it is."""

    name: str | None = field(default=None)
    """New name."""
    entity: str | None = field(default=None, validator=_check_text)
    """New entity."""
    description: str | None = field(default=None, validator=_check_text)
    """New description."""
    available_cpu: int | None = field(default=None, validator=_check_cpu)
    """New number of CPUs."""
    available_accelerators: int | None = field(default=None, validator=_check_accelerators)
    """New number of accelerators."""
    is_active: bool | None = None
    """Whether it takes jobs."""
    draining: bool | None = None
    """Whether it shall finish what it runs and take no more."""

    @name.validator
    def _check_name(self, _: object, value: str | None) -> None:
        if value is not None:
            limits.check_name(value, "name of the client")

    def apply(self, client: Client) -> Client:
        """Return the client with these changes.

        A new number of CPUs or accelerators replaces that part of its capacity.
        """
        changes = {name: value for name, value in attrs.asdict(self).items() if value is not None}
        capacity = client.capacity
        if self.available_cpu is not None:
            capacity = evolve(capacity, cpu=self.available_cpu)
        if self.available_accelerators is not None and self.available_accelerators != client.available_accelerators:
            capacity = evolve(capacity, devices=numbered_devices(self.available_accelerators))
        return evolve(client, **changes, capacity=capacity)
