"""Everything that a user could see of a storage, as one value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from attrs import evolve

from whatsnext_core.model import Artifact, ArtifactUpload, Assignment, Capacity, EndOutcome
from whatsnext_core.scheduling import Offer
from whatsnext_core.storage import ClaimRequest, JobOrder, JobQuery, Page, Reader, Settled, Storage, Writer

EVERYTHING = Page(limit=10_000)
LOOKED_AT = 3
"""Jobs at the end of the queue whose place is compared, and jobs before them that are counted."""


def snapshot(storage: Storage, now: datetime) -> dict[str, Any]:
    """Return all that the readers of a storage answer, and which jobs a claim would give."""
    with storage.read() as reader:
        found = _read(reader)
    return {**found, "ready": [(taken.job.id, taken.allocation) for taken in _claimable(storage, now)]}


def _read(reader: Reader) -> dict[str, Any]:
    projects = list(reader.projects(EVERYTHING))
    jobs = {order: list(reader.jobs(JobQuery(order=order, page=EVERYTHING))) for order in JobOrder}
    oldest = jobs[JobOrder.OLDEST]
    parents = {parent for job in oldest for parent in job.depends} & {job.id for job in oldest}
    attempts = {job.id: list(reader.attempts(job.id)) for job in oldest if job.attempt}
    clients = list(reader.clients(EVERYTHING, active_only=False))
    events = defaultdict(list)
    numbers = [0]
    for event in reader.events(0, 100_000):
        events[event.project_id, event.job_id].append((event.kind, event.at, dict(event.data)))
        numbers.append(event.id)
    return {
        "projects": projects,
        "active projects": [project.id for project in reader.projects(EVERYTHING, projects[0].status)]
        if projects
        else [],
        "tasks": list(reader.tasks(EVERYTHING)),
        "jobs": {job.id: job for job in oldest},
        "orders": {order.value: [job.id for job in found] for order, found in jobs.items()},
        "parameters": {job.id: list(job.parameters) for job in oldest},
        "counts": {project.id: dict(reader.counts(project.id)) for project in projects},
        "demand": [(one.project_id, one.requirement.key, one.longest, one.jobs) for one in reader.demand(1_000)],
        "dependencies": {job.id: dict(reader.dependencies(job.id)) for job in oldest if job.depends},
        "unmet": {job.id: list(reader.unmet(job.id, 5)) for job in oldest if job.depends},
        "places": {job.id: _place(reader, job.id) for job in jobs[JobOrder.QUEUE][-LOOKED_AT:]},
        "past runs": {project.id: list(reader.past_runs(project.id, range(1, 20), 5)) for project in projects},
        "children": {parent: list(reader.children(parent, EVERYTHING)) for parent in sorted(parents)},
        "attempts": attempts,
        "logs": {
            (job_id, attempt.fence): reader.log(job_id, attempt.fence, "stdout", 0, 1_000)
            for job_id, found in attempts.items()
            for attempt in found
        },
        "artifacts": {job.id: _files(reader, job.id) for job in oldest},
        "clients": clients,
        "live": {client.id: list(reader.live_attempts(client.id)) for client in clients},
        "holdings": list(reader.holdings([client.id for client in clients], 5)),
        "reservations": dict(reader.reservations()),
        "events": dict(events),
        "events ascend": numbers == sorted(set(numbers)),
    }


def _files(reader: Reader, job_id: int) -> list[tuple[Artifact, bytes]]:
    """Return the files of a job with their bytes, but for their numbers, which a backend may count its own way."""
    return [
        (evolve(found, id=0), reader.artifact_bytes(found.id, 0, found.size + 1))
        for found in reader.artifacts(job_id, EVERYTHING)
    ]


def _place(reader: Reader, job_id: int) -> Any:
    """Return the place of a job, without what a backend may word its own way: the case of a kind of device."""
    place = reader.place(job_id, LOOKED_AT)
    if place is None:
        return None
    ahead = [] if place.more else [(each.task_id, each.requirement.key, each.number) for each in place.ahead]
    return place.since, ahead, place.number, place.more


class _LookedError(Exception):
    """Ends a transaction that only looked."""


def ready_jobs(storage: Storage, now: datetime) -> list[int]:
    """Return the jobs that a claim without limits would give, best first, without claiming them."""
    return [taken.job.id for taken in _claimable(storage, now)]


def _claimable(storage: Storage, now: datetime) -> Sequence[Assignment]:
    found: list[Assignment] = []
    free = Capacity(cpu=60_000, memory=2**59)
    offer = Offer(free=free, total=free, limit=1_000, ignore_accelerators=True)

    def look(writer: Writer) -> None:
        found.extend(writer.claim(ClaimRequest(offer=offer), now))
        raise _LookedError

    with suppress(_LookedError), storage.write() as writer:
        look(writer)
    return found


def comparable(answer: Any) -> Any:
    """Return what a writer answered without what a backend may word or count its own way."""
    match answer:
        case EndOutcome():
            return evolve(answer, reason="why" if answer.reason else "")
        case Settled():
            return answer.more, answer.next_at
        case Artifact() | ArtifactUpload():
            return evolve(answer, id=0)
        case str() | bytes():
            return answer
        case Sequence():
            return [comparable(each) for each in answer]
        case _:
            return answer
