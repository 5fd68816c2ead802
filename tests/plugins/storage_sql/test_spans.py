"""Numbers that follow one another are taken as spans: all of them, and no others."""

import hypothesis
import pytest
from hypothesis import strategies as st

from whatsnext_storage_sql.connection.spans import LEAST, condition, spans_of, walk

lengths = st.lists(st.tuples(st.integers(2, 9), st.integers(1, 40)), min_size=1, max_size=8)


@hypothesis.given(st.integers(-100, 2**62), lengths, st.randoms(use_true_random=False))
def test_spans_hold_the_numbers_and_no_others(start: int, pieces: list[tuple[int, int]], random: object) -> None:
    numbers: list[int] = []
    wanted = []
    for gap, length in pieces:
        first = (numbers[-1] if numbers else start) + gap
        numbers += range(first, first + length)
        wanted.append((first, first + length - 1))
    shuffled = list(numbers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # of random.Random
    found = spans_of(shuffled)
    if len(wanted) == 1 or len(wanted) * LEAST <= len(numbers):
        assert found == wanted
    else:
        assert found is None


@pytest.mark.parametrize(
    "keys",
    [
        ([1, 2, 3], [1, 2, 3]),
        ([1, 1, 1], [2, 2, 2]),
        (["a", "b", "c"], [1, 1, 1]),
        ([1, None, 3], [1, 1, 1]),
        ([1, 1, 3], [1, 1, 1]),
        ([1, 3, 5, 7], [1, 1, 1, 1]),
    ],
    ids=["two differ", "none differs", "texts", "some are missing", "twice", "far apart"],
)
def test_other_keys_are_not_walked_through(keys: tuple[list[object], ...]) -> None:
    assert walk(keys) is None


def test_way_is_bounded_by_its_ends_and_the_other_keys() -> None:
    way = walk([["p"] * 16, [*range(5, 13), *range(20, 28)], [7] * 16])
    assert way is not None
    assert way.rows == [("p", 7, 5, 12), ("p", 7, 20, 27)]
    assert condition(("a", "b", "c"), ("?", "%s::BIGINT", "?"), way.place) == (
        "a = ? AND c = ? AND b >= %s::BIGINT AND b <= %s::BIGINT"
    )
