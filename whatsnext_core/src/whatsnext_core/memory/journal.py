"""Tables in memory whose changes can be undone.

A table is a dictionary of immutable rows. Whatever else is kept about them (an order, a count) is derived from a row
when it comes, changes or goes, in one place; so undoing a transaction is no more than putting the old rows back.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterator
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Journal:
    """What a transaction changed so far, oldest first."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: list[tuple[Table[Any, Any], Any, Any]] = []

    def note(self, table: Table[K, V], key: K, old: V | None) -> None:
        """Note what a row was before it changes; None for one that comes into being."""
        self._entries.append((table, key, old))

    def mark(self) -> int:
        """Return the present place, to which one may go back."""
        return len(self._entries)

    def undo_to(self, mark: int) -> None:
        """Take back what happened since the mark, newest first."""
        while len(self._entries) > mark:
            table, key, old = self._entries.pop()
            table.restore(key, old)

    def clear(self) -> None:
        """Forget what happened; it is kept for good."""
        self._entries.clear()


class Table(Generic[K, V]):
    """Rows by key. A subclass keeps its indexes in ``_moved``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._rows: dict[K, V] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __getitem__(self, key: K) -> V:
        return self._rows[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: K) -> V | None:
        """Return the row, or None if there is none."""
        return self._rows.get(key)

    def put(self, key: K, row: V) -> None:
        """Write a row."""
        self._journal.note(self, key, self._rows.get(key))
        self.restore(key, row)

    def drop(self, key: K) -> None:
        """Remove a row, if it is there."""
        old = self._rows.get(key)
        if old is not None:
            self._journal.note(self, key, old)
            self.restore(key, None)

    def restore(self, key: K, row: V | None) -> None:
        """Make a row what is given (None for no row) without noting it."""
        old = self._rows.pop(key, None) if row is None else self._rows.get(key)
        if row is not None:
            self._rows[key] = row
        self._moved(key, old, row)

    def _moved(self, key: K, old: V | None, new: V | None) -> None:
        """Keep the indexes in step with a row that came (``old`` is None), changed, or went (``new`` is None)."""


class Ordered(Generic[K]):
    """Distinct keys in ascending order. Quick where they come and go at the end."""

    __slots__ = ("keys",)

    def __init__(self) -> None:
        self.keys: list[Any] = []

    def add(self, key: K) -> None:
        """Add a key that is not there."""
        insort(self.keys, key)

    def remove(self, key: K) -> None:
        """Remove a key that is there."""
        del self.keys[bisect_left(self.keys, key)]


class Groups(Generic[K, V]):
    """Ordered keys in groups; a group exists while it has members."""

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: dict[K, Ordered[V]] = {}

    def __iter__(self) -> Iterator[K]:
        return iter(self._groups)

    def keys(self, group: K) -> list[V]:
        """Return the keys of a group, ascending; the caller does not change the list."""
        found = self._groups.get(group)
        return [] if found is None else found.keys

    def add(self, group: K, key: V) -> None:
        """Add a key to a group."""
        self._groups.setdefault(group, Ordered()).add(key)

    def remove(self, group: K, key: V) -> None:
        """Remove a key from its group."""
        members = self._groups[group]
        members.remove(key)
        if not members.keys:
            del self._groups[group]

    def move(self, key: V, old: K | None, new: K | None) -> None:
        """Take a key from one group to another; None stands for no group."""
        if old != new:
            if old is not None:
                self.remove(old, key)
            if new is not None:
                self.add(new, key)
