"""Edges against a naive recomputation of everything."""

from collections.abc import Collection, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsnext_core.dependencies import (
    Counts,
    Fate,
    change,
    check_new_edges,
    count,
    fate,
    fate_after_deletion,
    matters,
    order,
    siblings,
    weigh,
)
from whatsnext_core.errors import CycleError
from whatsnext_core.model import Condition, JobStatus

S = JobStatus
conditions = st.sampled_from(Condition)
statuses = st.none() | st.sampled_from(JobStatus)
edges = st.lists(st.tuples(conditions, statuses), max_size=6)


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        (Condition.SUCCESS, {S.COMPLETED}),
        (Condition.FAILURE, {S.FAILED}),
        (Condition.FINISHED, {S.COMPLETED, S.FAILED, S.CANCELLED}),
    ],
)
def test_edge_is_met_open_or_impossible(condition: Condition, met: set[JobStatus]) -> None:
    live = {S.PENDING, S.QUEUED, S.RUNNING}
    for status in S:
        expected = Fate.MET if status in met else Fate.OPEN if status in live else Fate.IMPOSSIBLE
        assert fate(condition, status) is expected
        assert fate_after_deletion(condition, status) is (Fate.MET if status in met else Fate.IMPOSSIBLE)
    assert fate(condition, None) is Fate.IMPOSSIBLE


@given(edges)
def test_counts_are_those_of_the_fates(found: list[tuple[Condition, JobStatus | None]]) -> None:
    fates = [fate(*edge) for edge in found]
    counts = count(found)
    assert counts == Counts(len(fates) - fates.count(Fate.MET), fates.count(Fate.IMPOSSIBLE))
    assert counts.is_ready == all(each is Fate.MET for each in fates)
    assert counts.status is (S.BLOCKED if Fate.IMPOSSIBLE in fates else S.PENDING)


@given(edges, st.data())
def test_change_gives_what_recounting_would(
    found: list[tuple[Condition, JobStatus | None]], data: st.DataObject
) -> None:
    counts = count(found)
    for _ in range(3):
        if not found:
            return
        place = data.draw(st.integers(0, len(found) - 1))
        condition, old = found[place]
        new = data.draw(statuses)
        counts += change(condition, old, new)
        assert change(condition, old, new) == weigh(fate(condition, old), fate(condition, new))
        found[place] = (condition, new)
        assert counts == count(found)


@given(st.sampled_from(JobStatus), st.sampled_from(JobStatus))
def test_change_that_does_not_matter_changes_no_edge(old: JobStatus, new: JobStatus) -> None:
    changes = {condition: change(condition, old, new) for condition in Condition}
    if not matters(old, new):
        assert set(changes.values()) == {Counts()}
    elif S.BLOCKED not in {old, new}:
        assert set(changes.values()) != {Counts()} or old.is_final == new.is_final


@st.composite
def acyclic(draw: st.DrawFn) -> dict[int, list[int]]:
    size = draw(st.integers(0, 8))
    ranks = draw(st.permutations(range(size)))
    graph: dict[int, list[int]] = {}
    for node in draw(st.permutations(range(size))):
        lower = [other for other in range(size) if ranks[other] < ranks[node]]
        graph[node] = draw(st.lists(st.sampled_from([*lower, 99]), max_size=4)) if lower else []
    return graph


@given(acyclic())
def test_order_puts_parents_before_their_children(graph: dict[int, list[int]]) -> None:
    found = order(graph)
    assert sorted(found) == sorted(graph)
    place = {node: index for index, node in enumerate(found)}
    assert all(place[parent] < place[node] for node, above in graph.items() for parent in above if parent in graph)
    if not any(parent in graph for above in graph.values() for parent in above):
        assert found == list(graph)


graphs = st.integers(1, 7).flatmap(
    lambda size: st.dictionaries(
        st.integers(0, size), st.lists(st.integers(0, size), max_size=3), min_size=1, max_size=size + 1
    )
)


def ancestors(graph: Mapping[int, Collection[int]], node: int) -> set[int]:
    """All nodes above one, the slow way."""
    found: set[int] = set()
    new = set(graph.get(node, ()))
    while new:
        found |= new
        new = {parent for each in new for parent in graph.get(each, ())} - found
    return found


@given(graphs)
def test_order_refuses_exactly_the_graphs_with_a_circle(graph: dict[int, list[int]]) -> None:
    inside = {node: [parent for parent in above if parent in graph] for node, above in graph.items()}
    if any(node in ancestors(inside, node) for node in inside):
        with pytest.raises(CycleError):
            order(graph)
    else:
        assert len(order(graph)) == len(graph)


@given(acyclic(), st.data())
def test_new_edges_are_refused_exactly_if_they_close_a_circle(graph: dict[int, list[int]], data: st.DataObject) -> None:
    if not graph:
        return
    child = data.draw(st.sampled_from(sorted(graph)))
    new = data.draw(st.lists(st.sampled_from([*sorted(graph), 99]), max_size=3))
    asked: list[int] = []

    def parents_of(jobs: Collection[int]) -> Mapping[int, Collection[int]]:
        asked.extend(jobs)
        return {job: graph[job] for job in jobs if job in graph}

    closes = any(parent == child or child in ancestors(graph, parent) for parent in new)
    if closes:
        with pytest.raises(CycleError):
            check_new_edges(child, new, parents_of)
    else:
        check_new_edges(child, new, parents_of)
        assert sorted(asked) == sorted(set(new) | {above for parent in new for above in ancestors(graph, parent)})
    assert len(asked) == len(set(asked))


def test_siblings_are_what_else_the_children_wait_for() -> None:
    assert siblings(1, {}) == set()
    assert siblings(1, {9: [1]}) == set()
    assert siblings(1, {9: [1, 2, 3], 8: [1, 4]}) == {2, 3, 4}
    assert siblings(1, {9: [1, 2, 8], 8: [1, 4]}) == {2, 4}


def test_message_shows_the_circle() -> None:
    with pytest.raises(CycleError, match=r"form a circle \(a -> c -> b -> a\)"):
        order({"x": ["a"], "a": ["c"], "b": ["a"], "c": ["b", "out"]})
    with pytest.raises(CycleError, match="Job one would depend on itself"):
        order({1: [1]}, {1: "one"}.__getitem__)
    long = {number: [(number + 1) % 40] for number in range(40)}
    with pytest.raises(CycleError, match=r"\(0 -> 1 -> .* -> 7 -> \.\.\. -> 39 -> 0\)"):
        order(long)
    chain = {2: [1], 3: [2]}
    with pytest.raises(CycleError, match=r"form a circle \(3 -> 2 -> 1 -> 3\)"):
        check_new_edges(1, [3], lambda jobs: {job: chain.get(job, []) for job in jobs})
    with pytest.raises(CycleError, match="Job 1 would depend on itself"):
        check_new_edges(1, [1], lambda _: {})
