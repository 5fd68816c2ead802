"""How rows of the tables become values of the model, and back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Row

from whatsnext_core.converters import from_json, to_json
from whatsnext_core.model import (
    Allocation,
    Attempt,
    AttemptStatus,
    Capacity,
    Cause,
    Client,
    Condition,
    Event,
    EventKind,
    Job,
    JobStatus,
    Project,
    ProjectStatus,
    Requirement,
    RetryPolicy,
    Share,
    Task,
    TaskSpec,
)
from whatsnext_storage_sql.models.types import read_json

STATUSES: Mapping[str, JobStatus] = {status.value: status for status in JobStatus}
CAUSES: Mapping[str | None, Cause | None] = {None: None, **{cause.value: cause for cause in Cause}}
CONDITIONS: Mapping[str, Condition] = {condition.value: condition for condition in Condition}


def project_of(row: Row[Any]) -> Project:
    """Return the project in a row of its table."""
    return Project(
        id=row.id,
        name=row.name,
        description=row.description,
        status=ProjectStatus(row.status),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def task_of(row: Row[Any]) -> Task:
    """Return the task in a row of its table."""
    return Task(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        command_template=row.command_template,
        requirement=Requirement(
            cpu=row.required_cpu,
            accelerators=row.required_accelerators,
            memory=row.required_memory,
            accelerator_kind=row.accelerator_kind,
            accelerator_memory=row.accelerator_memory,
            labels=frozenset(row.required_labels),
        ),
        retry=from_json(row.retry, RetryPolicy),
        timeout=row.timeout,
        signal=row.signal,
        grace=row.grace,
        environment=row.environment,
        options=row.options,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def task_values(spec: TaskSpec) -> dict[str, Any]:
    """Return the columns of a task that a person's words decide, but for the class."""
    needs = spec.requirement
    return {
        "name": spec.name,
        "command_template": spec.command_template,
        "required_cpu": needs.cpu,
        "required_accelerators": needs.accelerators,
        "required_memory": needs.memory,
        "accelerator_kind": needs.accelerator_kind,
        "accelerator_memory": needs.accelerator_memory,
        "required_labels": sorted(needs.labels),
        "retry": to_json(spec.retry),
        "timeout": spec.timeout,
        "signal": spec.signal,
        "grace": spec.grace,
        "environment": dict(spec.environment),
        "options": spec.options,
    }


@lru_cache(maxsize=4096)
def requirement_of(text: str) -> Requirement:
    """Return the requirement that JSON text describes; a class never changes, so it is read once."""
    return from_json(read_json(text), Requirement)


def job_of(row: Row[Any], edges: list[Row[Any]]) -> Job:
    """Return the job in a row of its table with its task's name, and its edges."""
    return Job(
        id=row.id,
        name=row.name,
        project_id=row.project_id,
        task_id=row.task_id,
        task_name=row.task_name,
        parameters=row.parameters,
        status=STATUSES[row.status],
        priority=row.priority,
        depends={edge.parent_id: edge.parent_name for edge in edges},
        conditions={edge.parent_id: CONDITIONS[edge.condition] for edge in edges},
        created_at=row.created_at,
        updated_at=row.updated_at,
        attempt=row.attempt,
        failures=row.failures,
        losses=row.losses,
        ooms=row.ooms,
        cause=CAUSES[row.cause],
        message=row.message,
        exit_code=row.exit_code,
        not_before=row.not_before,
        timeout=row.timeout,
        cancel_requested=row.cancel_requested,
        client_id=row.client_id,
        started_at=row.started_at,
        finished_at=row.finished_at,
        result=row.result,
    )


def allocation_values(allocation: Allocation) -> dict[str, Any]:
    """Return an allocation as JSON; written out because every claim needs it."""
    devices = [[share.device, share.millis] for share in allocation.devices]
    return {"cpu": allocation.cpu, "memory": allocation.memory, "devices": devices}


def allocation_of(data: Mapping[str, Any]) -> Allocation:
    """Return the allocation that JSON describes."""
    devices = tuple(Share(device=device, millis=millis) for device, millis in data["devices"])
    return Allocation(cpu=data["cpu"], memory=data["memory"], devices=devices)


def attempt_of(row: Row[Any]) -> Attempt:
    """Return the attempt in a row of its table with the end of its lease."""
    return Attempt(
        job_id=row.job_id,
        fence=row.fence,
        status=AttemptStatus(row.status),
        client_id=row.client_id,
        session_id=row.session_id,
        allocation=allocation_of(row.allocation),
        claimed_at=row.claimed_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        expires_at=row.expires_at,
        exit_code=row.exit_code,
        cause=CAUSES[row.cause],
        message=row.message,
        peak_memory=row.peak_memory,
        cpu_seconds=row.cpu_seconds,
        handle=row.handle,
        request=row.request,
    )


def client_of(row: Row[Any]) -> Client:
    """Return the client in a row of its table."""
    return Client(
        id=row.id,
        name=row.name,
        entity=row.entity,
        description=row.description,
        available_cpu=row.available_cpu,
        available_accelerators=row.available_accelerators,
        capacity=from_json(row.capacity, Capacity),
        session_id=row.session_id,
        last_heartbeat=row.last_heartbeat,
        created_at=row.created_at,
        is_active=row.is_active,
        draining=row.draining,
    )


def client_values(client: Client) -> dict[str, Any]:
    """Return the columns of a client."""
    return {
        "id": client.id,
        "name": client.name,
        "entity": client.entity,
        "description": client.description,
        "available_cpu": client.available_cpu,
        "available_accelerators": client.available_accelerators,
        "capacity": to_json(client.capacity),
        "session_id": client.session_id,
        "last_heartbeat": client.last_heartbeat,
        "created_at": client.created_at,
        "is_active": client.is_active,
        "draining": client.draining,
    }


def event_of(row: Row[Any]) -> Event:
    """Return the event in a row of its table."""
    return Event(
        id=row.id,
        project_id=row.project_id,
        job_id=row.job_id,
        kind=EventKind(row.kind),
        at=row.at,
        data=read_json(row.data),
    )
