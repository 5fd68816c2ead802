"""What is checked of a submission before anything is sent."""

import io
import json
from collections.abc import Mapping
from typing import Any

import pytest

from whatsnext_client.commands.base.failures import LocalError
from whatsnext_client.commands.jobs.reading import Source
from whatsnext_client.commands.jobs.submission import Submission


def read(text: str | bytes, sweeps: Mapping[str, list[Any]] | None = None) -> list[dict[str, Any]]:
    """The jobs that would be sent."""
    content = text.encode() if isinstance(text, str) else text
    submission = Submission("jobs")
    submission.read(Source(io.BytesIO(content), "jobs"), sweeps or {})
    assert [json.loads(job) for job in submission.encoded()] == json.loads(submission.body())["jobs"]
    found: list[dict[str, Any]] = json.loads(submission.body())["jobs"]
    return found


def complaint(text: str | bytes, sweeps: Mapping[str, list[Any]] | None = None) -> str:
    """What is said of jobs that are wrong."""
    with pytest.raises(LocalError) as caught:
        read(text, sweeps)
    assert caught.value.exit_code == 2
    return caught.value.message


ONE = '{"task": "t"}'


@pytest.mark.parametrize(
    "text",
    [
        f"{ONE}\n{ONE}\n",
        f"{ONE}\n\n  \n{ONE}",
        f"\ufeff{ONE}\r\n{ONE}\r\n",
        f"[{ONE}, {ONE}]",
        f"[\n{ONE},\n{ONE}\n]",
        f'{{"jobs": [{ONE}, {ONE}]}}',
        f'\n{{\n"jobs": [\n{ONE}, {ONE}\n]}}',
    ],
)
def test_json_lines_and_documents_hold_the_same_jobs(text: str) -> None:
    assert read(text) == [{"name": "t", "task": "t", "parameters": {}}] * 2


def test_a_document_may_be_one_job_over_several_lines() -> None:
    assert read('{\n"task": "t"\n}') == [{"name": "t", "task": "t", "parameters": {}}]


def test_everything_that_a_job_says_is_sent() -> None:
    job = {
        "name": "n", "task_id": 3, "parameters": {"ü": [1, None]}, "priority": -2, "timeout": 1.5, "ref": "r",
        "depends": {"17": "prep"},
        "depends_on": ["s", 18, {"job": "u", "condition": "failure"}, {"job": 19, "condition": "FINISHED"}],
    }  # fmt: skip
    others = ['{"task": "t", "ref": "s"}', '{"task": "t", "ref": "u"}']
    assert read("\n".join([json.dumps(job), *others]))[0] == {
        "name": "n", "task_id": 3, "parameters": {"ü": [1, None]}, "priority": -2, "timeout": 1.5, "ref": "r",
        "depends_on": [17, "s", 18, {"job": "u", "condition": "failure"}, {"job": 19, "condition": "finished"}],
    }  # fmt: skip


def test_a_job_without_a_name_is_called_by_its_ref_or_its_task() -> None:
    jobs = read('{"task": "t"}\n{"task": "t", "ref": "r"}\n{"task_id": 4}')
    assert [job["name"] for job in jobs] == ["t", "r", "task-4"]


def test_references_to_results_follow_the_refs_of_a_sweep() -> None:
    asking = {"x": {"$result": "a.n"}, "y": {"$result": "7"}}
    jobs = [
        {"task": "t", "ref": "a"},
        {"task": "t", "ref": "b", "depends_on": ["a", 7], "parameters": asking},
    ]
    text = "\n".join(map(json.dumps, jobs))
    assert read(text)[1]["parameters"] == asking
    swept = read(text, {"s": [1, 2]})
    assert [job["parameters"]["x"]["$result"] for job in swept[1::2]] == [
        {"job": "a#1", "path": ["n"]},
        {"job": "a#2", "path": ["n"]},
    ]
    assert swept[1]["parameters"]["y"] == {"$result": "7"}


def test_refs_may_point_forwards() -> None:
    assert len(read('{"task": "t", "depends_on": ["later"]}\n{"task": "t", "ref": "later"}')) == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[1]", "a job is a JSON object"),
        ("{}", "either a task (its name) or a task_id"),
        ('{"task": "t", "task_id": 1}', "not both"),
        ('{"task": 3}', "task is 3; it must be a string"),
        ('{"task_id": 0}', "ids go from 1"),
        ('{"task_id": 9223372036854775808}', "ids go from 1"),
        ('{"task": "t", "taks": 1}', "the key 'taks' is unknown"),
        ('{"task": "t", "name": 5}', "name is 5; it must be a string"),
        ('{"task": "t", "name": "a\\u0007"}', "control character"),
        ('{"task": "t", "name": "' + "x" * 10_000 + '"}', "10000 characters"),
        ('{"task": "t", "priority": 1.5}', "whole number"),
        ('{"task": "t", "priority": true}', "whole number"),
        ('{"task": "t", "priority": 99999999999}', "priority"),
        ('{"task": "t", "parameters": [1]}', "must be a JSON object"),
        ('{"task": "t", "parameters": {"x": NaN}}', "NaN"),
        ('{"task": "t", "parameters": {"x": -Infinity}}', "-Infinity"),
        ('{"task": "t", "parameters": {"x": 1e999}}', "inf"),
        ('{"task": "t", "parameters": {"x": 99999999999999999999}}', "64 bits"),
        ('{"task": "t", "parameters": {"x": 1, "x": 2}}', "'x' stands twice"),
        ('{"task": "t", "parameters": ' + '{"a":' * 70 + "1" + "}" * 70 + "}", "nested deeper than 64"),
        ("[" * 100_000 + "]" * 100_000, "nested too deep"),
        ('{"task": "t", "parameters": {"x": "' + "y" * 1_048_576 + '"}}', "at most 1048576"),
        ('{"task": "t", "timeout": 0}', "timeout"),
        ('{"task": "t", "timeout": "1h"}', "timeout is '1h'"),
        ('{"task": "t", "depends": [true]}', "no job id"),
        ('{"task": "t", "depends": "17"}', "must be an object"),
        ('{"task": "t", "depends": {"a": "x"}}', "refs belong into depends_on"),
        ('{"task": "t", "depends_on": 17}', "must be a list"),
        ('{"task": "t", "depends_on": [1.5]}', "depends_on has 1.5"),
        ('{"task": "t", "depends_on": [0]}', "ids go from 1"),
        ('{"task": "t", "depends_on": [17, 17]}', "named twice"),
        ('{"task": "t", "depends_on": [{"job": 1, "when": "x"}]}', '{"job": "ref"'),
        ('{"task": "t", "depends_on": [{"job": 1, "condition": "maybe"}]}', "success, finished, failure"),
        ('{"task": "t", "depends_on": ["nobody"]}', "'nobody', which no job"),
        ("nope", "no JSON at column 1"),
    ],
)  # fmt: skip
def test_a_wrong_job_is_named_with_its_line(line: str, words: str) -> None:
    message = complaint(f"{ONE}\n{line}\n{ONE}")
    assert words in message
    assert message.startswith("jobs:2: ")
    assert message.endswith("\nNothing was submitted.")


def test_every_wrong_line_is_named_up_to_twenty() -> None:
    message = complaint("\n".join([ONE, *["{}"] * 25]))
    assert [f"jobs:{line}: " in message for line in (1, 2, 21, 22)] == [False, True, True, False]
    assert "... and 5 more problems" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "jobs is empty"),
        ("\n \n", "jobs is empty"),
        ("[]", "holds no jobs"),
        ('{"jobs": {}}', "expected a list of jobs"),
        ('{"jobs": [], "project": "p"}', "the key 'project'"),
        ("3", "expected a list of jobs"),
        (f"[\n{ONE},\n{{\n]", "jobs:4: no JSON at column 1"),
        (f"[{ONE}, {{}}]", "jobs: job 2: a job has either"),
        ('[{"task": "t",\n"parameters": {"x": NaN}}]', "jobs: NaN"),
    ],
)
def test_a_wrong_document_is_refused_with_its_reason(text: str, words: str) -> None:
    assert words in complaint(text)


def test_a_file_that_is_not_utf8_is_refused_with_its_line() -> None:
    assert "jobs:2: line 1 is not written in UTF-8" in complaint(ONE.encode() + b'\n{"task": "\xff"}\n')


def test_a_ref_that_is_used_twice_is_refused_with_both_places() -> None:
    message = complaint('{"task": "t", "ref": "r"}\n{"task": "t", "ref": "r"}')
    assert message.startswith("jobs:2: the ref 'r' is used before, at jobs:1")


def test_a_circle_is_shown_with_the_place_of_each_job() -> None:
    lines = [f'{{"task": "t", "ref": "{ref}", "depends_on": ["{parent}"]}}' for ref, parent in ("ab", "bc", "ca")]
    message = complaint("\n".join(lines))
    assert "circle" in message
    for place in ("a at jobs:1", "b at jobs:2", "c at jobs:3"):
        assert place in message


def test_a_job_that_waits_for_itself_is_refused() -> None:
    assert "itself" in complaint('{"task": "t", "ref": "a", "depends_on": ["a"]}')


def test_a_sweep_submits_the_whole_file_once_for_each_combination() -> None:
    first = '{"task": "t", "ref": "a", "parameters": {"x": 1, "lr": 9}}'
    second = '{"task": "u", "name": "u-{lr}", "depends_on": ["a"]}'
    jobs = read(f"{first}\n{second}", {"lr": [0.1, 0.2]})
    assert [job["name"] for job in jobs] == ["a lr=0.1", "u-0.1", "a lr=0.2", "u-0.2"]
    assert [job["parameters"] for job in jobs[::2]] == [{"x": 1, "lr": 0.1}, {"x": 1, "lr": 0.2}]
    assert [job["depends_on"] for job in jobs[1::2]] == [[jobs[0]["ref"]], [jobs[2]["ref"]]]
    assert jobs[0]["ref"] != jobs[2]["ref"]


def test_the_name_of_a_swept_job_never_becomes_too_long_or_unprintable() -> None:
    jobs = read(ONE, {"text": ["x" * 400, "a\nb\x1b", None, True, ""]})
    assert len(jobs[0]["name"]) == 255
    assert [job["name"] for job in jobs[1:]] == ["t text=a b\\x1b", "t text=-", "t text=true", "t text=-"]


def test_a_wrong_ref_of_a_sweep_is_named_as_it_was_written() -> None:
    message = complaint('{"task": "t", "depends_on": ["nobody"]}', {"lr": [1, 2, 3]})
    assert message.count("'nobody'") == 1
