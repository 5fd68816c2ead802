"""How times, numbers and lists stand in a sentence."""

from datetime import timedelta

import pytest

from tests.core.explaining.given import NOW
from whatsnext_core.explaining.words import clock, count, failure, first_line, memory, sentence, some, span, spans
from whatsnext_core.model import Cause


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0.0 s"), (0.25, "0.2 s"), (1.2, "1 s"), (99.4, "99 s"), (100, "2 min"), (5_999, "100 min"), (6_000, "2 h"),
     (170_000, "47 h"), (172_800, "2 d"), (1e9, "11574 d")],
)  # fmt: skip
def test_span_has_one_unit(seconds: float, words: str) -> None:
    assert span(seconds) == words
    assert spans(seconds, seconds) == words


def test_words() -> None:
    assert spans(1, 120) == "1 s to 2 min"
    assert clock(NOW + timedelta(days=1), NOW) == "2026-02-01 12:00 UTC"
    assert [some(["a"]), some(["a", "b"]), some(list("abcd")), some(["a"], 9)] == [
        "a", "a and b", "a, b, c and 1 more", "a and 8 more",
    ]  # fmt: skip
    assert [count(1, "job"), count(2_000, "job")] == ["1 job", "2,000 jobs"]
    assert first_line(" one \ntwo") == "one"
    assert len(first_line("x" * 500)) == 200
    assert [sentence("a"), sentence("a!")] == ["a.", "a!"]
    assert [memory(500), memory(2**20), memory(3 * 2**40)] == ["500 B", "1 MiB", "3072 GiB"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((None, None, ""), ""),
        ((None, 3, ""), "exit code 3"),
        ((Cause.EXIT, 3, ""), "exit code 3"),
        ((Cause.EXIT, None, ""), "exit"),
        ((Cause.OOM, -9, ""), "oom, exit code -9"),
        ((Cause.EXIT, 3, "Exit code 3: boom."), "Exit code 3: boom"),
        ((Cause.OOM, 3, "killed"), "oom: killed"),
        ((None, 3, "killed"), "killed"),
    ],
)
def test_failure_is_told_without_saying_anything_twice(given: tuple[Cause | None, int | None, str], words: str) -> None:
    assert failure(*given) == words
