"""What engines say of attempts that wait in their own queues, on its way to the server."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

from whatsnext_client.engine.records import Held
from whatsnext_core.model import AttemptNote

NOTE_WITHIN: Final = 1.0
"""Seconds after which the server hears why an attempt waits; later words about it go with other news."""


class Notes:
    """The first words about attempts, until the server has them. The ledger's lock is held wherever this is called."""

    def __init__(self, attempts: Mapping[str, Held]) -> None:
        self._attempts = attempts
        """Those that the worker holds, by key."""
        self._unsaid: dict[str, tuple[float, Held]] = {}
        """When there were words about an attempt for the first time, by the monotonic clock, and which; in order."""

    def take(self, held: Held, words: str) -> None:
        """Take in what the engine says of an attempt."""
        if held.note is None:
            self._unsaid[held.key] = (time.monotonic(), held)
        held.note = words

    def due(self) -> float | None:
        """Return when the server is to hear of the first ones, by the monotonic clock; None if it knows all."""
        while self._unsaid:
            key, (moment, held) = next(iter(self._unsaid.items()))
            if (
                key in self._attempts
                and held.is_live
                and not held.running
                and not held.muted
                and held.note_told is None
            ):
                return moment + NOTE_WITHIN
            del self._unsaid[key]
        return None

    def sent(self, notes: Iterable[AttemptNote]) -> None:
        """Take in what the server was told."""
        for note in notes:
            held = self._attempts.get(f"{note.job_id}-{note.fence}") if note.message is not None else None
            if held is not None:
                held.note_told = note.message
                self._unsaid.pop(held.key, None)
