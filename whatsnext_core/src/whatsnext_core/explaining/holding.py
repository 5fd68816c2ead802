"""What there is to say of a job that a client has."""

from __future__ import annotations

from collections.abc import Iterator

from whatsnext_core.explaining.estimate import samples
from whatsnext_core.explaining.facts import Facts
from whatsnext_core.explaining.reasons import Reason, ReasonCode, reason
from whatsnext_core.explaining.words import clock, count, first_line, sentence, span, spans

_C = ReasonCode


def queued(facts: Facts) -> Iterator[Reason]:
    """Yield why a QUEUED job does not run yet."""
    yield from _cancelling(facts)
    yield from _silence(facts)
    attempt = facts.attempt
    claimed = f", claimed {span((facts.now - attempt.claimed_at).total_seconds())} ago" if attempt else ""
    holder, clients = _holder(facts)
    if attempt is not None and attempt.message:
        text = f"The engine of {holder} has it wait, and says: {sentence(first_line(attempt.message))}"
        yield reason(_C.ENGINE, text, clients=clients)
        yield reason(_C.CLAIMED, f"It is attempt {facts.job.attempt}{claimed}.", clients=clients)
    else:
        text = f"It is with {holder} (attempt {facts.job.attempt}{claimed}), which has not reported yet that it runs."
        yield reason(_C.CLAIMED, text, clients=clients)


def running(facts: Facts) -> Iterator[Reason]:
    """Yield where a RUNNING job runs, for how long, and how long it may take."""
    yield from _cancelling(facts)
    yield from _silence(facts)
    job = facts.job
    holder, clients = _holder(facts)
    since = f", for {span((facts.now - job.started_at).total_seconds())} now" if job.started_at else ""
    text = f"It runs on {holder}, attempt {job.attempt}{since}."
    sample = samples(facts.runs, facts.task_names).get(job.task_id)
    if sample is not None:
        text += f" The last {count(sample.runs, 'run')} of its task took {spans(sample.shortest, sample.longest)}."
    timeout = job.timeout if job.timeout is not None else facts.task.timeout
    if timeout is not None:
        text += f" It may take {span(timeout)}."
    yield reason(_C.RUNNING, text, clients=clients)


def _holder(facts: Facts) -> tuple[str, tuple[str, ...]]:
    """Return what a sentence calls the client, and its id."""
    client_id = facts.job.client_id
    return (client_id, (client_id,)) if client_id else ("a client without a name", ())


def _cancelling(facts: Facts) -> Iterator[Reason]:
    if facts.job.cancel_requested:
        holder, clients = _holder(facts)
        text = f"Somebody cancelled it, and {holder} has yet to confirm that it ended."
        yield reason(_C.CANCELLING, text, clients=clients)


def _silence(facts: Facts) -> Iterator[Reason]:
    """Yield that the client was not heard of for longer than half of the time after which it counts as offline."""
    if facts.holder is None:
        return
    silent = facts.now - facts.holder.last_heartbeat
    if silent > facts.silent_after / 2:
        text = f"{facts.holder.id} has not been heard of for {span(silent.total_seconds())}."
        until = facts.attempt.expires_at if facts.attempt else None
        if until is not None:
            text += f" Unless it reports by {clock(until, facts.now)}, the job returns to the queue."
        yield reason(_C.SILENT, text, clients=(facts.holder.id,), until=until)
