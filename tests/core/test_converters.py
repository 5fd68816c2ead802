"""Every value of the model becomes plain JSON and comes back the same."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import whatsnext_core.model
import whatsnext_core.sync
from tests.core import strategies
from whatsnext_core.converters import (
    format_time,
    from_json,
    ignoring_extra_keys,
    json_bytes,
    parse_time,
    read_json,
    to_json,
    tolerant_converter,
)
from whatsnext_core.errors import InvalidError, TooLargeError
from whatsnext_core.model import (
    Assignment,
    AttemptEnd,
    Capacity,
    Cause,
    Client,
    JobSpec,
    JobStatus,
    LogPiece,
    Project,
    Requirement,
    Share,
    TaskSpec,
)
from whatsnext_core.sync import Order, SyncRequest, SyncResponse


def is_plain(value: object) -> bool:
    """Whether a value is made of JSON's own types and nothing derived from them."""
    match value:
        case dict():
            return all(type(key) is str and is_plain(member) for key, member in value.items())
        case list():
            return all(map(is_plain, value))
        case _:
            return value is None or type(value) in {bool, int, float, str}


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


def test_every_class_of_the_model_is_tried() -> None:
    classes = {
        value
        for module in (whatsnext_core.model, whatsnext_core.sync)
        for value in vars(module).values()
        if isinstance(value, type) and attrs.has(value)
    }
    assert classes == set(strategies.EVERYTHING)


@pytest.mark.parametrize("kind", strategies.EVERYTHING, ids=lambda kind: kind.__name__)
def test_value_survives_a_round_trip(kind: type) -> None:
    @settings(max_examples=25)
    @given(strategies.EVERYTHING[kind])
    def check(value: object) -> None:
        data = to_json(value)
        assert is_plain(data)
        assert from_json(json.loads(json.dumps(data)), kind) == value

    check()


@given(strategies.objects)
def test_what_a_user_gave_stays_as_it_is(parameters: dict[str, Any]) -> None:
    assert repr(to_json(parameters)) == repr(parameters)
    task = to_json(TaskSpec(name="task", options=parameters))
    assert repr(task["options"]) == repr(parameters)


@given(st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
@example(math.inf)
@example([math.nan, None, math.inf, -math.inf])
@example({"path": "\udc80", "null": "a,null", "number": 2**70, "deep": [[None]]})
def test_text_of_plain_data_is_one_line_that_says_all_of_it(data: Any) -> None:
    text = json_bytes(data)
    assert b"\n" not in text
    assert repr(json.loads(text)) == repr(read_json(text)) == repr(data)  # NaN is not equal to itself


def test_numbers_times_and_sets_have_one_form() -> None:
    assert (repr(to_json(30.0)), repr(to_json(0.5)), to_json([1.0, 2])) == ("30", "0.5", [1, 2])
    assert to_json(math.inf) == math.inf
    assert to_json(frozenset({Cause.OOM, Cause.EXIT})) == ["exit", "oom"]
    assert to_json({JobStatus.PENDING: (1, JobStatus.QUEUED)}) == {"PENDING": [1, "QUEUED"]}
    assert to_json({3: datetime(2026, 1, 1, tzinfo=UTC)}) == {"3": "2026-01-01T00:00:00Z"}
    assert to_json(Requirement(labels={"b", "a"}))["labels"] == ["a", "b"]


@given(st.datetimes(timezones=st.just(UTC)))
def test_time_survives_a_round_trip(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment


def test_times_are_read_with_and_without_an_offset() -> None:
    expected = datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert parse_time("2026-01-01T12:00:00+02:00") == expected
    assert parse_time("2026-01-01 10:00:00") == expected
    assert format_time(expected.astimezone(timezone(timedelta(hours=2)))) == "2026-01-01T10:00:00Z"
    now = {"now": expected, "lease": 1, "interval": 1, "num_pending": 0}
    assert from_json(now, SyncResponse).now == expected


def test_statuses_are_read_in_any_case() -> None:
    end = {"job_id": 1, "fence": 1, "succeeded": False, "cause": "OOM"}
    assert from_json(end, AttemptEnd).cause is Cause.OOM


def test_keys_of_mappings_are_read_as_numbers() -> None:
    data = {"name": "a", "task_id": 1, "depends": {"12": "success", 13: "FAILURE", 14.0: "finished"}}
    found = from_json(data, JobSpec)
    assert list(found.depends) == [12, 13, 14]


REFUSED: list[tuple[Any, type, str]] = [
    ({"session_id": 3}, SyncRequest, "body.session_id: 3 is no string"),
    ({"session_id": "a b"}, SyncRequest, "body: The client id 'a b' is not 1 to 128"),
    ([], SyncRequest, r"body: \[\] is no object with the keys of SyncRequest"),
    ({}, SyncRequest, "body.session_id lacks the key 'session_id'"),
    ({"session_id": "s", "want": True}, SyncRequest, "body.want: True is no whole number"),
    ({"session_id": "s", "want": 1.5}, SyncRequest, "body.want: 1.5 is no whole number"),
    ({"session_id": "s", "wait": "1"}, SyncRequest, "body.wait: '1' is no number"),
    ({"session_id": "s", "wait": True}, SyncRequest, "body.wait: True is no number"),
    ({"session_id": "s", "wait": 10**400}, SyncRequest, "body.wait: 1000.* is too large"),
    ({"session_id": "s", "nonsense": 1}, SyncRequest, "body has the unknown key 'nonsense'; known are adopted, "),
    ({"session_id": "s", "running": 3}, SyncRequest, "body.running: 3 is no list"),
    ({"session_id": "s", "running": "abc"}, SyncRequest, "body.running: 'abc' is no list"),
    ({"session_id": "s", "running": [{"job_id": 1}]}, SyncRequest, r"body.running\[0\].fence lacks the key"),
    ({"session_id": "s", "free": {"labels": [1]}}, SyncRequest, r"body.free.labels\[0\]: 1 is no string"),
    ({"labels": "abc"}, Capacity, "body.labels: 'abc' is no list"),
    ({"name": "a", "task_id": 1, "parameters": ["x"]}, JobSpec, r"body.parameters: \['x'\] is no object"),
    ({"name": "a", "task_id": 1, "depends": [1]}, JobSpec, "no object with numbers as keys"),
    ({"name": "a", "task_id": 1, "depends": {"x": "success"}}, JobSpec, "'x' is no whole number"),
    ({"name": "a", "task_id": 1, "depends": {"1": "never"}}, JobSpec, "'never' is not a dep"),
    ({"id": 1, "name": "p", "created_at": "soon"}, Project, "body.created_at: 'soon' is no time in ISO 8601"),
    ({"id": 1, "name": "p", "created_at": "0001-01-01T00:00:00+05:00"}, Project, "is no time in ISO 8601"),
    ({"kind": "explode"}, Order, "body.kind: 'explode' is none of cancel, kill, drain"),
    ({"id": "a", "name": "a", "is_active": 1}, Client, "body.is_active: 1 is neither true nor false"),
]


@pytest.mark.parametrize(("data", "kind", "words"), REFUSED)
def test_wrong_value_is_refused_with_its_path(data: Any, kind: type, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        from_json(data, kind, what="body")


def test_value_without_a_path_is_refused_too() -> None:
    with pytest.raises(InvalidError, match="answer: 'x' is no whole number"):
        from_json("x", int, what="answer")
    with pytest.raises(InvalidError, match="'x' is not a job status"):
        from_json("x", JobStatus)
    assert from_json(3, int) == 3


def test_bytes_that_are_no_base64_are_refused() -> None:
    data = {"job_id": 1, "fence": 1, "stream": "stdout", "offset": 0, "data": "no base64!"}
    with pytest.raises(InvalidError, match=r"body.data: 'no base64!' is no base64"):
        from_json(data, LogPiece, what="body")


def test_size_keeps_its_own_error() -> None:
    data = {"name": "a", "task_id": 1, "parameters": {"x": "y" * 2**20}}
    with pytest.raises(TooLargeError, match="1048584 bytes"):
        from_json([data], list[JobSpec])


@settings(max_examples=25)
@given(strategies.assignments.map(to_json))
def test_newer_server_may_say_more(data: dict[str, Any]) -> None:
    expected = from_json(data, Assignment)
    newer = {
        **data,
        "new": 1,
        "job": {**data["job"], "newer": None},
        "task": {**data["task"], "retry": {**data["task"]["retry"], "newest": []}},
    }
    with pytest.raises(InvalidError, match="unknown key"):
        from_json(newer, Assignment)
    assert from_json(newer, Assignment, converter=ignoring_extra_keys(Assignment)) == expected


class Colour(StrEnum):
    """An enumeration of somebody else's."""

    RED = "red"


def test_other_enumerations_are_read_as_they_are_written() -> None:
    assert from_json("red", Colour) is Colour.RED
    with pytest.raises(InvalidError, match="'RED' is none of red"):
        from_json("RED", Colour)


def test_hooks_on_a_converter_of_ones_own_change_no_other() -> None:
    own = tolerant_converter()
    own.register_structure_hook(Share, lambda *_: Share(device="hooked", millis=1))
    data = {"device": "0", "millis": 500, "newer": 1}
    assert from_json(data, Share, converter=own).device == "hooked"
    assert from_json(data, Share, converter=ignoring_extra_keys(Share)) == Share(device="0", millis=500)
