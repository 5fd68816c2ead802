"""The contract of notifiers: who is told of events, after they are committed, at least once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from whatsnext_core.model.event import Event


@runtime_checkable
class Notifier(Protocol):
    """Something that passes events on.

    It is made when the server starts, and talks to nobody before it is first called. All calls come from one thread,
    one after the other; jobs and other notifiers don't wait for it. A call that can hang must have a time limit of its
    own.
    """

    def notify(self, events: Sequence[Event]) -> None:
        """Take events in, in the order of their numbers. If it raises, the same events come again after a back-off.

        They may also come again after the server was restarted, perhaps together with later ones: whoever must not
        count an event twice remembers the number of the last one.
        """
        ...

    def close(self) -> None:
        """Release everything."""
        ...


@runtime_checkable
class BatchNotifier(Notifier, Protocol):
    """A notifier that says how many events it takes at once."""

    @property
    def batch(self) -> int:
        """The most events of one call, at least 1."""
        ...
