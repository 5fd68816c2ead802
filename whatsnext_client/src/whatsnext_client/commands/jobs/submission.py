"""A submission: all its jobs checked, and the body of the one request that carries them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve

from whatsnext_client.commands.base.failures import LocalError
from whatsnext_client.commands.base.output import cell
from whatsnext_client.commands.base.values import combinations
from whatsnext_client.commands.jobs.items import Item, check, read_item
from whatsnext_core.dependencies import order
from whatsnext_core.errors import CycleError, InvalidError
from whatsnext_core.model import limits

SHOWN = 20
"""Problems that are listed before the rest is only counted."""


class Submission:
    """Jobs that passed every check which needs no server.

    Each is kept as the bytes that will be sent, and only its refs beside them, so that a hundred thousand jobs take
    some tens of megabytes.
    """

    def __init__(self, title: str) -> None:
        self.tasks: Counter[str | int] = Counter()
        """How many jobs each task has."""
        self.first_places: dict[str | int, str] = {}
        """Where each task is named first."""
        self._title = title
        self._swept = False
        self._encoded: list[bytes] = []
        self._places: dict[str, str] = {}
        self._parents: dict[str, list[str]] = {}
        self._wanted: list[tuple[str, str]] = []
        self._problems: list[str] = []
        self._unlisted = 0

    def __len__(self) -> int:
        return len(self._encoded)

    def read(self, values: Iterable[tuple[str, Any]], sweeps: Mapping[str, list[Any]]) -> None:
        """Takes jobs as JSON values, each with its place; LocalError as in ``take``."""
        self.take(self._items(values), sweeps)

    def take(self, items: Iterable[tuple[str, Item]], sweeps: Mapping[str, list[Any]]) -> None:
        """Takes all jobs; with a sweep, all of them once for each combination, with refs to that one's own jobs.

        Raises:
            LocalError: some of them are wrong; the message lists up to 20 problems, each with its place.
        """
        self._swept = bool(sweeps)
        if self._swept:
            items = list(items)
        for number, values in enumerate(combinations(sweeps), 1):
            for place, item in items:
                self._add(place, swept(item, values), f"#{number}" if sweeps else "")
        self._finish()

    def _add(self, place: str, item: Item, mark: str) -> None:
        """Takes one item."""
        try:
            check(item)
            encoded = item.encode(mark)
        except InvalidError as error:
            self._problem(place, str(error))
            return
        self._encoded.append(encoded)
        self.tasks[item.task] += 1
        self.first_places.setdefault(item.task, place)
        parents = [edge.job + mark for edge in item.edges if isinstance(edge.job, str)]
        self._wanted += ((place, parent) for parent in parents)
        if item.ref is not None:
            ref = item.ref + mark
            if ref in self._places:
                self._problem(
                    place, f"the ref {item.ref!r} is used before, at {self._places[ref]}; give each job its own"
                )
            self._places.setdefault(ref, place)
            self._parents[ref] = parents

    def _finish(self) -> None:
        """Checks what can be known only when all jobs are: that each ref exists, and that nobody waits in a circle."""
        if not self._problems:
            for place, ref in self._wanted:
                if ref not in self._places:
                    text = f"depends_on names the ref {self._plain(ref)!r}, which no job of the submission has"
                    self._problem(place, text)
        if not self._problems:
            try:
                order(self._parents, lambda ref: f"{self._plain(ref)} at {self._places[ref]}")
            except CycleError as error:
                self._problem(self._title, str(error))
        if self._problems:
            more = f"\n... and {self._unlisted:,} more problems" if self._unlisted else ""
            raise LocalError("\n".join(self._problems) + f"{more}\nNothing was submitted.")
        if not self._encoded:
            raise LocalError(f"{self._title} holds no jobs; nothing was submitted.")

    def body(self) -> bytes:
        """Return the body of the request."""
        return b'{"jobs":[' + b",".join(self._encoded) + b"]}"

    def encoded(self) -> Sequence[bytes]:
        """Return the jobs as they will be sent."""
        return self._encoded

    def _items(self, values: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Item]]:
        for place, value in values:
            try:
                if isinstance(value, InvalidError):
                    raise value
                yield place, read_item(value)
            except InvalidError as error:
                self._problem(place, str(error))

    def _plain(self, ref: str) -> str:
        """Return a ref as the person wrote it."""
        return ref.rpartition("#")[0] if self._swept else ref

    def _problem(self, place: str, text: str) -> None:
        line = f"{place}: {text.rstrip('.')}."
        if line in self._problems:
            return
        if len(self._problems) < SHOWN:
            self._problems.append(line)
        else:
            self._unlisted += 1


def swept(item: Item, values: Mapping[str, Any]) -> Item:
    """Return the item with the values of one combination among its parameters, and its name telling them."""
    if not values:
        return item
    parameters = {**item.parameters, **values}
    name = fill(item.name, parameters)
    if name == item.name:
        name += " " + " ".join(f"{key}={_short(value)}" for key, value in values.items())
    if len(name) > limits.MAX_NAME:
        name = name[: limits.MAX_NAME - 3] + "..."
    return evolve(item, name=name, parameters=parameters)


def fill(name: str, parameters: Mapping[str, Any]) -> str:
    """Return the name with each ``{key}`` that is a parameter replaced by its value."""
    return re.sub(
        r"\{([^{}]+)\}", lambda match: _short(parameters[match[1]]) if match[1] in parameters else match[0], name
    )


def _short(value: Any) -> str:
    return cell("" if value is None else value) if not isinstance(value, bool) else str(value).lower()
