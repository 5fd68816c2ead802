"""The bounds of every value, and sentences that name it."""

import json
import math
import string
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core import strategies
from whatsnext_core.errors import InvalidError, TooLargeError
from whatsnext_core.model import limits


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "is empty; give it 1 to 255 characters"),
        ("x" * 256, "has 256 characters"),
        (" x", "begins or ends with white space"),
        ("x\n", "begins or ends with white space"),
        ("a\x00b", "control character '\\\\x00'"),
        ("a\x7fb", "control character"),
        ("a\ud800b", "control character"),
        ("a\u2028b", "control character"),
    ],
)
def test_bad_name_is_refused(name: str, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        limits.check_name(name, "name of the thing")


@pytest.mark.parametrize("name", ["x", "x" * 255, "ä 🚀", "a\u00a0b", "\u202ertl", "a/b\\c'\""])
def test_good_name_is_returned(name: str) -> None:
    assert limits.check_name(name, "name") == name


def test_text_is_bounded_and_can_be_stored() -> None:
    assert limits.check_text("x\n\t" * 21_845, "text") == "x\n\t" * 21_845
    with pytest.raises(TooLargeError, match="65537 characters"):
        limits.check_text("x" * 65_537, "text")
    for bad in ("a\0", "\udfff"):
        with pytest.raises(InvalidError, match="NUL or a lone surrogate"):
            limits.check_text(bad, "text")


@pytest.mark.parametrize("value", [0, -1, 2**63])
def test_id_out_of_range_is_refused(value: int) -> None:
    with pytest.raises(InvalidError, match="out of range; ids go from 1 to 9223372036854775807"):
        limits.check_id(value, "job id")
    assert limits.check_id(2**63 - 1, "job id") == 2**63 - 1


@given(st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=128))
def test_client_id_is_of_plain_letters(value: str) -> None:
    assert limits.check_client_id(value) == value


@pytest.mark.parametrize("value", ["", "a" * 129, "a b", "ä", "a\n", "a.b"])
def test_bad_client_id_is_refused(value: str) -> None:
    with pytest.raises(InvalidError, match="is not 1 to 128 of letters"):
        limits.check_client_id(value)


def test_labels_are_names_with_or_without_a_value() -> None:
    good = {"ssd", "os=linux", "a.b/c-d_e=", "x" * 63 + "=" + "y" * 63}
    assert limits.check_labels(good, "labels") == good
    for bad in ("", "=x", "a b", "a=b=c", "x" * 64, "ä"):
        with pytest.raises(InvalidError, match="is not of the form"):
            limits.check_labels([bad], "the labels")
    with pytest.raises(InvalidError, match="are 65; at most 64"):
        limits.check_labels(map(str, range(65)), "labels")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, 3.5, 10**400])
def test_number_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(InvalidError, match=r"The size is .*; it must be from 0 to 3 pounds\."):
        limits.check_number(value, "size", low=0, high=3, unit="pounds")
    assert limits.check_number(3, "size", low=0, high=3) == 3


def test_environment_has_names_that_a_process_can_have() -> None:
    good = {"PATH": "/bin", "_x1": ""}
    assert limits.check_environment(good, "task 't'") == good
    for bad in ("", "1x", "a-b", "a=b", "ä", "x" * 256):
        with pytest.raises(InvalidError, match="is not a name of a variable"):
            limits.check_environment({bad: ""}, "task 't'")
    with pytest.raises(InvalidError, match="environment variable A of task 't'"):
        limits.check_environment({"A": "\0"}, "task 't'")


@given(strategies.objects)
def test_parameters_are_written_compactly_and_in_order(parameters: dict[str, Any]) -> None:
    text = limits.dump_parameters(parameters, "parameters")
    assert repr(json.loads(text)) == repr(parameters)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"x": math.nan}, "contain nan, which JSON cannot hold"),
        ({"x": math.inf}, "contain inf"),
        ({"x": 2**64}, "does not fit 64 bits"),
        ({"x": -(2**63) - 1}, "does not fit 64 bits"),
        ({1: 2}, "contain the key 1, which is no string"),
        ({"a\0": 2}, "a NUL or a lone surrogate"),
        ({"x": "\ud800"}, "a NUL or a lone surrogate"),
        ({"x": {1, 2}}, "of type set, which is no JSON"),
        ({"x": b""}, "of type bytes, which is no JSON"),
        ({"x": nested(64)}, "nested deeper than 64 levels"),
    ],
)
def test_what_is_no_json_is_refused(value: Any, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        limits.dump_parameters(value, "parameters of job 'j'")


def test_parameters_at_their_limits_are_written() -> None:
    assert limits.dump_parameters({"x": nested(63)}, "p").count("[") == 63
    assert limits.dump_parameters({"x": [2**64 - 1, -(2**63), (1, 2)]}, "p")
    assert limits.dump_parameters(MappingProxyType({"a": MappingProxyType({"b": 1})}), "p") == '{"a":{"b":1}}'
    fits = {"x": "ü" * ((limits.MAX_PARAMETERS - 8) // 2)}
    assert len(limits.dump_parameters(fits, "p").encode()) == limits.MAX_PARAMETERS
    with pytest.raises(TooLargeError, match="take 1048577 bytes"):
        limits.dump_parameters({"x": fits["x"] + "!"}, "p")
    with pytest.raises(TooLargeError, match="at most 3 are allowed"):
        limits.dump_parameters("abc", "result", limit=3)


def test_long_values_are_shortened_in_messages() -> None:
    assert limits.shorten("x" * 100).endswith("...")
    assert len(limits.shorten("x" * 100)) == 60
    assert limits.shorten("x") == "'x'"
    assert limits.shorten(10**5_000) == "<int too long to write>"


def test_numbers_that_python_refuses_to_write_are_refused_in_words() -> None:
    monster = 10**5_000
    for check in (
        lambda: limits.check_id(monster, "job id"),
        lambda: limits.check_number(monster, "size", low=0, high=3),
        lambda: limits.dump_parameters({"x": monster}, "parameters"),
    ):
        with pytest.raises(InvalidError, match="<int too long to write>"):
            check()


def test_the_value_that_is_wrong_is_found_among_those_that_are_right() -> None:
    right = {"whole": -(2**63), "broken": 1.5, "text": "ß", "none": None, "list": [True]}
    with pytest.raises(InvalidError, match="contain nan"):
        limits.dump_parameters({**right, "wrong": math.nan}, "parameters of job 'x'")


SEEN_AT_A_GLANCE = {"a": "x" * limits.SIMPLE_TEXT, "b": 2**64 - 1, "c": -(2**63), "d": 0.5, "e": None, "f": True}
NOT_SEEN = [
    {str(number): number for number in range(limits.SIMPLE_MEMBERS + 1)},
    MappingProxyType({}),
    {"x" * (limits.SIMPLE_TEXT + 1): 1},
    {1: 1},
    {"\0": 1},
    {"a": "x" * (limits.SIMPLE_TEXT + 1)},
    {"a": "\ud800"},
    {"a": 2**64},
    {"a": -(2**63) - 1},
    {"a": math.inf},
    {"a": [1]},
]


def test_what_is_seen_at_a_glance_to_keep_the_limits() -> None:
    assert limits.are_simple(SEEN_AT_A_GLANCE)
    assert limits.dump_parameters(SEEN_AT_A_GLANCE, "p")


@pytest.mark.parametrize("parameters", NOT_SEEN, ids=repr)
def test_what_may_break_a_limit_is_looked_at_again(parameters: Any) -> None:
    assert not limits.are_simple(parameters)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.floats() | st.text()))
def test_what_is_simple_can_always_be_written(parameters: dict[str, Any]) -> None:
    if limits.are_simple(parameters):
        assert limits.dump_parameters(parameters, "p")
