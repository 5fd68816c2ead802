"""Schemas of clients (workers)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from whatsnext_core.converters import from_json, to_json
from whatsnext_core.model import Capacity, Client, ClientChanges, ClientSpec, Device
from whatsnext_core.sync import SyncRequest, SyncResponse
from whatsnext_server.schemas.base import ClientId, Cpu, Memory, Name, Schema, Text, WholeAccelerators
from whatsnext_server.schemas.common import ReadOnly
from whatsnext_server.schemas.derived import derive

SyncBody = derive(SyncRequest, optional=True)
"""What a client tells and asks."""
SyncAnswer = derive(SyncResponse)
"""What the server answers to it."""
CapacityDocument = derive(Capacity)
"""What a client has."""


class DeviceBody(Schema, core=Device):
    """One accelerator."""

    id: str
    kind: str = ""
    memory: Memory = 0
    free: int = Field(default=1000, ge=0, le=1000)


class CapacityBody(Schema, core=Capacity):
    """All that a client offers."""

    cpu: Cpu = 0
    memory: Memory | None = None
    devices: list[DeviceBody] = Field(default=[])
    labels: frozenset[str] = frozenset()


class ClientRegistration(Schema, core=ClientSpec):
    """A client that registers, or registers anew."""

    id: ClientId = Field(examples=["worker-1"])
    name: Name
    entity: Text = ""
    description: Text = ""
    available_cpu: Cpu = 1
    available_accelerators: WholeAccelerators = 0
    capacity: CapacityBody | None = None
    session_id: ClientId | None = None

    def spec(self) -> ClientSpec:
        """Return the client's specification, checked as the model asks."""
        capacity = None if self.capacity is None else from_json(self.capacity.model_dump(mode="json"), Capacity)
        plain = {name: value for name, value in self if name != "capacity"}
        return ClientSpec(capacity=capacity, **plain)


class ClientUpdate(Schema, core=ClientChanges):
    """What shall change of a client; what is not given stays."""

    name: Name | None = None
    entity: Text | None = None
    description: Text | None = None
    available_cpu: Cpu | None = None
    available_accelerators: WholeAccelerators | None = None
    is_active: bool | Literal[0, 1] | None = None
    draining: bool | None = None
    id: ReadOnly = None
    capacity: ReadOnly = None
    session_id: ReadOnly = None
    last_heartbeat: ReadOnly = None
    created_at: ReadOnly = None

    def changes(self) -> ClientChanges:
        """Return the changes, checked as the model asks."""
        return ClientChanges(
            name=self.name,
            entity=self.entity,
            description=self.description,
            available_cpu=self.available_cpu,
            available_accelerators=self.available_accelerators,
            is_active=None if self.is_active is None else bool(self.is_active),
            draining=self.draining,
        )


class ClientDocument(Schema, core=Client):
    """A client, as every answer shows it."""

    id: str
    name: str
    entity: str
    description: str
    available_cpu: int
    available_accelerators: int
    capacity: CapacityDocument  # type: ignore[valid-type]  # made at run time
    session_id: str | None
    last_heartbeat: str = Field(json_schema_extra={"format": "date-time"})
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    is_active: Literal[0, 1] = Field(description="1 if it takes jobs, else 0.")
    draining: bool


def client_document(client: Client) -> dict[str, Any]:
    """Return a client as every answer shows it."""
    document: dict[str, Any] = to_json(client)
    document["is_active"] = int(client.is_active)
    return document


__all__ = [
    "CapacityBody",
    "ClientDocument",
    "ClientRegistration",
    "ClientUpdate",
    "DeviceBody",
    "SyncAnswer",
    "SyncBody",
    "client_document",
]
