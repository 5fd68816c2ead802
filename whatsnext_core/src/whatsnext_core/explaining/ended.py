"""What there is to say of a job that has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatsnext_core.dependencies import Fate
from whatsnext_core.explaining.facts import Facts, parent_fate
from whatsnext_core.explaining.reasons import Reason, ReasonCode, reason
from whatsnext_core.explaining.words import NAMED, clock, count, failure, job_named, sentence, some, span
from whatsnext_core.model import Cause, Job

_C = ReasonCode

ADVICE: Final = {
    Cause.EXIT: "What it wrote: whatsnext jobs logs {id} --stream stderr",
    Cause.TIMEOUT: "Give the task a longer timeout, or make the job shorter.",
    Cause.OOM: "Let the task ask for more memory, or give its retry policy a memory_factor.",
    Cause.LOST: "See what became of the clients: whatsnext jobs attempts {id}",
    Cause.PREEMPTED: "Let the task's retry policy retry preempted attempts.",
    Cause.WALLTIME: "Ask the engine for a longer time limit.",
    Cause.FORMAT_ERROR: "Mend the task's command template or the job's parameters, then retry.",
    Cause.PROMISED: "What it wrote: whatsnext jobs logs {id}",
    Cause.ENGINE: "See what the engine needs: the message is its own.",
}
"""What may help against each cause."""


def completed(facts: Facts) -> Iterator[Reason]:
    """Yield how a COMPLETED job ended."""
    job = facts.job
    which = "at the first attempt" if job.attempt <= 1 else f"at attempt {job.attempt}"
    on = f" on {job.client_id}" if job.client_id else ""
    when = f", at {clock(job.finished_at, facts.now)}" if job.finished_at else ""
    yield reason(_C.COMPLETED, f"Its command succeeded {which}{on}{_length(job)}{when}; that is final.")


def failed(facts: Facts) -> Iterator[Reason]:
    """Yield how a FAILED job ended, why it was not tried again, and what a retry would do."""
    job = facts.job
    on = f" on {job.client_id}" if job.client_id else ""
    how = failure(job.cause, job.exit_code, job.message)
    text = f"Attempt {job.attempt}{on} failed{_length(job)}{f': {how}' if how else ''}"
    advice = ADVICE.get(job.cause, "").format(id=job.id) if job.cause else ""
    yield reason(_C.FAILED, sentence(text), advice, clients=(job.client_id,) if job.client_id else ())
    yield reason(_C.ATTEMPTS, _policy(facts))
    yield from retry(facts)


def _policy(facts: Facts) -> str:
    """Return why the job is not tried again by itself."""
    job, policy = facts.job, facts.task.retry
    if job.cause is Cause.LOST:
        return f"{count(job.losses, 'attempt')} {_were(job.losses)} lost; its task allows {policy.max_losses:,}."
    if job.cause is not None and job.cause not in policy.causes:
        return f"Its task's retry policy does not retry the cause {job.cause}."
    again = "no retry" if not policy.retries else "1 retry" if policy.retries == 1 else f"{policy.retries:,} retries"
    lost = f", {job.losses:,} {_were(job.losses)} lost" if job.losses else ""
    return f"{count(job.failures, 'attempt')} failed{lost}; its task allows {again}."


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def cancelled(facts: Facts) -> Iterator[Reason]:
    """Yield when a job was cancelled, and what a retry would do."""
    job = facts.job
    when = f" at {clock(job.finished_at, facts.now)}" if job.finished_at else ""
    ran = f" It had run on {job.client_id}." if job.client_id and job.started_at else ""
    yield reason(_C.CANCELLED, f"It was cancelled{when}.{ran}")
    yield from retry(facts)


def retry(facts: Facts) -> Iterator[Reason]:
    """Yield what a retry by a person would do."""
    job = facts.job
    dead = [parent for parent in facts.unmet if parent_fate(parent) is Fate.IMPOSSIBLE]
    if dead:
        names = some([job_named(parent.id, parent.name) for parent in dead])
        text = f"A retry would leave it BLOCKED by {names}."
        advice = f"First: whatsnext jobs retry {dead[0].id}"
        yield reason(_C.RETRY, text, advice, jobs=[parent.id for parent in dead[:NAMED]])
        return
    text = "A retry brings it back to the queue with all its attempts before it"
    if facts.children:
        more = "" if facts.children_are_all else "more than "
        text += f", and what it blocks with it ({more}{count(facts.children, 'job')} directly behind it)"
    yield reason(_C.RETRY, f"{text}.", f"whatsnext jobs retry {job.id}")


def _length(job: Job) -> str:
    if job.started_at is None or job.finished_at is None:
        return ""
    return f" after {span((job.finished_at - job.started_at).total_seconds())}"
