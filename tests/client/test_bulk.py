"""Large answers are read as the standard library reads them, whatever is in them."""

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import hypothesis
import pytest
import requests
from hypothesis import strategies as st

from tests.client.support import unique
from whatsnext.api.client import Job, Project, Server
from whatsnext_client import answers, bulk
from whatsnext_client.errors import UnexpectedAnswerError
from whatsnext_client.rest import MANY
from whatsnext_core.errors import InvalidError

PADDING = " " * answers.LARGE
EXCHANGE = {
    "now": "2026-01-31T12:00:00Z",
    "lease": 90,
    "interval": 20,
    "num_pending": 2,
    "assignments": [
        {"job": {"id": 1, "parameters": {"x": [1.5]}}, "task": {"id": 3}, "fence": 1, "allocation": {"cpu": 1}},
        {"job": {"id": 2, "parameters": {}}, "task": {"id": 3}, "fence": 7, "allocation": {"cpu": 2}},
    ],
    "outcomes": [{"job_id": 9}],
    "output": [5, None],
    "orders": [],
}
digits = st.text("0123456789", min_size=1, max_size=40)
numbers = st.integers().map(str) | st.builds("{}{}.{}{}".format, st.sampled_from(["", "-"]), digits, digits, digits)
odd = st.sampled_from(
    ["-0", "0e5", "1E5", "1e400", "-1e400", "1e-400", "NaN", "-Infinity", "01", "9" * 400, str(2**64), "1e", "nul"]
)
texts = st.lists(
    st.sampled_from(["a", "é", "\\n", "\\u00e9", "\\ud83d\\ude00", "\\ud800", "😀", "\\/", '\\"', "\x7f", "\t", "\\x"])
).map(lambda parts: f'"{"".join(parts)}"')
documents = st.recursive(
    numbers | odd | texts | st.sampled_from(["null", "true", "false"]),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda members: f"[{', '.join(members)}]")
        | st.lists(st.tuples(texts, inner), max_size=4).map(
            lambda members: f"{{{','.join(f'{key}: {member}' for key, member in members)}}}"
        )
    ),
    max_leaves=8,
)


def response(content: bytes, encoding: str = "utf-8") -> requests.Response:
    """A good answer with this content."""
    found = requests.Response()
    found.status_code, found.url, found.encoding, found._content = 200, "http://x/", encoding, content  # noqa: SLF001
    return found


@hypothesis.given(documents)
@hypothesis.settings(max_examples=1000, deadline=None, derandomize=True, database=None)
def test_a_document_is_what_the_standard_library_says_or_none(text: str) -> None:
    try:
        found = bulk.read(text.encode())
    except ValueError:
        return
    assert repr(found) == repr(json.loads(text))  # which tells 1 from 1.0, and 0.0 from -0.0


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize(
    "value", ["NaN", "1e400", "9" * 400, '"\\ud800"', '{"a": 1, "a": 2}', '"é"', "-0", "18446744073709551616", "null"]
)
def test_a_large_answer_says_what_a_small_one_says(value: str, *, sync: bool) -> None:
    text = json.dumps(EXCHANGE).replace("1.5", value)
    small = answers.document(response(text.encode()), sync=sync)
    assert repr(small["assignments"][0]["job"]) == repr(json.loads(text)["assignments"][0]["job"])
    large = answers.document(response((text + PADDING).encode()), sync=sync)
    assert list(map(repr, large.values())) == list(map(repr, small.values()))


@pytest.mark.parametrize(("encoding", "text"), [("utf-8", "é"), ("iso-8859-1", "Ã©")])
def test_a_large_answer_is_read_in_its_encoding(encoding: str, text: str) -> None:
    assert answers.document(response(f'"é"{PADDING}'.encode(), encoding)) == text


def test_bytes_that_are_no_text_are_replaced_in_large_answers_too() -> None:
    assert answers.document(response(b'"\xff"' + PADDING.encode())) == "\ufffd"


def test_a_large_answer_that_is_no_json_is_shown() -> None:
    with pytest.raises(UnexpectedAnswerError, match="no JSON: '<html>"):
        answers.document(response(b"<html>" + PADDING.encode()))


@pytest.mark.parametrize(
    "answer",
    [
        EXCHANGE,
        {**EXCHANGE, "new": 1},
        {key: value for key, value in EXCHANGE.items() if key != "output"},
        {**EXCHANGE, "assignments": [{"job": {}, "task": {}, "fence": 1, "allocation": {}, "new": [2]}]},
        {**EXCHANGE, "assignments": [{"job": {}}]},
        {**EXCHANGE, "assignments": None},
        ["no object"],
    ],
    ids=["known", "more", "less", "more of a job", "less of a job", "none", "list"],
)
def test_an_answer_to_a_sync_of_any_version_of_the_server_is_read_whole(answer: Any) -> None:
    assert bulk.read_exchange(json.dumps(answer).encode()) == answer


def test_jobs_of_a_large_answer_share_their_task(server: Server, project: Project) -> None:
    project.create_task("train")
    ids = project.extend_queue([Job("job", "train", {"number": number}) for number in range(200)])
    worker = server.rest.register({"id": unique("worker"), "name": "worker", "available_cpu": 200})
    body = {"session_id": "s", "request": 1, "total": {"cpu": 200}, "free": {"cpu": 200}, "want": 200}
    given = server.rest.sync(worker["id"], {**body, "project_ids": [project.id]}, timeout=60)["assignments"]
    assert [(each["job"]["id"], each["job"]["parameters"]["number"]) for each in given] == list(
        zip(ids, range(200), strict=True)
    )
    assert len({id(each["task"]) for each in given}) == len({id(each["allocation"]) for each in given}) == 1


@pytest.mark.parametrize("number", [1, MANY])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"large": 2**64 - 1, "small": -(2**63), "flag": True, "none": None},
        {"tenth": 0.1, "whole": 1.0, "tiny": 5e-324, "huge": 1e300, "minus": -0.0},
        {"é😀": '\u2028 \\ " / \x7f', "deep": [[{"a": [None]}], ["b"]]},
    ],
    ids=["none", "integers", "floats", "texts"],
)
def test_jobs_of_a_large_batch_arrive_as_one_does(
    server: Server, project: Project, number: int, parameters: dict[str, Any]
) -> None:
    project.create_task("train")
    rest = [Job("é", "train", parameters) for _ in range(number - 1)]
    ids = project.extend_queue([Job("é", "train", parameters, timeout=1.5), *rest])
    first, last = server.rest.job(ids[0]), server.rest.job(ids[-1])
    assert (repr(first["parameters"]), repr(last["parameters"])) == (repr(parameters), repr(parameters))
    assert (first["name"], first["timeout"], len(ids)) == ("é", 1.5, number)


@pytest.mark.parametrize("number", [1, MANY])
@pytest.mark.parametrize(
    "options",
    [
        {"parameters": {"x": math.nan}},
        {"parameters": {"x": [-math.inf]}},
        {"parameters": {"x": 2**64}},
        {"parameters": {"x": datetime(2026, 1, 31, tzinfo=UTC)}},
        {"parameters": {"x": {1, 2}}},
        {"parameters": {"x": b"bytes"}},
        {"parameters": {"x": "\ud800"}},
        {"priority": Decimal(1)},
    ],
    ids=lambda options: repr(options)[:30],
)
def test_what_is_no_json_is_refused_in_a_large_batch_too(
    project: Project, number: int, options: dict[str, Any]
) -> None:
    project.create_task("train")
    with pytest.raises(InvalidError):
        project.extend_queue([Job("job", "train", **options), *(Job("job", "train") for _ in range(number - 1))])
    assert project.rest.counts(project.id)["PENDING"] == 0


@pytest.mark.parametrize("value", ["\ud800", object()])
def test_what_is_beyond_the_quicker_writer_is_left_to_the_standard_library(value: object) -> None:
    assert bulk.write({"jobs": [{"x": value}]}) is None
