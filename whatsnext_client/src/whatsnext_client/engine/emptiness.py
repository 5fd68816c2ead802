"""Whether a queue holds anything that a worker may get, now or later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from whatsnext_client.rest import Document, Rest
from whatsnext_core.model import Capacity, JobStatus, ProjectStatus, Requirement
from whatsnext_core.resources import fits
from whatsnext_core.scheduling import ends_in_time


def may_get_work(rest: Rest, project_ids: Iterable[int], total: Capacity, time_left: float | None = None) -> bool:
    """Return whether one of the projects has a PENDING job of a task that fits a worker with this capacity.

    It may wait for other jobs, wherever they run, or for the end of a back-off: it may still become ready. Jobs that
    need more than the worker has, and those of archived projects, don't count. Nor do those of tasks that may take
    longer than ``time_left``, the seconds until the machine is taken away.
    """
    return any(_has_work(rest, project_id, total, time_left) for project_id in project_ids)


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


def _has_work(rest: Rest, project_id: int, total: Capacity, time_left: float | None) -> bool:
    if rest.project(project_id)["status"] != ProjectStatus.ACTIVE:
        return False
    tasks = [
        task
        for task in rest.tasks(project_id)
        if fits(requirement_of(task), total) and ends_in_time(_longest(task), time_left)
    ]
    pending = JobStatus.PENDING.value
    return any(rest.jobs(project_id=project_id, task=task["id"], status=pending, limit=1) for task in tasks)


def _longest(task: Document) -> float | None:
    limit = task.get("timeout")
    return None if limit is None else limit + (task.get("grace") or 0.0)
