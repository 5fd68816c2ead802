"""The contract of notifiers: who is told of events, after they are committed, at least once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from whatsnext_core.model.event import Event


@runtime_checkable
class Notifier(Protocol):
    """Something that passes events on."""

    def notify(self, events: Sequence[Event]) -> None:
        """Take events in, in the order of their numbers. If it raises, the same events come again after a back-off."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...
