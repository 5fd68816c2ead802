"""How values are read on the command line."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsnext_client.commands.base import values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", 0.1),
        ("1e-3", 0.001),
        ("-7", -7),
        ("true", True),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ('{"a": 1}', {"a": 1}),
        ('"7"', "7"),
        ("adam", "adam"),
        ("007", "007"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("1,2", "1,2"),
        ("True", "True"),
        ("", ""),
        ("a=b", "a=b"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_value_is_json_where_it_is_json_and_text_otherwise(text: str, value: object) -> None:
    assert values.parse_value(text) == value


def test_parameters_split_at_the_first_equals_sign_and_the_last_one_wins() -> None:
    assert values.parse_parameters(["a=1", "b=x=y", "a=2"]) == {"a": 2, "b": "x=y"}


@pytest.mark.parametrize("text", ["novalue", "=1", ""])
def test_a_parameter_without_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="key=value"):
        values.parse_parameters([text])


@pytest.mark.parametrize(
    ("text", "swept"),
    [
        ("lr=0.1,0.01", [0.1, 0.01]),
        ("seed=1..5", [1, 2, 3, 4, 5]),
        ("seed=0..100..25", [0, 25, 50, 75, 100]),
        ("seed=-2..1", [-2, -1, 0, 1]),
        ("seed=1..3,10", [1, 2, 3, 10]),
        ("layers=[64,64],[128]", [[64, 64], [128]]),
        ('opt={"name":"sgd","m":0},{"name":"adam"}', [{"name": "sgd", "m": 0}, {"name": "adam"}]),
        ('path="a,b","c\\",d"', ["a,b", 'c",d']),
        ("kind=a", ["a"]),
        ("version=1...2", ["1...2"]),
    ],
)
def test_a_sweep_lists_values_between_commas_and_whole_ranges(text: str, swept: list[object]) -> None:
    key, found = values.parse_sweep(text)
    assert (key, found) == (text.partition("=")[0], swept)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["lr"], "key=value,value"),
        (["lr=1,1"], "names a value twice"),
        (["seed=5..1"], "is empty"),
        (["seed=1..5..0"], "is empty"),
        (["seed=1..99999999"], "more than 1,000,000"),
        (["a=1..1001", "b=1..1000"], "1,001,000 combinations"),
        (["a=1", "a=2"], "swept twice"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused_with_its_reason(texts: list[str], words: str) -> None:
    with pytest.raises(click.BadParameter, match=words):
        values.parse_sweeps(texts)


def test_sweeps_multiply_and_the_last_key_changes_fastest() -> None:
    found = list(values.combinations(values.parse_sweeps(["a=1,2", "b=x,y"])))
    assert found == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]
    assert list(values.combinations({})) == [{}]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5", 1.5), ("250ms", 0.25), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172_800)],
)
def test_a_duration_is_seconds_or_has_units(text: str, seconds: float) -> None:
    assert values.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "1x", "h", "10m5", "nan", "inf", "1 h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        values.parse_duration(text)


def test_ids_come_as_numbers_lists_and_ranges_each_once() -> None:
    assert values.parse_ids(["17", "20-22", "17,5"]) == [17, 20, 21, 22, 5]


@pytest.mark.parametrize("text", ["x", "0", "-1", "5-3", "9223372036854775808", "1-9999999", "1-", "", "1.5"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"no job id|at once"):
        values.parse_ids([text])


@given(st.lists(st.integers(min_value=1, max_value=40), unique=True, max_size=11))
def test_ids_are_written_so_that_they_can_be_read_again(ids: list[int]) -> None:
    written = values.format_ids(ids)
    assert (values.parse_ids(written.split(", ")) if ids else []) == ids


def test_a_long_list_of_ids_is_cut() -> None:
    assert values.format_ids(range(1, 100, 2)).endswith("19, ...")
