"""Parameters become arguments, each kind of value in one way."""

import argparse
import json
import subprocess
import sys
from pathlib import PurePosixPath
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from whatsnext_core.errors import TemplateError
from whatsnext_core.formatting import text_of, to_arguments

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
PARAMETERS = st.dictionaries(TEXT.filter(bool), JSON, max_size=6)

TABLE: list[tuple[Any, list[str]]] = [
    ("text", ["--p", "text"]),
    ("", ["--p", ""]),
    ("--dashed $(x) 'y'\n", ["--p", "--dashed $(x) 'y'\n"]),
    (3, ["--p", "3"]),
    (-3, ["--p", "-3"]),
    (0.01, ["--p", "0.01"]),
    (1e-05, ["--p", "1e-05"]),
    (-1e-05, ["--p", "-0.00001"]),
    (1.0, ["--p", "1.0"]),
    (True, ["--p"]),
    (False, []),
    (None, []),
    ([64, 64], ["--p", "64", "64"]),
    (["a b", 1.5, True, None, [1, "x"], {"k": 2}], ["--p", "a b", "1.5", "true", "null", '[1,"x"]', '{"k":2}']),
    ([], ["--p"]),
    ({"a": [1, {"ü": None}]}, ["--p", '{"a":[1,{"ü":null}]}']),
    ({}, ["--p", "{}"]),
    (PurePosixPath("/data/x"), ["--p", "/data/x"]),
]


def read_back(text: str, value: Any) -> Any:
    """The value that a program reads out of an argument if it knows the kind of it."""
    return text if isinstance(value, str) else json.loads(text)


def in_a_process(arguments: list[str]) -> list[str]:
    """The arguments as a program gets them."""
    code = "import json, sys; json.dump(sys.argv[1:], sys.stdout)"
    done = subprocess.run([sys.executable, "-ISc", code, *arguments], capture_output=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("value", "expected"), TABLE, ids=repr)
def test_each_kind_of_value_has_one_form(value: Any, expected: list[str]) -> None:
    assert to_arguments({"p": value}) == expected


def test_order_is_that_of_the_parameters() -> None:
    assert to_arguments({"b": 1, "a": 2, "c": 3}) == ["--b", "1", "--a", "2", "--c", "3"]


def test_name_that_begins_with_a_dash_is_the_whole_option() -> None:
    assert to_arguments({"-v": True, "--lr": 1}) == ["-v", "--lr", "1"]


def test_parameter_without_a_name_is_refused() -> None:
    with pytest.raises(TemplateError, match="empty name"):
        to_arguments({"": 1})


@settings(max_examples=25)
@given(st.lists(PARAMETERS, max_size=8))
def test_values_can_be_read_back_by_a_program(many: list[dict[str, Any]]) -> None:
    arguments = [to_arguments(parameters) for parameters in many]
    received = in_a_process([word for row in arguments for word in row])
    for parameters, row in zip(many, arguments, strict=True):
        words = iter(received[: len(row)])
        received = received[len(row) :]
        for name, value in parameters.items():
            if value is None or value is False:
                continue
            assert next(words) == (name if name.startswith("-") else f"--{name}")
            match value:
                case True:
                    continue
                case list():
                    assert [read_back(next(words), element) for element in value] == value
                case _:
                    assert read_back(next(words), value) == value
        assert list(words) == []
    assert received == []


@given(st.floats(allow_nan=False, allow_infinity=False), st.lists(st.integers(), min_size=1), st.booleans(), JSON)
def test_argparse_reads_what_was_meant(number: float, numbers: list[int], flag: bool, data: Any) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=float)
    parser.add_argument("--numbers", type=int, nargs="+")
    parser.add_argument("--flag", action="store_true")
    parser.add_argument("--data", type=json.loads)
    found = parser.parse_args(
        to_arguments({"number": number, "numbers": numbers, "flag": flag, "data": {"inside": data}})
    )
    assert vars(found) == {"number": number, "numbers": numbers, "flag": flag, "data": {"inside": data}}


@given(TEXT, st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_click_reads_what_was_meant(name: str, number: float, flag: bool) -> None:
    @click.command()
    @click.option("--name")
    @click.option("--number", type=float)
    @click.option("--flag", is_flag=True)
    def program(**options: Any) -> None:
        click.echo(json.dumps(options))

    arguments = to_arguments({"name": name, "number": number, "flag": flag})
    result = CliRunner().invoke(program, arguments, catch_exceptions=False)
    assert json.loads(result.stdout) == {"name": name, "number": number, "flag": flag}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_text_of_a_number_is_the_number(number: float) -> None:
    text = text_of(number)
    assert float(text) == number
    assert number >= 0 or "e" not in text
