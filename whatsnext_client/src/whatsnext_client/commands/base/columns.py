"""What tables show of jobs, tasks, projects and workers."""

from __future__ import annotations

from typing import Any

from whatsnext_client.commands.base import times
from whatsnext_client.commands.base.output import Column, Document

WHOLE = 1000
"""Thousandths of a whole device."""
MENTIONED = 3
"""Jobs before a job that a list mentions."""


def accelerators(task: Document) -> str:
    """Return what accelerators a task needs: ``2 a100 40 GiB``."""
    count = task["required_accelerators"]
    if not count:
        return ""
    size = task.get("accelerator_memory")
    parts = (f"{count:g}", task.get("accelerator_kind"), times.memory(size) if size else "")
    return " ".join(part for part in parts if part)


def given(allocation: Document) -> str:
    """Return what an attempt was given of its worker: ``4 CPUs, device 0, 0.5 of device 1``."""
    cpu = allocation["cpu"]
    parts = [f"{cpu} CPU{'' if cpu == 1 else 's'}"] if cpu else []
    for share in allocation["devices"]:
        part = "" if share["millis"] == WHOLE else f"{share['millis'] / WHOLE:g} of "
        parts.append(f"{part}device {share['device']}")
    if allocation["memory"]:
        parts.append(times.memory(allocation["memory"]))
    return ", ".join(parts)


def client_state(client: Document) -> str:
    """Return whether a worker takes jobs."""
    if not client["is_active"]:
        return "inactive"
    return "draining" if client.get("draining") else "active"


def note(job: Document) -> str:
    """Return the first line of what there is to say of a job."""
    if job["status"] == "COMPLETED":
        return ""
    if job["status"] in {"QUEUED", "RUNNING"}:
        return "cancel requested" if job["cancel_requested"] else ""
    cause, message = job["cause"] or "", (job["message"] or "").strip().partition("\n")[0]
    if not cause and not message and job["status"] in {"PENDING", "BLOCKED"} and job["depends"]:
        return "after " + ", ".join([*list(job["depends"])[:MENTIONED], "..."][: len(job["depends"])])
    if message.lower().startswith(cause):
        return message
    return f"{cause}: {message}" if message else cause


def job_fields(job: dict[str, Any]) -> list[tuple[str, object]]:
    """Return all of a job, one field a line."""
    conditions = job.get("conditions") or {}
    depends = [
        f"{parent} {name}" + ("" if conditions.get(parent, "success") == "success" else f" ({conditions[parent]})")
        for parent, name in job["depends"].items()
    ]
    fields: list[tuple[str, object]] = [
        ("id", job["id"]),
        ("name", job["name"]),
        ("project", job["project_id"]),
        ("task", job["task_name"]),
        ("status", job["status"]),
        ("priority", job["priority"]),
        ("parameters", "\n".join(f"{key} = {_value(value)}" for key, value in job["parameters"].items())),
        ("depends", "\n".join(depends)),
        ("attempt", job["attempt"]),
        ("failures", f"{job['failures']} failed, {job['losses']} lost"),
        ("worker", job["client_id"]),
        ("submitted", times.local(job["created_at"])),
        ("started", times.local(job["started_at"])),
        ("finished", times.local(job["finished_at"])),
        ("took", times.between(job["started_at"], job["finished_at"])),
        ("timeout", times.span(job["timeout"]) if job["timeout"] else ""),
        ("not before", times.local(job["not_before"])),
        ("exit code", job["exit_code"]),
        ("cause", job["cause"]),
        ("message", job["message"]),
        ("result", job["result"]),
    ]
    if job["cancel_requested"]:
        fields.insert(5, ("cancel", "requested, not yet confirmed by the worker"))
    return fields


def _value(value: object) -> object:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


PROJECTS = (
    Column("id", lambda project: project["id"], right=True),
    Column("name", lambda project: project["name"]),
    Column("status", lambda project: project["status"]),
    Column("age", lambda project: times.age(project["created_at"]), right=True),
    Column("description", lambda project: project["description"]),
)
"""A list of projects."""

TASKS = (
    Column("id", lambda task: task["id"], right=True),
    Column("name", lambda task: task["name"]),
    Column("cpu", lambda task: task["required_cpu"], right=True),
    Column("accelerators", accelerators),
    Column("memory", lambda task: times.memory(task.get("required_memory") or None), right=True, spare=3),
    Column("retries", lambda task: (task.get("retry") or {}).get("retries", 0), right=True, spare=1),
    Column("timeout", lambda task: times.span(task["timeout"]) if task.get("timeout") else "", spare=2),
    Column("command", lambda task: task.get("command_template")),
)
"""A list of tasks."""

JOBS = (
    Column("id", lambda job: job["id"], right=True),
    Column("name", lambda job: job["name"]),
    Column("task", lambda job: job["task_name"]),
    Column("status", lambda job: job["status"]),
    Column("priority", lambda job: job["priority"], right=True, spare=5),
    Column("attempt", lambda job: job["attempt"], right=True, spare=4),
    Column("age", lambda job: times.age(job["created_at"]), right=True, spare=3),
    Column("time", lambda job: times.between(job["started_at"], job["finished_at"]), right=True, spare=1),
    Column("worker", lambda job: job["client_id"], spare=2),
    Column("note", note),
)
"""A list of jobs."""

QUEUE = (
    Column("id", lambda job: job["id"], right=True),
    Column("name", lambda job: job["name"]),
    Column("task", lambda job: job["task_name"]),
    Column("priority", lambda job: job["priority"], right=True),
    Column("age", lambda job: times.age(job["created_at"]), right=True),
    Column("note", note),
)
"""The jobs that wait."""

CLIENTS = (
    Column("id", lambda client: client["id"]),
    Column("name", lambda client: client["name"]),
    Column("entity", lambda client: client["entity"]),
    Column("cpu", lambda client: client["available_cpu"], right=True),
    Column("accelerators", lambda client: client["available_accelerators"], right=True),
    Column("state", client_state),
    Column("heard", lambda client: f"{times.age(client['last_heartbeat'])} ago"),
)
"""A list of workers."""

ATTEMPTS = (
    Column("attempt", lambda attempt: attempt["fence"], right=True),
    Column("status", lambda attempt: attempt["status"]),
    Column("worker", lambda attempt: attempt["client_id"]),
    Column("claimed", lambda attempt: f"{times.age(attempt['claimed_at'])} ago"),
    Column("time", lambda attempt: times.between(attempt["started_at"], attempt["finished_at"]), right=True),
    Column("exit", lambda attempt: attempt["exit_code"], right=True),
    Column("cause", lambda attempt: attempt["cause"]),
    Column("memory", lambda attempt: times.memory(attempt["peak_memory"]), right=True, spare=1),
    Column("cpu time", lambda attempt: times.span(attempt["cpu_seconds"] or 0.0), right=True, spare=2),
    Column("given", lambda attempt: given(attempt["allocation"]), spare=3),
    Column("message", lambda attempt: attempt["message"]),
)
"""The attempts of a job."""

ARTIFACTS = (
    Column("name", lambda artifact: artifact["name"]),
    Column("size", lambda artifact: times.memory(artifact["size"]), right=True),
    Column("attempt", lambda artifact: artifact["fence"], right=True, spare=2),
    Column("age", lambda artifact: times.age(artifact["created_at"]), right=True, spare=1),
    Column("type", lambda artifact: artifact["content_type"], spare=3),
    Column("sha256", lambda artifact: artifact["sha256"][:12], spare=4),
)
"""The files of a job."""
