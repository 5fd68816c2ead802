"""JSON columns keep every value that Python's own encoder can write, as ASCII."""

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from whatsnext_storage_sql.models.types import read_json, write_json

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=()))
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=20,
)


@hypothesis.given(values.filter(lambda value: value is not None))
@hypothesis.settings(max_examples=500, deadline=None, derandomize=True, database=None)
def test_value_is_read_as_it_was_written(value: Any) -> None:
    text = write_json(value)
    assert text is not None
    assert text.isascii()
    assert json.loads(text) == value
    assert read_json(text) == value
    assert [type(each) for each in flat(read_json(text))] == [type(each) for each in flat(value)]


def flat(value: Any) -> list[Any]:
    """A value, then all that is in it."""
    if isinstance(value, dict):
        return [value, *(each for member in value.values() for each in flat(member))]
    if isinstance(value, list):
        return [value, *(each for member in value for each in flat(member))]
    return [value]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_does_not_become_null(value: float) -> None:
    assert repr(read_json(write_json({"value": value}))) == repr({"value": value})


def test_nothing_is_nothing() -> None:
    assert write_json(None) is None
    assert read_json(None) is None
