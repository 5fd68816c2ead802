"""Templates are split first and filled then."""

import shlex
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.formatting.test_arguments import PARAMETERS, TEXT, in_a_process
from whatsnext_core.errors import TemplateError
from whatsnext_core.formatting import fill_template, missing_parameters, placeholders, text_of

NESTED = {"opt": {"lr": 0.1, "betas": [0.9, 0.99], "a b": 5}, "opt.lr": "exact", "files": ["a b", "c"], "0": "zero"}

FILLED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("python train.py --lr {lr}", {"lr": 0.01, "other": 1}, ["python", "train.py", "--lr", "0.01"]),
    ("echo '{a} and {b}'", {"a": "x y", "b": "'"}, ["echo", "x y and '"]),
    ("echo {a}", {"a": 'two words; rm -rf $HOME `x` "q" \\'}, ["echo", 'two words; rm -rf $HOME `x` "q" \\']),
    ("echo {a}", {"a": ""}, ["echo", ""]),
    ("echo {a}", {"a": "{b} {{"}, ["echo", "{b} {{"]),
    ("echo --a={a} ''", {"a": "-x"}, ["echo", "--a=-x", ""]),
    ("awk '{{print $1}}' {{x}}", {}, ["awk", "{print $1}", "{x}"]),
    (
        "echo {a} {b} {c} {d}",
        {"a": True, "b": False, "c": 2, "d": {"k": [1]}},
        ["echo", "true", "false", "2", '{"k":[1]}'],
    ),
    ("echo {files} x{files}", NESTED, ["echo", "a b", "c", 'x["a b","c"]']),
    ("echo {none}", {"none": []}, ["echo"]),
    (
        "echo {opt.lr} {opt[lr]} {opt.betas[1]} {opt[betas][-1]} '{opt[a b]}'",
        NESTED,
        ["echo", "exact", "0.1", "0.99", "0.99", "5"],
    ),
    ("echo {0}", NESTED, ["echo", "zero"]),
    (
        "echo {lr:.3f} {n:05d} {s:>4} {f:d} '{s:^5}'",
        {"lr": 0.12345, "n": 7, "s": "ab", "f": True},
        ["echo", "0.123", "00007", "  ab", "1", " ab  "],
    ),
    ("sh -c 'cat {file:q} {files:q}'", {"file": "it's", **NESTED}, ["sh", "-c", "cat 'it'\"'\"'s' 'a b' c"]),
    ("a\nb\tc\\ d", {}, ["a", "b", "c d"]),
]

MALFORMED = [
    ("", "empty"),
    ("  ", "empty"),
    ("echo 'open", "No closing quotation"),
    ("echo {a", "expected '}'"),
    ("echo a}", "Single '}'"),
    ("echo {a!r}", "conversion"),
    ("echo {}", "names no parameter"),
    ("echo {.a}", "names no parameter"),
    ("echo {a[}", "expected '}'"),
    ("echo {a[]}", "names no parameter"),
    ("echo {a:{b}}", "format"),
    ("echo {a:1001}", "above 1000"),
    ("echo {a:.99999999999f}", "above 1000"),
]

UNFILLED: list[tuple[str, dict[str, Any], str]] = [
    ("echo {lr}", {"epochs": 3, "name": "x"}, r"\{lr\}.*'train'.*no parameter 'lr'.*'epochs', 'name'"),
    ("echo {lr}", {}, "Its parameters: none"),
    ("echo {lr:.2f}", {}, r"\{lr:\.2f\}"),
    ("echo {lr}", {"lr": None}, "null"),
    ("echo {a.b}", {"a": {"c": 1}}, "'a.b'"),
    ("echo {a.b}", {"a": "text"}, "'a.b'"),
    ("echo {a[2]}", {"a": [1, 2]}, r"'a\[2\]'"),
    ("echo {a[x]}", {"a": [1, 2]}, r"'a\[x\]'"),
    ("echo {a[-3]}", {"a": [1, 2]}, r"'a\[-3\]'"),
    ("echo {a.__class__}", {"a": 1}, "no parameter"),
    ("echo {a:.2f}", {"a": "text"}, "does not suit"),
    ("echo {a:x}", {"a": 1.5}, "does not suit"),
    ("echo {a:.2f}", {"a": [1]}, "lists and objects have no format"),
    ("echo {z}", {f"p{n}": n for n in range(30)}, "'p19' and 10 more"),
]


@pytest.mark.parametrize(("template", "parameters", "expected"), FILLED)
def test_filled(template: str, parameters: dict[str, Any], expected: list[str]) -> None:
    assert fill_template(template, parameters, task="train") == expected


@pytest.mark.parametrize(("template", "complaint"), MALFORMED)
def test_malformed_template_is_refused_when_it_is_submitted(template: str, complaint: str) -> None:
    with pytest.raises(TemplateError, match=complaint):
        placeholders(template)


@pytest.mark.parametrize(("template", "parameters", "complaint"), UNFILLED)
def test_placeholder_without_a_fitting_value_is_named(
    template: str, parameters: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(TemplateError, match=complaint):
        fill_template(template, parameters, task="train")


def test_placeholders_are_named_once_in_their_order() -> None:
    assert placeholders("x {b} {a:.2f} '{b}{c.d[0]}' {{e}}") == ("b", "a", "c.d[0]")


def test_missing_parameters_are_known_before_the_job_runs() -> None:
    template = "x {a} {b.c} {d} {e[0]}"
    assert missing_parameters(template, {"a": 0, "b": {"c": ""}, "d": None, "e": []}) == ("d", "e[0]")
    assert missing_parameters(template, {"a": 0, "b": {"c": False}, "d": 1, "e": [1]}) == ()


@settings(max_examples=25)
@given(st.dictionaries(st.text(string.ascii_lowercase, min_size=1, max_size=6), TEXT, min_size=1, max_size=20))
def test_values_arrive_in_a_program_as_they_are(values: dict[str, str]) -> None:
    template = "program " + " ".join(f"--{name}={{{name}}} '{{{name}}}'" for name in values)
    _, *arguments = fill_template(template, values, task="train")
    expected = [word for name, value in values.items() for word in (f"--{name}={value}", value)]
    assert arguments == expected
    assert in_a_process(arguments) == expected


@given(st.lists(TEXT))
def test_literal_words_stay_as_a_shell_reads_them(words: list[str]) -> None:
    template = shlex.join(["program", *words]).replace("{", "{{").replace("}", "}}")
    assert fill_template(template, {}, task="train") == ["program", *words]


@given(PARAMETERS, TEXT)
def test_nothing_but_a_template_error_comes_of_any_text(parameters: dict[str, Any], template: str) -> None:
    try:
        command = fill_template(template, parameters, task="train")
    except TemplateError:
        return
    assert all(isinstance(word, str) for word in command)


@given(TEXT.filter(bool), TEXT)
def test_quoted_value_is_one_word_of_a_shell(value: str, other: str) -> None:
    _, _, script = fill_template("sh -c 'x {a:q} {b:q}'", {"a": value, "b": other}, task="train")
    assert shlex.split(script) == ["x", value, other]
    assert text_of(value) == value
