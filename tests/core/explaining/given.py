"""Facts of a small team: job 7 of task ``train`` in project ``digits``, and clients."""

from datetime import UTC, datetime, timedelta
from typing import Any

from whatsnext_core.explaining import Explanation, Facts, Reason, explain
from whatsnext_core.model import (
    Allocation,
    AttemptStatus,
    Capacity,
    Client,
    Condition,
    Job,
    JobStatus,
    Project,
    Requirement,
    RetryPolicy,
    Share,
    Task,
)
from whatsnext_core.model.client import numbered_devices
from whatsnext_core.storage import Ahead, Holding, Parent, PastRun, Place

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ANOTHER = 2
"""The id of another task."""


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def job(status: JobStatus = JobStatus.PENDING, **fields: Any) -> Job:
    """Job 7."""
    values: dict[str, Any] = {
        "id": 7, "name": "train", "project_id": 1, "task_id": 1, "task_name": "train", "parameters": {},
        "status": status, "priority": 0, "depends": {}, "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return Job(**{**values, **fields})


def task(retry: RetryPolicy | None = None, timeout: float | None = None, **needs: Any) -> Task:
    """Task ``train`` with a requirement."""
    return Task(
        id=1, project_id=1, name="train", requirement=Requirement(**needs), retry=retry or RetryPolicy(),
        timeout=timeout, created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def client(name: str = "gpu-1", cpu: int = 4, *, heard: float = 1, devices: int = 0, **fields: Any) -> Client:
    """A client that was heard of some seconds ago."""
    capacity = fields.pop("capacity", Capacity(cpu=cpu, devices=numbered_devices(devices)))
    values: dict[str, Any] = {
        "id": name, "name": name, "entity": "", "description": "", "available_cpu": cpu,
        "available_accelerators": devices, "capacity": capacity, "session_id": None,
        "last_heartbeat": NOW - seconds(heard), "created_at": NOW, "is_active": True,
    }  # fmt: skip
    return Client(**{**values, **fields})


def parent(number: int, status: JobStatus | None, condition: Condition = Condition.SUCCESS, **fields: Any) -> Parent:
    """A job before it."""
    return Parent(id=number, name=f"job-{number}", condition=condition, status=status, **fields)


def held(job_id: int, cpu: int = 1, on: str = "gpu-1", *, since: float | None = 60, **fields: Any) -> Holding:
    """A live attempt that runs for some seconds, or was claimed and does not run yet."""
    values: dict[str, Any] = {
        "client_id": on, "job_id": job_id, "name": f"job-{job_id}", "project_id": 1, "task_id": 1,
        "status": AttemptStatus.RUNNING, "allocation": Allocation(cpu=cpu),
        "claimed_at": NOW - seconds(since or 0), "started_at": None if since is None else NOW - seconds(since),
    }  # fmt: skip
    return Holding(**{**values, **fields})


def devices(*ids: str) -> Allocation:
    """A CPU and whole devices."""
    return Allocation(cpu=1, devices=tuple(Share(device=each, millis=1000) for each in ids))


def runs(*lengths: float, task_id: int = 1) -> tuple[PastRun, ...]:
    """Past runs of a task."""
    return tuple(PastRun(job_id=100 + number, task_id=task_id, seconds=each) for number, each in enumerate(lengths))


def ahead(number: int, task_id: int = 1, **needs: Any) -> Ahead:
    """Jobs before it in the queue."""
    return Ahead(project_id=1, task_id=task_id, requirement=Requirement(**needs), number=number)


def place(*groups: Ahead, since: float = 1, more: bool = False) -> Place:
    """A place in the queue."""
    return Place(since=NOW - seconds(since), ahead=groups, more=more)


def facts(given: Job | None = None, **fields: Any) -> Facts:
    """The facts, with a client of 4 CPUs on which nothing runs; all that runs anywhere is known."""
    project = Project(id=1, name="digits", description="", created_at=NOW, updated_at=NOW)
    values: dict[str, Any] = {
        "now": NOW, "job": given or job(), "task": task(), "project": project, "place": place(),
        "clients": (client(),), "task_names": {1: "train"},
    }  # fmt: skip
    values |= fields
    values.setdefault("looked_at", {each.id for each in values["clients"]})
    return Facts(**values)


def explained(given: Job | None = None, **fields: Any) -> Explanation:
    """What is said of these facts."""
    return explain(facts(given, **fields))


def reasons(given: Job | None = None, **fields: Any) -> list[Reason]:
    """Why that is so."""
    return list(explained(given, **fields).reasons)


def codes(given: Job | None = None, **fields: Any) -> list[str]:
    """The same as codes."""
    return [each.code for each in reasons(given, **fields)]


def said(code: str, given: Job | None = None, **fields: Any) -> Reason:
    """The one reason with a code."""
    (found,) = (each for each in reasons(given, **fields) if each.code == code)
    return found
