"""What is read at a glance is what the schema would read; anything else is left to the schema."""

import json
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from whatsnext_server.http.reading import read_array
from whatsnext_server.schemas import BatchJob
from whatsnext_server.submission.drafts import Draft, read_batch
from whatsnext_server.submission.glancing import PlainJob, plain_jobs

ODD: list[Any] = [None, True, 0, 1, -1, 2**31, 2**63, 2**64, 1.0, 0.5, "", "1", "x" * 256, [], {}, ["a"], {"a": 1}]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
EDGES = (
    st.integers(1, 9)
    | st.text(min_size=1, max_size=3)
    | st.fixed_dictionaries(
        {"job": st.just("a")}, optional={"condition": st.sampled_from(["success", "Failure", "no"])}
    )
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "task_id": st.integers(1, 9),
    "task": st.text(),
    "parameters": st.dictionaries(st.text(), VALUES, max_size=3),
    "priority": st.integers(-5, 5),
    "ref": st.text(min_size=1),
    "depends_on": st.lists(EDGES | st.sampled_from(ODD), max_size=3),
    "timeout": st.floats(0.001, 1e6) | st.integers(1, 9),
}
JOBS = st.fixed_dictionaries(
    {"name": st.text(min_size=1, max_size=9) | st.sampled_from(ODD)},
    optional={name: values | st.sampled_from(ODD) for name, values in FIELDS.items()}
    | {"depends": st.just({"3": None}), "unknown": st.just(1)},
)


def closely(body: bytes) -> list[Draft] | None:
    """What the schema makes of a batch; None if it refuses it."""
    try:
        return [Draft.of(BatchJob.model_validate(item)) for item in read_array(body, "jobs")]
    except (ValueError, HTTPException, RequestValidationError):
        return None


@given(st.lists(JOBS, max_size=2))
def test_glance_finds_what_the_schema_finds(jobs: list[dict[str, Any]]) -> None:
    body = json.dumps({"jobs": jobs}).encode()
    found = plain_jobs(body)
    if found is not None:
        assert [Draft.of(job) for job in found] == closely(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"jobs":',
        b'{"jobs": [1]}',
        b'{"jobs": [{"name": "a"},]}',
        b'{"jobs": [{"name": "a"}]} x',
        b'{"jobs": [{"name": "a"}]}}',
        b'{"jobs": [], "jobs": []}',
        b'{"jobs": [{"name": "a"}], "more": {}}',
        b'{"jobs": [{"name": "\xff"}]}',
        b'{"jobs": [{"name": "\\ud800"}]}',
        b'{"jobs": [{"name": "a", "parameters": {"x": NaN}}]}',
        b'{"jobs": [{"name": "a", "parameters": {"x": %s}}]}' % (b"[" * 9000),
        b'\xef\xbb\xbf{"jobs": []}',
    ],
)
def test_what_is_odd_is_left_to_the_schema(body: bytes) -> None:
    assert plain_jobs(body) is None
    with pytest.raises((HTTPException, RequestValidationError)):
        read_batch(body)


def test_number_beyond_floats_is_left_to_the_model() -> None:
    body = b'{"jobs": [{"name": "a", "parameters": {"x": 1e999}}]}'
    assert plain_jobs(body) is None
    assert closely(body) == read_batch(body)


def test_usual_batches_are_read_at_a_glance() -> None:
    jobs = [
        {"name": "a", "task_id": 3, "parameters": {"x": [1, {"y": None}]}, "priority": 2, "timeout": 5, "ref": "a"},
        {"name": "b", "task": "train", "depends_on": ["a", 7, {"job": "a", "condition": "failure"}]},
    ]
    for indent in (None, 1):
        body = json.dumps({"jobs": jobs}, indent=indent).encode() + b"\n"
        found = plain_jobs(body)
        assert found is not None
        assert [Draft.of(job) for job in found] == closely(body)


def test_fields_are_those_of_the_schema() -> None:
    assert {*PlainJob.__struct_fields__, "depends", "conditions"} == set(BatchJob.model_fields)
