"""Claimed jobs, as a worker hands them to a formatter."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from whatsnext_core.formatting import JobContext
from whatsnext_core.model import Allocation, Job, JobStatus, Requirement, Task

__all__ = ["claimed"]

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def claimed(
    directory: Path,
    template: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    name: str = "a job",
    job_id: int = 17,
    memory: int = 0,
    timeout: float | None = None,
    requirement: Requirement | None = None,
    options: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> JobContext:
    """The second attempt of a job of the task `train`, in an empty directory."""
    directory.mkdir(parents=True, exist_ok=True)
    task = Task(
        id=3,
        project_id=1,
        name="train",
        command_template=template,
        requirement=requirement or Requirement(),
        options=options or {},
        environment=environment or {},
        grace=30.0,
        created_at=NOW,
        updated_at=NOW,
    )
    job = Job(
        id=job_id,
        name=name,
        project_id=1,
        task_id=3,
        task_name="train",
        parameters=parameters or {},
        status=JobStatus.QUEUED,
        priority=0,
        depends={},
        created_at=NOW,
        updated_at=NOW,
        timeout=timeout,
    )
    allocation = Allocation(cpu=task.requirement.cpu, memory=memory)
    return JobContext(job=job, task=task, fence=2, allocation=allocation, directory=directory, server="http://s:8000")
