"""Rows whose keys follow one another, as most of a batch do: a database walks from the first to the last of them.

To find each by itself takes a search through all levels of an index, and text that names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple, TypeAlias

LEAST = 8
"""Numbers in a span, on average, from which on it is worth to be walked through."""

Span: TypeAlias = tuple[int, int]
"""The first and the last of numbers that follow one another."""


class Walk(NamedTuple):
    """Keys that are alike but for one, and where that one goes."""

    place: int
    """Which key differs."""
    others: tuple[Any, ...]
    """What the others are."""
    spans: Sequence[Span]

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """The parameters of ``condition``, for each span."""
        return [(*self.others, *span) for span in self.spans]


def spans_of(numbers: Sequence[int]) -> Sequence[Span] | None:
    """Return the spans that some different numbers make up, in ascending order; None if these are short."""
    low, high = min(numbers), max(numbers)
    if high - low + 1 == len(numbers):
        return [(low, high)]
    ordered = sorted(numbers)
    gaps = [(last, first) for last, first in pairwise(ordered) if first != last + 1]
    if (len(gaps) + 1) * LEAST > len(numbers):
        return None
    edges = chain((low,), *gaps, (high,))
    return list(zip(edges, edges, strict=True))


def walk(keys: Sequence[Sequence[Any]]) -> Walk | None:
    """Return how to walk through rows with these columns of keys; None if there is none, or a row comes twice."""
    own = [place for place, column in enumerate(keys) if column.count(column[0]) < len(column)]
    if len(own) != 1 or {*map(type, keys[own[0]])} != {int}:
        return None
    numbers = keys[own[0]]
    found = spans_of(numbers) if len({*numbers}) == len(numbers) else None
    if found is None:
        return None
    return Walk(own[0], tuple(column[0] for place, column in enumerate(keys) if place != own[0]), found)


def condition(keys: Sequence[str], marks: Sequence[str], place: int) -> str:
    """Return that rows are on a walk; ``marks`` stand for the values of the keys."""
    others = [f"{key} = {mark}" for key, mark in zip(keys, marks, strict=True)]
    others[place : place + 1] = []
    return " AND ".join((*others, f"{keys[place]} >= {marks[place]}", f"{keys[place]} <= {marks[place]}"))
