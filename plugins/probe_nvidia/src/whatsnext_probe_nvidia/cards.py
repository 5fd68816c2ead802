"""GPUs as NVML tells of them, and the devices that a worker offers of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import frozen

from whatsnext_core.model import Device
from whatsnext_core.model.limits import MAX_NAME
from whatsnext_core.probing import Measurement

WHOLE: Final = 1000


@frozen(kw_only=True)
class Unit:
    """What a program can compute on: a whole GPU, or one MIG instance of it."""

    uuid: str
    """Its UUID (``GPU-...`` or ``MIG-...``), by which CUDA, Docker and Podman know it."""
    name: str
    """Its product name."""
    memory: int
    """Its memory in bytes."""
    users: tuple[int, ...] = ()
    """The processes that compute on it."""


@frozen(kw_only=True)
class Card:
    """One GPU of the machine."""

    uuid: str
    """Its UUID."""
    units: tuple[Unit, ...]
    """What there is to compute on: itself, or its MIG instances in its place."""


def measurement(cards: Sequence[Card], visible: str | None, *, share_with_others: bool = False) -> Measurement:
    """Return what is offered of the cards, in the order in which ``CUDA_VISIBLE_DEVICES`` lists them.

    Args:
        cards: The machine's, in the order of their numbers.
        visible: Value of that variable; None if it is not set, so that all can be seen.
        share_with_others: Whether a unit is free although others compute on it.
    """
    units = dict.fromkeys(unit for card in cards for unit in card.units) if visible is None else seen(cards, visible)
    return Measurement(
        devices=tuple(
            Device(
                id=unit.uuid,
                kind=unit.name[:MAX_NAME],
                memory=unit.memory,
                free=0 if unit.users and not share_with_others else WHOLE,
            )
            for unit in units
        ),
        users={unit.uuid: unit.users for unit in units if unit.users and not share_with_others},
    )


def seen(cards: Sequence[Card], visible: str) -> dict[Unit, None]:
    """Return what CUDA shows for a value of ``CUDA_VISIBLE_DEVICES``: all before the first word that names nothing.

    A word is the number of a card, or the beginning of the UUID of exactly one card or instance. Numbers are taken as
    ``nvidia-smi`` counts; a card that is divided stands for all its instances.
    """
    found: dict[Unit, None] = {}
    for word in visible.split(","):
        units = list(_named(cards, word.strip()))
        if not units:
            break
        found |= dict.fromkeys(units)
    return found


def _named(cards: Sequence[Card], word: str) -> Iterable[Unit]:
    if word.isdecimal():
        return cards[int(word)].units if int(word) < len(cards) else ()
    matches = [units for uuid, units in _by_uuid(cards) if word and uuid.casefold().startswith(word.casefold())]
    return matches[0] if len(matches) == 1 else ()


def _by_uuid(cards: Iterable[Card]) -> Iterator[tuple[str, tuple[Unit, ...]]]:
    for card in cards:
        yield card.uuid, card.units
        for unit in card.units:
            if unit.uuid != card.uuid:
                yield unit.uuid, (unit,)
