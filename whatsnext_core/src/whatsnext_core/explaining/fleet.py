"""How the clients stand to a job: who could run it, who lacks what, and who is away."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum

from attrs import field, frozen

from whatsnext_core.model import Capacity, Client, Requirement
from whatsnext_core.resources import WHOLE, fits, shortfalls, suits, whole
from whatsnext_core.scheduling import ends_in_time


class Presence(Enum):
    """Whether a client takes jobs of a project."""

    TAKES = "takes"
    """It does."""
    OFFLINE = "offline"
    """It has not been heard of for too long."""
    INACTIVE = "inactive"
    """It was taken out of service."""
    DRAINING = "draining"
    """It finishes what it runs."""
    ELSEWHERE = "elsewhere"
    """It asks for jobs of other projects only."""
    LEAVING = "leaving"
    """It is taken away before such a job would surely end."""


@frozen(kw_only=True)
class Wishes:
    """What clients ask for, of those whose request for jobs is held by the server that answers."""

    projects: Mapping[str, Collection[int]] = field(factory=dict)
    """The projects of clients that ask for jobs of some only."""
    seconds: Mapping[str, float] = field(factory=dict)
    """How long jobs may take of clients that will be taken away."""


@frozen(kw_only=True)
class Seat:
    """A client, as one job sees it."""

    client: Client
    """The client."""
    total: Capacity
    """All that it has."""
    presence: Presence
    """Whether it takes such jobs."""
    lacks: tuple[str, ...] = field(default=())
    """What it has too little of even when nothing runs there, as codes of ``resources.shortfalls``."""

    @property
    def fits(self) -> bool:
        """Whether it has what the job needs."""
        return not self.lacks


@frozen(kw_only=True)
class Fleet:
    """All clients, as one job sees them."""

    seats: tuple[Seat, ...] = field(default=())
    """Each of them."""

    @property
    def takers(self) -> list[Seat]:
        """Those that take jobs of its project."""
        return [seat for seat in self.seats if seat.presence is Presence.TAKES]

    @property
    def candidates(self) -> list[Seat]:
        """Those of them that have what it needs."""
        return [seat for seat in self.takers if seat.fits]

    def away(self, presence: Presence) -> list[Client]:
        """Return the clients that would fit, were they there."""
        return [seat.client for seat in self.seats if seat.presence is presence and seat.fits]


def survey(
    clients: Sequence[Client],
    requirement: Requirement,
    project_id: int,
    *,
    now: datetime,
    silent_after: timedelta,
    wishes: Wishes,
    seconds: float | None = None,
) -> Fleet:
    """Return how the clients stand to a job of a project with this requirement that takes so long at most."""
    seats = []
    for client in clients:
        total = client.capacity
        if any(device.free != WHOLE for device in total.devices):
            total = whole(total)
        lacks = () if fits(requirement, total) else tuple(code for code, _ in shortfalls(requirement, total))
        presence = _presence(client, project_id, now, silent_after, wishes)
        if presence is Presence.TAKES and not ends_in_time(seconds, wishes.seconds.get(client.id)):
            presence = Presence.LEAVING
        seats.append(Seat(client=client, total=total, presence=presence, lacks=lacks))
    return Fleet(seats=tuple(seats))


def _presence(client: Client, project_id: int, now: datetime, silent_after: timedelta, wishes: Wishes) -> Presence:
    if not client.is_active:
        return Presence.INACTIVE
    if now - client.last_heartbeat > silent_after:
        return Presence.OFFLINE
    if client.draining:
        return Presence.DRAINING
    return Presence.ELSEWHERE if project_id not in wishes.projects.get(client.id, (project_id,)) else Presence.TAKES


def how_many(requirement: Requirement, total: Capacity) -> int | None:
    """Return how many jobs with this requirement a client can run at once; None if nothing limits their number."""
    if not fits(requirement, total):
        return 0
    bounds = []
    if requirement.cpu:
        bounds.append(total.cpu // requirement.cpu)
    if requirement.memory and total.memory is not None:
        bounds.append(total.memory // requirement.memory)
    if requirement.accelerator_millis:
        devices = sum(suits(requirement, device) for device in total.devices)
        millis = requirement.accelerator_millis
        bounds.append(devices * (WHOLE // millis) if millis < WHOLE else devices // (millis // WHOLE))
    return min(bounds, default=None)
