"""Why no client takes a ready job, or which one will: sentences about clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from whatsnext_core.explaining.estimate import Release
from whatsnext_core.explaining.facts import Facts
from whatsnext_core.explaining.fleet import Fleet, Presence, Seat
from whatsnext_core.explaining.reasons import Reason, ReasonCode, reason
from whatsnext_core.explaining.words import NAMED, clock, count, job_named, memory, some, span, spans
from whatsnext_core.model import Client, Requirement
from whatsnext_core.resources import suits
from whatsnext_core.scheduling import RESERVATION_HOLDS

PUZZLING: Final = 60.0
"""Seconds after which a job that a client has room for should have started."""
_C = ReasonCode


def unfit(facts: Facts, fleet: Fleet) -> Iterator[Reason]:
    """Yield why no client that takes jobs fits the job; nothing if one does."""
    if fleet.candidates:
        return
    takers = fleet.takers
    if not takers:
        yield reason(_C.NO_CLIENT, _nobody(fleet), "Start one on a machine with what it needs: whatsnext worker")
    strange = sorted(facts.requirement.labels.difference(*(seat.total.labels for seat in fleet.seats)))
    if strange:
        text = f"No client carries the label{'s' * (len(strange) > 1)} {some(strange)} that its task asks for."
        advice = f"Start a client with it (whatsnext worker --label {strange[0]}), or correct the task's labels."
        yield reason(_C.UNKNOWN_LABEL, text, advice)
    if takers:
        whom = "the only client that takes jobs"
        if len(takers) > 1:
            whom = f"any of {count(len(takers), 'client')} that take jobs"
        advice = f"Start a client with {facts.requirement.describe()}, or let task {facts.task.name!r} ask for less."
        clients = [seat.client.id for seat in takers[:NAMED]]
        yield reason(
            _C.DOES_NOT_FIT, f"It does not fit {whom}: {_lacking(takers, facts.requirement)}.", advice, clients=clients
        )
    yield from away(facts, fleet)


def _nobody(fleet: Fleet) -> str:
    if not fleet.seats:
        return "No client is known to the server, so nobody takes jobs."
    numbers = Counter(seat.presence for seat in fleet.seats)
    words = {
        Presence.OFFLINE: "offline",
        Presence.INACTIVE: "out of service",
        Presence.DRAINING: "draining",
        Presence.ELSEWHERE: "for other projects",
        Presence.LEAVING: "about to be taken away",
    }
    parts = [
        f"{numbers[presence]:,} {'is' if numbers[presence] == 1 else 'are'} {word}"
        for presence, word in words.items()
        if numbers[presence]
    ]
    return f"No client takes jobs like this now: {', '.join(parts)}."


def _lacking(seats: Sequence[Seat], requirement: Requirement) -> str:
    """Return how many of the clients lack what: ``3 of 7 clients lack 8 CPUs (the most is 4)``."""
    numbers = Counter(code for seat in seats for code in seat.lacks)
    parts = []
    for code, number in numbers.items():
        who = "that one" if len(seats) == 1 else f"{number:,} of {count(len(seats), 'client')}"
        verb = "lacks" if number == 1 else "lack"
        parts.append(f"{who} {verb} {_WHAT[code](requirement, seats)}")
    return "; ".join(parts)


def _cpu(requirement: Requirement, seats: Sequence[Seat]) -> str:
    return f"{count(requirement.cpu, 'CPU')} (the most is {max(seat.total.cpu for seat in seats)})"


def _memory(requirement: Requirement, seats: Sequence[Seat]) -> str:
    most = max(seat.total.memory or 0 for seat in seats)
    return f"{memory(requirement.memory)} of memory (the most is {memory(most)})"


def _accelerators(requirement: Requirement, seats: Sequence[Seat]) -> str:
    most = max(sum(suits(requirement, device) for device in seat.total.devices) for seat in seats)
    kinds = [requirement.accelerator_kind] if requirement.accelerator_kind else []
    kinds += [memory(requirement.accelerator_memory)] if requirement.accelerator_memory else []
    kind = f" ({' '.join(kinds)})" if kinds else ""
    plural = "s" * (requirement.accelerators > 1)
    return f"{requirement.accelerators:g} accelerator{plural}{kind} (the most is {most})"


def _labels(requirement: Requirement, _: Sequence[Seat]) -> str:
    return f"the label{'s' * (len(requirement.labels) > 1)} {some(sorted(requirement.labels))}"


_WHAT: Final[dict[str, Callable[[Requirement, Sequence[Seat]], str]]] = {
    "cpu": _cpu,
    "memory": _memory,
    "accelerators": _accelerators,
    "labels": _labels,
}
"""What a client lacks, in words, by the codes of ``resources.shortfalls``."""


def lacks(facts: Facts, fleet: Fleet) -> Iterator[Reason]:
    """Yield which clients lack what, beside others that have it."""
    short = [seat for seat in fleet.takers if not seat.fits]
    if short:
        clients = [seat.client.id for seat in short[:NAMED]]
        yield reason(_C.LACKS, f"{_lacking(fleet.takers, facts.requirement)}.", clients=clients)


def away(facts: Facts, fleet: Fleet) -> Iterator[Reason]:
    """Yield which clients would fit the job and take none."""
    for presence, (code, one, many, advice) in _AWAY.items():
        clients = fleet.away(presence)
        if clients:
            clients.sort(key=lambda client: client.last_heartbeat, reverse=True)
            number = f"{len(clients):,} client{'' if len(clients) == 1 else 's'} that would fit"
            named = some([_since(facts, client, presence) for client in clients])
            text = f"{number} {one if len(clients) == 1 else many}: {named}."
            yield reason(code, text, advice, clients=[client.id for client in clients[:NAMED]])


_AWAY: Final = {
    Presence.OFFLINE: (_C.OFFLINE, "is offline", "are offline", "Start it there again: whatsnext worker"),
    Presence.DRAINING: (
        _C.DRAINING,
        "takes no more jobs",
        "take no more jobs",
        "Start a new worker there once it has left, or undo the drain.",
    ),
    Presence.INACTIVE: (
        _C.INACTIVE,
        "was taken out of service",
        "were taken out of service",
        "Start it there again: whatsnext worker",
    ),
    Presence.ELSEWHERE: (
        _C.OTHER_PROJECTS,
        "asks for jobs of other projects only",
        "ask for jobs of other projects only",
        "Start a worker for this project there: whatsnext worker --project NAME",
    ),
    Presence.LEAVING: (
        _C.LEAVING,
        "is taken away before it would surely end",
        "are taken away before it would surely end",
        "Give the job a shorter timeout, or start a client that stays longer.",
    ),
}
"""What is said of clients that would fit and take no such jobs."""


def _since(facts: Facts, client: Client, presence: Presence) -> str:
    if presence is Presence.LEAVING:
        return f"{client.id}, in {span(facts.wishes.seconds[client.id])}"
    if presence in {Presence.DRAINING, Presence.ELSEWHERE}:
        return client.id
    silent = (facts.now - client.last_heartbeat).total_seconds()
    return f"{client.id}, last heard of {span(silent)} ago"


def room(facts: Facts, since: datetime, releases: Sequence[Release], *, next_one: bool) -> Iterator[Reason]:
    """Yield whether a client has room for the job now, or what must end there first."""
    free = [each.seat.client.id for each in releases if not each.holdings]
    if free and next_one:
        yield reason(_C.NEXT, *_next(facts, since, free), clients=free[:NAMED])
    elif releases and not free:
        yield _busy(facts, since, releases)


def _next(facts: Facts, since: datetime, free: Sequence[str]) -> tuple[str, str]:
    has, which = ("has", "that client") if len(free) == 1 else ("have", "one of them")
    text = f"{some(free)} {has} room for it now: it starts when {which} next asks for jobs."
    ready = (facts.now - since).total_seconds()
    if ready < PUZZLING:
        return text, ""
    return (
        f"{text} It has been ready for {span(ready)}.",
        f"See whether {free[0]} takes jobs of project {facts.project.name!r}, and what its worker says.",
    )


def _busy(facts: Facts, since: datetime, releases: Sequence[Release]) -> Reason:
    order = sorted(releases, key=lambda each: (each.wait.high, len(each.holdings), each.wait.low, each.seat.client.id))
    parts = []
    for each in order[:NAMED]:
        names = some([job_named(held.job_id, held.name) for held in each.holdings])
        ends = "ends" if len(each.holdings) == 1 else "end"
        likely = f" (likely in {spans(each.wait.low, each.wait.high)})" if each.wait.high < float("inf") else ""
        parts.append(f"{each.seat.client.id} when {names} {ends}{likely}")
    rest = f", and {count(len(order) - NAMED, 'more client')}" if len(order) > NAMED else ""
    needs = facts.requirement.describe()
    text = f"It needs {needs}, and no client has that free now: it fits {', '.join(parts)}{rest}."
    jobs = dict.fromkeys(held.job_id for each in order[:NAMED] for held in each.holdings[:NAMED])
    clients = [each.seat.client.id for each in order[:NAMED]]
    drains_at = since + facts.reserve_after
    reserved = any(job_id == facts.job.id for job_id, _ in facts.reservations.values())
    if reserved or drains_at <= facts.now:
        return reason(_C.BUSY, text, jobs=jobs, clients=clients)
    text += f" From {clock(drains_at, facts.now)} on a client drains for it."
    return reason(_C.BUSY, text, jobs=jobs, clients=clients)


def reserved(facts: Facts, seats: Sequence[Seat]) -> Iterator[Reason]:
    """Yield which clients drain for the job, or for another one."""
    able = {seat.client.id for seat in seats}
    valid = {
        client_id: job_id
        for client_id, (job_id, made_at) in facts.reservations.items()
        if client_id in able and facts.now - made_at <= RESERVATION_HOLDS
    }
    own = sorted(client_id for client_id, job_id in valid.items() if job_id == facts.job.id)
    if own:
        text = f"{some(own)} drains for it: it takes nothing that would make this job wait longer."
        yield reason(_C.RESERVED, text, clients=own[:NAMED])
    others = sorted(client_id for client_id, job_id in valid.items() if job_id != facts.job.id)
    if others:
        named = some([f"{client_id} for job {valid[client_id]}" for client_id in others])
        one = len(others) == 1
        drain, take = ("client drains", "takes") if one else ("clients drain", "take")
        text = f"{len(others):,} {drain} for another job and {take} only what leaves it room: {named}."
        jobs = dict.fromkeys(valid[client_id] for client_id in others[:NAMED])
        yield reason(_C.RESERVED_ELSEWHERE, text, jobs=jobs, clients=others[:NAMED])
