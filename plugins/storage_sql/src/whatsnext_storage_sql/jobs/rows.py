"""How rows of the tables become values of the model, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from attrs import fields
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
    Job,
    JobStatus,
    Project,
    ProjectStatus,
    Requirement,
    RetryPolicy,
    Share,
    Task,
    TaskSpec,
    event_data,
)
from whatsnext_storage_sql.models.types import read_json, write_json
from whatsnext_storage_sql.tables import ATTEMPT, JOB, LEASE, TASK

STATUSES: Mapping[str, JobStatus] = {status.value: status for status in JobStatus}
CAUSES: Mapping[str | None, Cause | None] = {None: None, **{cause.value: cause for cause in Cause}}
CONDITIONS: Mapping[str, Condition] = {condition.value: condition for condition in Condition}
ATTEMPT_STATUSES: Mapping[str, AttemptStatus] = {status.value: status for status in AttemptStatus}

_NOT_IN_JOB = {"task_name": TASK.c.name}
_NOT_IN_ATTEMPT = {"expires_at": LEASE.c.expires_at}
JOB_FIELDS = tuple(field.name for field in fields(Job) if field.name not in {"depends", "conditions"})
_JSON = frozenset({"parameters", "result"})
"""Fields whose values may be equal and yet not the same: 1, 1.0 and true."""
JOB_COLUMNS = tuple(_NOT_IN_JOB[name] if name in _NOT_IN_JOB else JOB.c[name] for name in JOB_FIELDS)
"""What a job is read from, but for its edges; its task is joined."""
ATTEMPT_FIELDS = tuple(field.name for field in fields(Attempt))
ATTEMPT_COLUMNS = tuple(
    _NOT_IN_ATTEMPT[name] if name in _NOT_IN_ATTEMPT else ATTEMPT.c[name] for name in ATTEMPT_FIELDS
)
"""What an attempt is read from; its lease is joined, if it has one."""


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


@lru_cache(maxsize=4096)
def task_of(row: Row[Any]) -> Task:
    """Return the task in a row of its table; as long as the row stays the same, the same one again."""
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
            labels=frozenset(read_json(row.required_labels)),
        ),
        retry=policy_of(row.retry),
        timeout=row.timeout,
        signal=row.signal,
        grace=row.grace,
        environment=read_json(row.environment),
        options=read_json(row.options),
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
        "required_labels": write_json(sorted(needs.labels)),
        "retry": write_json(to_json(spec.retry)),
        "timeout": spec.timeout,
        "signal": spec.signal,
        "grace": spec.grace,
        "environment": write_json(dict(spec.environment)),
        "options": write_json(spec.options),
    }


@lru_cache(maxsize=16_384)
def requirement_of(text: str) -> Requirement:
    """Return the requirement that JSON text describes; a class never changes, so it is read once."""
    return from_json(read_json(text), Requirement)


@lru_cache(maxsize=4096)
def policy_of(text: str) -> RetryPolicy:
    """Return the policy that JSON text describes; most tasks have one of a few."""
    return from_json(read_json(text), RetryPolicy)


@lru_cache(maxsize=4096)
def capacity_of(text: str) -> Capacity:
    """Return the capacity that JSON text describes; a client's seldom changes, and each request reads it."""
    return from_json(read_json(text), Capacity)


def job_of(row: Row[Any], edges: Sequence[Row[Any]]) -> Job:
    """Return the job in a row of ``JOB_COLUMNS``, with its edges."""
    values = dict(zip(JOB_FIELDS, row, strict=True))
    values["status"] = STATUSES[values["status"]]
    values["cause"] = CAUSES[values["cause"]]
    return Job(**values, **_before(edges))


def jobs_with(columns: Mapping[str, Sequence[Any]], edges: Mapping[int, Sequence[Row[Any]]]) -> list[Job]:
    """Return the jobs of these columns of ``JOB_FIELDS``, with their edges. Most of a batch share most values."""
    alike = {
        name: values[0]
        for name, values in columns.items()
        if name not in _JSON and values.count(values[0]) == len(values)
    }
    own = {name: values for name, values in columns.items() if name not in alike}
    if edges:
        before = [_before(edges.get(number, ())) for number in columns["id"]]
        own |= {name: tuple(each[name] for each in before) for name in before[0]}
    else:
        alike |= _before(())
    make = partial(Job, **alike)
    return [make(**dict(zip(own, values, strict=True))) for values in zip(*own.values(), strict=True)]


def _before(edges: Sequence[Row[Any]]) -> dict[str, Any]:
    """Return the fields of a job that say what comes before it."""
    return {
        "depends": {edge.parent_id: edge.parent_name for edge in edges},
        "conditions": {edge.parent_id: CONDITIONS[edge.condition] for edge in edges},
    }


@lru_cache(maxsize=1024)
def allocation_text(allocation: Allocation) -> str:
    """Return an allocation as JSON text; the jobs of a batch get alike."""
    devices = [[share.device, share.millis] for share in allocation.devices]
    return json.dumps({"cpu": allocation.cpu, "memory": allocation.memory, "devices": devices}, separators=(",", ":"))


@lru_cache(maxsize=1024)
def allocation_of(text: str) -> Allocation:
    """Return the allocation that JSON text describes."""
    data = json.loads(text)
    devices = tuple(Share(device=device, millis=millis) for device, millis in data["devices"])
    return Allocation(cpu=data["cpu"], memory=data["memory"], devices=devices)


def attempt_of(row: Row[Any]) -> Attempt:
    """Return the attempt in a row of ``ATTEMPT_COLUMNS``."""
    values = dict(zip(ATTEMPT_FIELDS, row, strict=True))
    values["status"] = ATTEMPT_STATUSES[values["status"]]
    values["cause"] = CAUSES[values["cause"]]
    values["allocation"] = allocation_of(values["allocation"])
    return Attempt(**values)


def client_of(row: Row[Any]) -> Client:
    """Return the client in a row of its table."""
    return Client(
        id=row.id,
        name=row.name,
        entity=row.entity,
        description=row.description,
        available_cpu=row.available_cpu,
        available_accelerators=row.available_accelerators,
        capacity=capacity_of(row.capacity),
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
        "capacity": write_json(to_json(client.capacity)),
        "session_id": client.session_id,
        "last_heartbeat": client.last_heartbeat,
        "created_at": client.created_at,
        "is_active": client.is_active,
        "draining": client.draining,
    }


@lru_cache(maxsize=4096)
def event_text(old: JobStatus | None = None, new: JobStatus | None = None, **details: Any) -> str | None:
    """Return the data of an event, of what ``event_data`` takes, as JSON text; those of a batch say much the same."""
    return write_json(event_data(old, new, **details))
