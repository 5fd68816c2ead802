"""``whatsnext jobs why``: gathers what decides about a job, and says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session
from whatsnext_client.commands.base.values import job_id

if TYPE_CHECKING:
    from whatsnext_client.commands.jobs.explanation import Facts, Parent, Worker
    from whatsnext_client.rest import Document, Rest
    from whatsnext_core.model import Requirement

LOOKED_AT = 1_000
"""Jobs of the queue that are looked through for the place of one."""


@click.command("why", cls=Command, examples=["whatsnext jobs why 17", "whatsnext jobs why 17 --json"])
@click.argument("job_id", metavar="ID", type=job_id)
@common_options
@pass_session
def why(session: Session, job_id: int) -> None:
    """Say why a job stands where it stands: what it waits for, what it does not fit, or how it ended."""
    from whatsnext_client.commands.jobs.explanation import explain
    from whatsnext_core.converters import to_json

    facts = gather(session.api, job_id)
    reasons = explain(facts)
    if session.output.as_json:
        session.output.document({"id": job_id, "status": facts.job.status.value, "reasons": to_json(reasons)})
        return
    session.output.say(f"Job {job_id} ({facts.job.name}) is {facts.job.status}.")
    for reason in reasons:
        session.output.say(reason.text)


def gather(api: Rest, job_id: int) -> Facts:
    """Return what decides about the job, as the server tells it now."""
    from datetime import UTC, datetime

    from whatsnext_client.commands.jobs.explanation import Facts
    from whatsnext_core.converters import from_json, ignoring_extra_keys
    from whatsnext_core.model import Job, JobStatus, ProjectStatus

    document = api.job(job_id)
    job = from_json(document, Job, what=f"job {job_id}", converter=ignoring_extra_keys(Job))
    pending = job.status is JobStatus.PENDING
    return Facts(
        now=datetime.now(UTC),
        job=job,
        project_status=ProjectStatus.parse(api.project(job.project_id)["status"]),
        requirement=_requirement(api.task(job.task_id)),
        parents=_parents(api, job_id) if job.depends else (),
        workers=tuple(map(_worker, api.clients())) if pending else (),
        ahead=_ahead(api, document) if pending else None,
    )


def _requirement(task: Document) -> Requirement:
    from whatsnext_core.model import Requirement

    return Requirement(
        cpu=task["required_cpu"],
        accelerators=task["required_accelerators"],
        memory=task["required_memory"],
        accelerator_kind=task["accelerator_kind"],
        accelerator_memory=task["accelerator_memory"],
        labels=task["required_labels"],
    )


def _parents(api: Rest, job_id: int) -> tuple[Parent, ...]:
    from whatsnext_client.commands.jobs.explanation import Parent
    from whatsnext_core.model import JobStatus

    found = api.dependencies(job_id)
    return tuple(
        Parent(id=one["id"], name=one["name"], status=JobStatus.parse(one["status"]) if one["status"] else None)
        for one in found
    )


def _worker(client: Document) -> Worker:
    from whatsnext_client.commands.jobs.explanation import Worker
    from whatsnext_core.converters import from_json, ignoring_extra_keys
    from whatsnext_core.model import Capacity
    from whatsnext_core.model.client import numbered_devices

    if client.get("capacity"):
        what = f"capacity of worker {client['id']}"
        capacity = from_json(client["capacity"], Capacity, what=what, converter=ignoring_extra_keys(Capacity))
    else:
        devices = numbered_devices(client["available_accelerators"])
        capacity = Capacity(cpu=client["available_cpu"], devices=devices)
    return Worker(id=client["id"], capacity=capacity, draining=bool(client.get("draining")))


def _ahead(api: Rest, job: Document) -> int | None:
    """Return how many pending jobs stand before this one, if not more than are looked at."""
    waiting = api.jobs(project_id=job["project_id"], status="PENDING", order="queue", limit=LOOKED_AT)
    return next((place for place, other in enumerate(waiting) if other["id"] == job["id"]), None)
