"""Why a PENDING job waits, and what a BLOCKED one is blocked by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import frozen

from whatsnext_core.dependencies import Fate
from whatsnext_core.explaining import fitting
from whatsnext_core.explaining.estimate import Release, forecast, release, samples
from whatsnext_core.explaining.facts import Chain, Facts, parent_fate
from whatsnext_core.explaining.fleet import Fleet, Seat, how_many, survey
from whatsnext_core.explaining.reasons import Estimate, Reason, ReasonCode, Sample, reason
from whatsnext_core.explaining.words import NAMED, clock, count, failure, job_named, sentence, some, span, spans
from whatsnext_core.model import Cause, Condition, JobStatus, ProjectStatus
from whatsnext_core.scheduling import longest
from whatsnext_core.storage.looks import Parent, Place

ASKED: Final = {
    Condition.SUCCESS: "complete",
    Condition.FINISHED: "end",
    Condition.FAILURE: "fail",
}
"""What a dependency asks of a job."""
_C = ReasonCode


@frozen(kw_only=True)
class Found:
    """What there is to say of a job that waits."""

    reasons: tuple[Reason, ...]
    """Why it waits, the weightiest first."""
    estimate: Estimate | None = None
    """When it may start."""


def pending(facts: Facts) -> Found:
    """Return why a PENDING job waits."""
    known = samples(facts.runs, facts.task_names)
    held = [*_archived(facts), *_dependencies(facts, known), *_back_off(facts)]
    if not held and facts.place is None:
        held.append(reason(_C.SETTLING, "The server brings it into the queue in a moment."))
    fleet = survey(
        facts.clients,
        facts.requirement,
        facts.job.project_id,
        now=facts.now,
        silent_after=facts.silent_after,
        wishes=facts.wishes,
        seconds=longest(facts.job.timeout, facts.task),
    )
    before = list(_last_attempt(facts)) if facts.job.not_before is None else []
    if held or facts.place is None:
        return Found(reasons=(*held, *fitting.unfit(facts, fleet), *before))
    if not fleet.candidates:
        return Found(reasons=(*fitting.unfit(facts, fleet), _stand(facts.place, (), 0), *before))
    return _ready(facts, facts.place, fleet, known, before)


def _ready(facts: Facts, place: Place, fleet: Fleet, known: Mapping[int, Sample], before: list[Reason]) -> Found:
    seats = fleet.candidates
    releases = [_release(facts, seat, known) for seat in seats if seat.client.id in facts.looked_at]
    told = forecast(facts.now, place, seats, releases, known)
    rivals = _rivals(place, seats)
    stand = _stand(place, seats, rivals)
    reasons = [
        *fitting.reserved(facts, seats),
        *([stand] if rivals else []),
        *fitting.room(facts, place.since, releases, next_one=not rivals),
        *([] if rivals else [stand]),
        *fitting.lacks(facts, fleet),
        *fitting.away(facts, fleet),
        *before,
        *_outlook(facts, told.estimate, told.missing),
    ]
    return Found(reasons=tuple(reasons), estimate=told.estimate)


def _release(facts: Facts, seat: Seat, known: Mapping[int, Sample]) -> Release:
    holdings = [each for each in facts.holdings if each.client_id == seat.client.id]
    return release(seat, facts.requirement, holdings, known, facts.now)


def _rivals(place: Place, seats: Sequence[Seat]) -> int:
    """Return how many jobs before this one fit a client that fits this one too."""
    needs = {group.requirement for group in place.ahead}
    compete = {need for need in needs if any(how_many(need, seat.total) != 0 for seat in seats)}
    return sum(group.number for group in place.ahead if group.requirement in compete)


def _stand(place: Place, seats: Sequence[Seat], rivals: int) -> Reason:
    if not place.number:
        return reason(_C.QUEUE, "It is ready, and no ready job stands before it in the queue.")
    number = f"more than {place.number:,} jobs" if place.more else count(place.number, "job")
    stand = "stands" if place.number == 1 and not place.more else "stand"
    text = f"It is ready, and {number} {stand} before it in the queue"
    if seats and rivals < place.number:
        compete = "compete" if rivals > 1 else "competes"
        text += f"; {f'{rivals:,}' if rivals else 'none'} of them {compete} for the same clients"
    advice = "To let it go earlier, give it a higher priority than those before it." if rivals else ""
    return reason(_C.QUEUE, f"{text}.", advice)


def _outlook(facts: Facts, estimate: Estimate | None, missing: tuple[int, ...]) -> Iterator[Reason]:
    if estimate is None:
        if missing:
            names = some([facts.task_name(task_id) for task_id in missing])
            text = f"No estimate of its start: too few runs have completed lately of {names}."
            yield reason(_C.NO_ESTIMATE, text)
        return
    low = (estimate.earliest - facts.now).total_seconds()
    if estimate.latest is None:
        when = f"in {span(low)} at the earliest" if low >= 1 else "at any time from now on"
    else:
        high = (estimate.latest - facts.now).total_seconds()
        when = f"in {spans(low, high)}" if high >= 1 else "at once"
        if high >= 1:
            when += f" (by {clock(estimate.latest, facts.now)})"
    judging = some([_sample(each) for each in estimate.samples]) if estimate.samples else ""
    text = f"It may start {when}{f', judging by {judging}' if judging else ''}."
    yield reason(_C.ESTIMATE, text, until=estimate.latest)


def _sample(sample: Sample) -> str:
    return f"the last {count(sample.runs, 'run')} of {sample.task} ({spans(sample.shortest, sample.longest)})"


def _archived(facts: Facts) -> Iterator[Reason]:
    if facts.project.status is ProjectStatus.ARCHIVED:
        text = f"Its project {facts.project.name!r} is archived and hands out no jobs."
        yield reason(_C.ARCHIVED, text, "Make the project ACTIVE again.")


def _back_off(facts: Facts) -> Iterator[Reason]:
    job = facts.job
    if job.not_before is not None and job.not_before > facts.now:
        wait = span((job.not_before - facts.now).total_seconds())
        text = (
            f"Attempt {job.attempt} failed{_how(job.cause, job.exit_code, job.message)}; the next one may start in "
            f"{wait}, at {clock(job.not_before, facts.now)}. "
            f"Its policy allows {facts.task.retry.retries:,} after the first, and {job.failures:,} failed so far."
        )
        yield reason(_C.BACK_OFF, text, until=job.not_before)


def _last_attempt(facts: Facts) -> Iterator[Reason]:
    job = facts.job
    if job.attempt and job.cause is not None:
        text = f"Attempt {job.attempt} did not succeed{_how(job.cause, job.exit_code, job.message)}."
        yield reason(_C.LAST_ATTEMPT, text)


# -- dependencies ------------------------------------------------------------------------------------------------------


def _dependencies(facts: Facts, known: Mapping[int, Sample]) -> Iterator[Reason]:
    parents = facts.unmet
    if len(parents) > NAMED:
        numbers = Counter(parent.status for parent in parents)
        parts = [f"{number:,} {status or 'deleted'}" for status, number in numbers.most_common()]
        more = "" if facts.unmet_is_all else "more than "
        text = f"It waits for {more}{len(parents):,} jobs: {', '.join(parts)}. The next reasons tell of the first."
        yield reason(_C.DEPENDENCY, text, jobs=[parent.id for parent in parents])
    for chain in facts.chains:
        yield _dependency(facts, chain, known)


def _dependency(facts: Facts, chain: Chain, known: Mapping[int, Sample]) -> Reason:
    first, root = chain.links[0], chain.root
    text = f"It waits for {job_named(first.id, first.name)} to {ASKED[first.condition]}, which {_stands(facts, first)}"
    whole = len(chain.links) <= NAMED
    for link in chain.links[1:] if whole else chain.links[1 : NAMED - 1]:
        text += f"; that one waits for {job_named(link.id, link.name)} to {ASKED[link.condition]}, which "
        text += _stands(facts, link)
    if not whole:
        text += f"; and so on up to {job_named(root.id, root.name)}, {count(len(chain.links) - 1, 'job')} further up, "
        text += f"which {_stands(facts, root)}"
    if chain.forks or chain.is_cut:
        text += f" and waits for {'several jobs' if chain.forks else 'another job'}"
    elif root.status is JobStatus.RUNNING and (sample := known.get(root.task_id or 0)) is not None:
        text += f" (the last {count(sample.runs, 'run')} of its task took {spans(sample.shortest, sample.longest)})"
    advice = f"What holds that one: whatsnext jobs why {root.id}" if root.status is JobStatus.PENDING else ""
    return reason(_C.DEPENDENCY, f"{text}.", advice, jobs=chain.ids)


def _stands(facts: Facts, parent: Parent) -> str:
    match parent.status:
        case None:
            return "was deleted"
        case JobStatus.RUNNING:
            on = f" on {parent.client_id}" if parent.client_id else ""
            since = f" for {span((facts.now - parent.started_at).total_seconds())}" if parent.started_at else ""
            return f"is RUNNING{on}{since}"
        case JobStatus.QUEUED:
            return f"is QUEUED on {parent.client_id}" if parent.client_id else "is QUEUED"
        case JobStatus.PENDING if parent.not_before is not None and parent.not_before > facts.now:
            return f"is PENDING until {clock(parent.not_before, facts.now)}, when its back-off ends"
        case JobStatus.FAILED:
            return f"FAILED{_how(parent.cause, parent.exit_code, parent.message)}"
        case _ if parent_fate(parent) is Fate.MET:
            return f"is {parent.status}; this job learns of that in a moment"
        case _:
            return f"is {parent.status}"


def _how(cause: Cause | None, exit_code: int | None, message: str) -> str:
    words = failure(cause, exit_code, message)
    return f" ({words})" if words else ""


def blocked(facts: Facts) -> Iterator[Reason]:
    """Yield what blocks a BLOCKED job: the root of each chain, and the way out."""
    found = [chain for chain in facts.chains if parent_fate(chain.links[0]) is Fate.IMPOSSIBLE]
    for chain in found:
        yield _block(facts, chain)
    number = sum(parent_fate(parent) is Fate.IMPOSSIBLE for parent in facts.unmet)
    if number > len(found) > 0:
        more = "" if facts.unmet_is_all else "at least "
        jobs = [parent.id for parent in facts.unmet]
        yield reason(_C.DEPENDENCY, f"In all {more}{number:,} jobs that it depends on block it.", jobs=jobs)
    if not found:
        yield reason(_C.SETTLING, "What blocked it has changed; the server brings it back in a moment.")


def _block(facts: Facts, chain: Chain) -> Reason:
    first, root = chain.links[0], chain.root
    text = f"It can never run as things stand: {job_named(first.id, first.name)} {_stands(facts, first)}"
    text += f", and it had to {ASKED[first.condition]}"
    if root is not first:
        between = f", {count(len(chain.links) - 1, 'job')} up," if len(chain.links) > 2 else ""  # noqa: PLR2004
        text += f"; the cause{between} is {job_named(root.id, root.name)}, which {_stands(facts, root)}"
        text += "" if chain.is_cut else f" and had to {ASKED[root.condition]}"
    if chain.is_cut:
        advice = f"What blocks that one: whatsnext jobs why {root.id}"
    elif root.status in {JobStatus.FAILED, JobStatus.CANCELLED}:
        advice = f"To bring it back with all that it blocks: whatsnext jobs retry {root.id}"
    else:
        below = facts.job.id if root is first else chain.links[-2].id
        advice = f"That is final: give job {below} other dependencies, or cancel it."
    return reason(_C.DEPENDENCY, sentence(text), advice, jobs=chain.ids)
