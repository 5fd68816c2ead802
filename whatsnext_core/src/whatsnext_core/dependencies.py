"""Dependencies between jobs: what a parent's status means for its children, and that nobody waits in a circle.

A job keeps two counts: how many of its edges are *unmet* (not met yet) and how many of those are *impossible* (can
never be met as things stand). It is ready when nothing is unmet, and BLOCKED while anything is impossible. When a job
changes its status, its children's counts change by the difference between what each edge was and what it is now;
nothing is ever recomputed from all edges.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from enum import Enum
from typing import TypeVar

from attrs import frozen

from whatsnext_core.errors import CycleError
from whatsnext_core.model.status import Condition, JobStatus

Node = TypeVar("Node", bound=Hashable)


SHOWN = 10
"""Nodes of a circle that a message shows at most."""


class Fate(Enum):
    """What an edge is, given its condition and its parent's status."""

    OPEN = "open"
    """May still be met."""
    MET = "met"
    """Is met."""
    IMPOSSIBLE = "impossible"
    """Can never be met unless a person retries or changes something."""


_ENDS = {
    Condition.SUCCESS: {JobStatus.COMPLETED: Fate.MET},
    Condition.FAILURE: {JobStatus.FAILED: Fate.MET},
    Condition.FINISHED: dict.fromkeys((JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED), Fate.MET),
}
_DEAD = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.BLOCKED})


def fate(condition: Condition, parent: JobStatus | None) -> Fate:
    """Return what an edge is, given the parent's status; None for a parent that was deleted before it met the edge."""
    if parent is None:
        return Fate.IMPOSSIBLE
    return _ENDS[condition].get(parent, Fate.IMPOSSIBLE if parent in _DEAD else Fate.OPEN)


@frozen
class Counts:
    """How many edges of a job are unmet, and how many of those are impossible; or by how much both change."""

    unmet: int = 0
    """Edges that are not met."""
    impossible: int = 0
    """Edges among them that can never be met as things stand."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.unmet + other.unmet, self.impossible + other.impossible)

    @property
    def is_ready(self) -> bool:
        """Whether nothing holds the job back."""
        return self.unmet == 0

    @property
    def status(self) -> JobStatus:
        """The status of a waiting job with these counts: PENDING, or BLOCKED."""
        return JobStatus.BLOCKED if self.impossible else JobStatus.PENDING


_WEIGHT = {Fate.MET: Counts(0, 0), Fate.OPEN: Counts(1, 0), Fate.IMPOSSIBLE: Counts(1, 1)}


def count(edges: Iterable[tuple[Condition, JobStatus | None]]) -> Counts:
    """Return the counts of a job with these edges, each a condition and the parent's status."""
    total = Counts()
    for condition, parent in edges:
        total += _WEIGHT[fate(condition, parent)]
    return total


def change(condition: Condition, old: JobStatus | None, new: JobStatus | None) -> Counts:
    """Return by how much a child's counts change when the parent of one edge goes from ``old`` to ``new``."""
    return weigh(fate(condition, old), fate(condition, new))


def weigh(old: Fate, new: Fate) -> Counts:
    """Return by how much a child's counts change when one of its edges goes from ``old`` to ``new``."""
    before, after = _WEIGHT[old], _WEIGHT[new]
    return Counts(after.unmet - before.unmet, after.impossible - before.impossible)


def matters(old: JobStatus, new: JobStatus) -> bool:
    """Return whether a parent's change of status can change any edge to it, whatever its condition."""
    return (old in _DEAD or new in _DEAD) and old is not new


def fate_after_deletion(condition: Condition, last: JobStatus) -> Fate:
    """Return what an edge is once its parent was deleted in the status ``last``: what was met stays met."""
    return Fate.MET if fate(condition, last) is Fate.MET else Fate.IMPOSSIBLE


def siblings(job: Node, parents: Mapping[Node, Collection[Node]]) -> set[Node]:
    """Return the siblings of a job: what else its children wait for.

    ``parents`` gives all parents of each child of the job that waits. A child of the job is no sibling of it, though
    another child may wait for it: it may be there to deal with the job's failure.
    """
    return {parent for before in parents.values() for parent in before} - parents.keys() - {job}


def order(parents: Mapping[Node, Collection[Node]], name: Callable[[Node], str] = str) -> list[Node]:
    """Return the nodes so that each comes after its parents (Kahn's algorithm), ties in the order given.

    Parents that are no keys of the mapping lie outside the batch and are ignored: edges to what existed before cannot
    close a circle.

    Raises:
        CycleError: some nodes wait for each other; the message shows one circle, with ``name`` of each node.
    """
    missing = {node: sum(parent in parents for parent in set(before)) for node, before in parents.items()}
    children: dict[Node, list[Node]] = {node: [] for node in parents}
    for node, before in parents.items():
        for parent in dict.fromkeys(before):
            if parent in parents:
                children[parent].append(node)
    free = deque(node for node, number in missing.items() if number == 0)
    found: list[Node] = []
    while free:
        node = free.popleft()
        found.append(node)
        for child in children[node]:
            missing[child] -= 1
            if missing[child] == 0:
                free.append(child)
    if len(found) < len(parents):
        stuck = {node for node, number in missing.items() if number}
        raise _cycle(_find_circle(parents, stuck), name)
    return found


def check_new_edges(
    child: int,
    new_parents: Collection[int],
    parents_of: Callable[[Collection[int]], Mapping[int, Collection[int]]],
) -> None:
    """Raise CycleError if ``child`` is an ancestor of any of its ``new_parents``.

    ``parents_of`` gives the parents of a set of jobs; it is called once a generation, with jobs not asked before.
    """
    came_from: dict[int, int | None] = dict.fromkeys(new_parents)
    generation: Collection[int] = list(came_from)
    while generation:
        if child in came_from:
            raise _cycle(_path_back(child, came_from), str)
        above = parents_of(generation)
        following: dict[int, None] = {}
        for job in generation:
            for parent in above.get(job, ()):
                if parent not in came_from:
                    came_from[parent] = job
                    following[parent] = None
        generation = list(following)


def _path_back(child: int, came_from: Mapping[int, int | None]) -> list[int]:
    circle = [child]
    step = came_from[child]
    while step is not None:
        circle.append(step)
        step = came_from[step]
    return circle[::-1] if len(circle) > 1 else circle


def _find_circle(parents: Mapping[Node, Collection[Node]], stuck: Collection[Node]) -> list[Node]:
    node = next(iter(node for node in parents if node in stuck))
    path: list[Node] = []
    place: dict[Node, int] = {}
    while node not in place:
        place[node] = len(path)
        path.append(node)
        node = next(parent for parent in parents[node] if parent in stuck)
    return path[place[node] :]


def _cycle(circle: list[Node], name: Callable[[Node], str]) -> CycleError:
    shown = [name(node) for node in circle]
    if len(shown) > SHOWN:
        shown = [*shown[: SHOWN - 2], "...", shown[-1]]
    if len(shown) == 1:
        return CycleError(f"Job {shown[0]} would depend on itself; remove that dependency.")
    chain = " -> ".join([*shown, shown[0]])
    return CycleError(f"The dependencies form a circle ({chain}); remove one of them.")
