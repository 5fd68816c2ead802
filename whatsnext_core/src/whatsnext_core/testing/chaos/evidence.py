"""What a run left: what was acknowledged while it ran, what its jobs recorded, and what the server tells afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from whatsnext_core.testing.chaos.answers import Acknowledged
from whatsnext_core.testing.chaos.rest import Rest
from whatsnext_core.testing.chaos.workload import Behaviour, Line

Document = Mapping[str, Any]


@frozen(kw_only=True)
class Submitted:
    """A job whose submission was acknowledged."""

    job_id: int
    """The id that the server gave it."""
    name: str
    """Its name."""
    parents: Mapping[int, str] = field(factory=dict)
    """Ids of the jobs that it waits for, each with what that one must do."""


@frozen(kw_only=True)
class Evidence:
    """All that is known of a run once it is over."""

    submitted: Sequence[Submitted]
    """The jobs whose submission was acknowledged."""
    uncertain: Sequence[Sequence[str]]
    """Names of the jobs of each batch that was sent and never acknowledged."""
    cancelled: frozenset[int]
    """The jobs whose cancelling was acknowledged."""
    acknowledged: frozenset[Acknowledged]
    """The ends of attempts that servers acknowledged to workers."""
    record: Sequence[Line]
    """What the jobs recorded, in the order in which it happened."""
    jobs: Mapping[int, Document]
    """Every job, by id, as the server tells it."""
    attempts: Mapping[int, Sequence[Document]]
    """The attempts of each job, oldest first."""
    events: Mapping[int, Sequence[Document]]
    """The events of each job, by number."""
    logs: Mapping[int, str]
    """What each completed job wrote, as the server has it."""
    lease: float
    """Seconds that a lease lasts."""
    remains: Sequence[str] = field(factory=tuple)
    """Processes of jobs that were still there after all workers had left."""

    def behaviour(self, job_id: int) -> Behaviour:
        """Return what a job does."""
        return Behaviour(self.jobs[job_id]["parameters"]["behaviour"])

    def conditions(self, job_id: int) -> Iterator[tuple[int, str]]:
        """Yield each job that a job waits for, with what that one must do."""
        job = self.jobs[job_id]
        for parent in job["depends"]:
            yield int(parent), job["conditions"].get(parent, "success")

    def history(self, job_id: int) -> Iterator[str]:
        """Yield all that is known of a job, in lines for people."""
        job = self.jobs.get(job_id)
        if job is None:
            yield f"job {job_id}: the server does not know it"
            return
        ended = f"{job['status']} {job['cause'] or ''} {job['message']}"
        yield f"job {job_id} ({job['name']}, {job['parameters']}): {ended}"
        for parent, condition in self.conditions(job_id):
            status = self.jobs[parent]["status"] if parent in self.jobs else "unknown"
            yield f"  waits for job {parent} ({condition}): {status}"
        for event in self.events.get(job_id, ()):
            yield f"  event {event['id']} at {event['at']}: {event['kind']} {dict(event['data'])}"
        for attempt in self.attempts.get(job_id, ()):
            keys = ("fence", "status", "client_id", "claimed_at", "finished_at", "cause", "message")
            yield "  attempt " + ", ".join(f"{key}={attempt[key]}" for key in keys)
        for place, line in enumerate(self.record):
            if line.job_id == job_id:
                yield f"  recorded, line {place}: {line.moment} of attempt {line.fence}"
        for end in sorted(self.acknowledged, key=lambda each: each.fence):
            if end.job_id == job_id:
                yield f"  acknowledged: the end of attempt {end.fence} ({end.status})"


def read_logs(rest: Rest, job_ids: Iterable[int]) -> dict[int, str]:
    """Return what jobs wrote, as the server has it."""
    return {job_id: rest.ask("GET", f"/jobs/{job_id}/logs/stdout")[0].decode() for job_id in job_ids}


def group(documents: Iterable[Document]) -> dict[int, list[Document]]:
    """Return documents by the job that they tell of, in their order."""
    found: dict[int, list[Document]] = {}
    for document in documents:
        found.setdefault(document["job_id"], []).append(document)
    return found
