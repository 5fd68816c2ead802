"""Results in parameters: what is found, what is refused, and what comes in its place."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import NOW, json_values, texts
from whatsnext_core.errors import InvalidError, TooLargeError
from whatsnext_core.model import Cause, Job, JobStatus
from whatsnext_core.references import (
    KEY,
    check_references,
    lacking,
    refers,
    renamed,
    results_needed,
    with_results,
)

PARENTS = {3: "best", 5: "lr=0.1", 7: "twin", 8: "twin", 9: "a", 10: "a.b", 12: "3"}


def job(parameters: dict[str, Any], depends: dict[int, str] | None = None) -> Job:
    return Job(
        id=20,
        name="final",
        project_id=1,
        task_id=1,
        task_name="train",
        parameters=parameters,
        status=JobStatus.QUEUED,
        priority=0,
        depends=PARENTS if depends is None else depends,
        created_at=NOW,
        updated_at=NOW,
    )


def asking(wish: Any) -> dict[str, Any]:
    return {"x": {KEY: wish}}


@pytest.mark.parametrize(
    ("wish", "found", "value"),
    [
        ("best", 3, {"lr": 0.5, "layers": [1, {"n": None}]}),
        ("best.lr", 3, 0.5),
        ("best.layers[1].n", 3, None),
        ("best.layers.0", 3, 1),
        ("best.layers[-2]", 3, 1),
        ("lr=0.1.loss", 5, 1),
        ("7[0]", 7, "seven"),
        ("10.c", 10, "c of ten"),
        ({"job": 3, "path": "layers[0]"}, 3, 1),
        ({"job": "best", "path": ["layers", 1, "n"]}, 3, None),
        ({"job": "best", "path": []}, 3, {"lr": 0.5, "layers": [1, {"n": None}]}),
        ({"job": "5", "path": "[loss]"}, 5, 1),
        ({"job": 12}, 12, "text"),
    ],
)
def test_reference_names_a_job_and_a_way_into_its_result(wish: Any, found: int, value: Any) -> None:
    results = {
        3: {"lr": 0.5, "layers": [1, {"n": None}]},
        5: {"loss": 1},
        7: ["seven"],
        10: {"c": "c of ten"},
        12: "text",
    }
    assert refers(asking(wish))
    assert check_references(asking(wish), PARENTS, "job 'final'") == {found}
    assert results_needed(job(asking(wish))) == {found}
    assert with_results(job(asking(wish)), results).parameters == {"x": value}


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("nobody.lr", "'nobody'"),
        ("", "it depends on 3 ('best')"),
        ("twin.x", "7 ('twin') or 8 ('twin')"),
        ("a.b", "9 ('a') or 10 ('a.b')"),
        ("3.x", "3 ('best') or 12 ('3')"),
        ("best.", "empty part"),
        ("best..lr", "empty part"),
        ("best.a[", "empty part"),
        ("best[]", "empty part"),
        (17, "asks for the result of 17"),
        (None, "asks for the result of None"),
        (["best"], "asks for the result of"),
        ({}, "give a 'job'"),
        ({"path": "lr"}, "give a 'job'"),
        ({"job": "best", "path": "lr", "more": 1}, "'more'"),
        ({"job": None}, "None"),
        ({"job": True}, "True"),
        ({"job": 4}, "result of 4"),
        ({"job": -3}, "result of -3"),
        ({"job": "twin"}, "may be job 7"),
        ({"job": 3, "path": ""}, "empty part"),
        ({"job": 3, "path": 1}, "has the path 1"),
        ({"job": 3, "path": ["a", ""]}, "none is empty"),
        ({"job": 3, "path": ["a", None]}, "none is empty"),
        ({"job": 3, "path": [True]}, "none is empty"),
    ],
)
def test_reference_that_means_nothing_is_refused_with_its_place(wish: Any, words: str) -> None:
    parameters = {"deep": [0, {"x": {KEY: wish}}]}
    with pytest.raises(InvalidError) as caught:
        check_references(parameters, PARENTS, "job 'final'")
    assert "The parameter 'deep[1].x' of job 'final' " in str(caught.value)
    assert words in str(caught.value)
    assert results_needed(job(parameters)) == frozenset()
    with pytest.raises(InvalidError):
        with_results(job(parameters), {})


def test_reference_stands_alone() -> None:
    with pytest.raises(InvalidError, match="The parameter 'x' of job 1 has 'scale', 'shift' beside"):
        check_references({"x": {"scale": 2, KEY: "best", "shift": 0}}, PARENTS, "job 1")
    with pytest.raises(InvalidError, match="The parameters of job 1 are one reference"):
        check_references({KEY: "best"}, PARENTS, "job 1")
    assert refers({KEY: "best"})


def test_job_without_dependencies_can_ask_for_nothing() -> None:
    with pytest.raises(InvalidError, match="it depends on no job"):
        check_references(asking("best.lr"), {}, "job 1")


def test_message_lists_some_of_many_dependencies() -> None:
    with pytest.raises(InvalidError, match=r"10 \('j10'\) and 90 more;"):
        check_references(asking("x"), {number: f"j{number}" for number in range(1, 101)}, "job 1")


@pytest.mark.parametrize(
    ("path", "result", "words"),
    [
        ("", None, "the result of job 3 ('best'), which gave no result."),
        (".lr", {}, "'lr' in the result of job 3 ('best'), and 'lr' is not there; there is an empty object."),
        (".lr", {"loss": 1, "n": 2}, "there is 'loss', 'n'."),
        (".x", {f"k{number}": 0 for number in range(12)}, "'k9' and 2 more."),
        ("[2]", [1, 2], "and '2' is not there; there is a list of 2."),
        (".lr", [1, 2], "there is a list of 2."),
        (".a.lr", {"a": "text"}, "'a.lr' in the result of job 3 ('best'), and 'lr' is not there; there is 'text'."),
    ],
)
def test_missing_value_is_told_with_what_there_is(path: str, result: Any, words: str) -> None:
    with pytest.raises(InvalidError) as caught:
        with_results(job(asking(f"best{path}")), {3: result})
    assert str(caught.value).startswith("The parameter 'x' of job 20 ('final') asks for ")
    assert words in str(caught.value)
    end = lacking(job({}), 2, caught.value)
    assert (end.job_id, end.fence, end.succeeded, end.cause) == (20, 2, False, Cause.FORMAT_ERROR)
    assert end.message == str(caught.value)


def test_deleted_job_gives_nothing() -> None:
    with pytest.raises(InvalidError, match="which was deleted"):
        with_results(job(asking("best")), {5: 1})


def test_parameters_do_not_outgrow_their_limit() -> None:
    text = "x" * 60_000
    many = {"x": [{KEY: "best"}] * 17}
    assert with_results(job(many), {3: text}).parameters == {"x": [text] * 17}
    with pytest.raises(TooLargeError, match="bytes with the results"):
        with_results(job({"x": [{KEY: "best"}] * 18}), {3: text})
    with pytest.raises(TooLargeError, match="1048576"):
        with_results(job({**many, "y": text}), {3: text})


def test_result_is_not_searched_for_references() -> None:
    assert with_results(job(asking("best")), {3: {KEY: "lr=0.1"}}).parameters == {"x": {KEY: "lr=0.1"}}


def test_renamed_references_keep_their_path_and_leave_others_alone() -> None:
    parameters = {
        "a": {KEY: "best.lr"},
        "b": [{KEY: {"job": "prep", "path": ["x.y", 0]}}],
        "c": {KEY: "elsewhere.lr"},
        "d": {KEY: {"job": -1}},
        "e": {KEY: "1.lr"},
        "f": {KEY: "best"},
    }
    assert renamed(parameters, {"best": 17, "prep": "prep#2"}, "job 'x'") == {
        "a": {KEY: {"job": 17, "path": ["lr"]}},
        "b": [{KEY: {"job": "prep#2", "path": ["x.y", "0"]}}],
        "c": {KEY: "elsewhere.lr"},
        "d": {KEY: {"job": -1}},
        "e": {KEY: "1.lr"},
        "f": {KEY: {"job": 17}},
    }
    for bad in ({KEY: "best", "more": 1}, {KEY: "best."}, {KEY: 17}):
        with pytest.raises(InvalidError, match="The parameter 'a' of job 'x' "):
            renamed({"a": bad}, {"best": 17}, "job 'x'")


def has_key(value: Any) -> bool:
    return f'"{KEY}":' in json.dumps(value, ensure_ascii=False).replace("\\\\", "")


@given(parameters=st.dictionaries(texts | st.just(KEY), json_values, max_size=3))
def test_refers_tells_whether_the_key_is_anywhere(parameters: dict[str, Any]) -> None:
    assert refers(parameters) == has_key(parameters)


names = st.text("ab.[]0_ -", min_size=1, max_size=6)
keys = st.text("ab.[]0 ", min_size=1, max_size=4)


@st.composite
def wishes(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """A result, a way into it, and what is there."""
    value = result = draw(json_values.filter(lambda value: value is not None))
    path: list[str | int] = []
    while draw(st.booleans()):
        if isinstance(value, dict) and any(value):
            step: str | int = draw(st.sampled_from([key for key in value if key]))
        elif isinstance(value, list) and value:
            step = draw(st.integers(-len(value), len(value) - 1))
        else:
            break
        path.append(step)
        value = value[step]
    return result, path, value


@given(wish=wishes(), name=names, others=st.dictionaries(st.integers(2, 50), names, max_size=4), by_id=st.booleans())
def test_any_part_of_any_result_can_be_asked_for(
    wish: tuple[Any, Any, Any], name: str, others: dict[int, str], by_id: bool
) -> None:
    result, path, value = wish
    parents = {1: name, **others}
    parameters = {"x": [{KEY: {"job": 1 if by_id else name, "path": path}}], "y": 1}
    unclear = name in others.values() or (name.isdecimal() and int(name) in parents and int(name) != 1)
    if unclear and not by_id:
        with pytest.raises(InvalidError, match="may be"):
            check_references(parameters, parents, "job 1")
        return
    assert check_references(parameters, parents, "job 1") == {1}
    filled = with_results(job(parameters, parents), {1: result, **dict.fromkeys(others)})
    assert json.dumps(filled.parameters) == json.dumps({"x": [value], "y": 1})


@given(wish=json_values | st.text("ab.[]0", max_size=8))
def test_whatever_is_written_is_read_or_refused(wish: Any) -> None:
    parents = {1: "a", 2: "b", 3: "a.b", 4: "0"}
    try:
        found = check_references({"x": {KEY: wish}}, parents, "job 1")
    except InvalidError:
        return
    assert len(found) == 1
    assert found <= parents.keys()
