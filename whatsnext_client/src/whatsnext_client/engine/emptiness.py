"""Whether a queue holds anything that a worker may get, now or later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from whatsnext_client.rest import Document, Rest
from whatsnext_core.model import Capacity, JobStatus, ProjectStatus, Requirement
from whatsnext_core.resources import fits


def may_get_work(rest: Rest, project_ids: Iterable[int], total: Capacity) -> bool:
    """Return whether one of the projects has a PENDING job of a task that fits a worker with this capacity.

    It may wait for other jobs, wherever they run, or for the end of a back-off: it may still become ready. Jobs that
    need more than the worker has, and those of archived projects, don't count.
    """
    return any(_has_work(rest, project_id, total) for project_id in project_ids)


def requirement_of(task: Document) -> Requirement:
    """Return what the jobs of a task need."""
    fields: dict[str, Any] = {
        "cpu": task["required_cpu"],
        "accelerators": task["required_accelerators"],
        "memory": task.get("required_memory") or 0,
        "accelerator_kind": task.get("accelerator_kind") or "",
        "accelerator_memory": task.get("accelerator_memory") or 0,
        "labels": task.get("required_labels") or (),
    }
    return Requirement(**fields)


def _has_work(rest: Rest, project_id: int, total: Capacity) -> bool:
    if rest.project(project_id)["status"] != ProjectStatus.ACTIVE:
        return False
    tasks = [task for task in rest.tasks(project_id) if fits(requirement_of(task), total)]
    pending = JobStatus.PENDING.value
    return any(rest.jobs(project_id=project_id, task=task["id"], status=pending, limit=1) for task in tasks)
