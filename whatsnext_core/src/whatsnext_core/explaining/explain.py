"""The decision: why a job stands where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from whatsnext_core.explaining import ended, holding, waiting
from whatsnext_core.explaining.facts import Facts
from whatsnext_core.explaining.reasons import Explanation, Reason
from whatsnext_core.explaining.waiting import Found
from whatsnext_core.model import JobStatus


def _alone(answer: Callable[[Facts], Iterable[Reason]]) -> Callable[[Facts], Found]:
    return lambda facts: Found(reasons=tuple(answer(facts)))


_ANSWERS: Final[Mapping[JobStatus, Callable[[Facts], Found]]] = {
    JobStatus.PENDING: waiting.pending,
    JobStatus.BLOCKED: _alone(waiting.blocked),
    JobStatus.QUEUED: _alone(holding.queued),
    JobStatus.RUNNING: _alone(holding.running),
    JobStatus.COMPLETED: _alone(ended.completed),
    JobStatus.FAILED: _alone(ended.failed),
    JobStatus.CANCELLED: _alone(ended.cancelled),
}


def explain(facts: Facts) -> Explanation:
    """Return why the job stands where it stands, the weightiest reason first."""
    found = _ANSWERS[facts.job.status](facts)
    return Explanation(
        job_id=facts.job.id,
        name=facts.job.name,
        status=facts.job.status,
        at=facts.now,
        reasons=found.reasons,
        place=facts.place.number if facts.place else None,
        place_is_exact=not (facts.place and facts.place.more),
        estimate=found.estimate,
    )
