"""Output that goes with the report of an end: appended once, whatever becomes of the end or of other pieces."""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.server.serving import Api
from tests.server.test_sync import LONG, claimed, end, held
from tests.support import wait_until


def piece(job_id: int, offset: int, data: bytes, *, fence: int = 1, stream: str = "stdout") -> dict[str, Any]:
    """A piece of a log as it is sent."""
    text = base64.b64encode(data).decode()
    return {"job_id": job_id, "fence": fence, "stream": stream, "offset": offset, "data": text}


def log(api: Api, job_id: int, stream: str = "stdout") -> bytes:
    """What is kept of a stream."""
    return api.http.get(f"/jobs/{job_id}/logs/{stream}").content


def test_output_goes_with_the_end_and_a_repeat_appends_nothing_twice(api: Api) -> None:
    project_id, task_id = api.queue()
    one, other = (api.job(project_id, task_id) for _ in range(2))
    client_id = api.worker()
    api.sync(client_id, 1, want=2, project_ids=[project_id])
    ended = [end(one, 1), end(other, 1)]
    output = [piece(one, 0, b"\xffone"), piece(one, 0, b"oops", stream="stderr"), piece(other, 0, b"other")]
    for _ in range(2):
        answer = api.sync(client_id, 2, ended=ended, output=output)
        assert answer["output"] == [4, 4, 5]
        assert [each["accepted"] for each in answer["outcomes"]] == [True, True]
    assert (log(api, one), log(api, one, "stderr"), log(api, other)) == (b"\xffone", b"oops", b"other")


def test_output_that_cannot_be_appended_hurts_nothing_else(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    client_id = api.worker()
    api.sync(client_id, 1, want=1, project_ids=[project_id])
    output = [
        piece(job_id, 3, b"gap"),
        piece(job_id, 0, b"no", fence=2),
        piece(10**6, 0, b"no"),
        piece(job_id, 0, b"ok"),
    ]
    answer = api.sync(client_id, 2, ended=[end(job_id, 1)], output=output)
    assert answer["output"] == [0, None, None, 2]
    assert answer["outcomes"][0]["accepted"] is True
    assert log(api, job_id) == b"ok"


def test_output_of_a_lost_attempt_is_kept_though_its_end_does_not_count(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    first, second = api.worker(), api.worker()
    api.sync(first, 1, want=1, project_ids=[project_id])
    api.call("DELETE", f"/clients/{first}", status=204)
    api.call("POST", "/clients/register", {"id": first, "name": first}, 201)
    assert claimed(api.sync(second, 1, want=1, project_ids=[project_id])) == [(job_id, 2)]
    answer = api.sync(first, 2, ended=[end(job_id, 1)], output=[piece(job_id, 0, b"late")])
    assert answer["outcomes"][0]["accepted"] is False
    assert answer["output"] == [4]
    assert log(api, job_id) == b""
    assert log(api, job_id, "stdout?fence=1") == b"late"


def test_held_request_answers_for_its_output_though_it_looked_again(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    client_id = api.worker()
    api.sync(client_id, 1, want=1, project_ids=[project_id])
    report: dict[str, Any] = {"ended": [end(job_id, 1)], "output": [piece(job_id, 0, b"x")]}
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(api.sync, client_id, 2, **report, wait=LONG, want=1, project_ids=[project_id])
        wait_until(lambda: held(api, client_id))
        late = api.job(project_id, task_id)
        assert claimed(answer.result(LONG)) == [(late, 1)]
    assert answer.result()["output"] == [1]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"data": "*"}, 400, "sync.output[0].data: '*' is no base64"),
        ({"data": 7}, 400, "sync.output[0].data: 7 is no string"),
        ({"stream": "log"}, 400, "The stream 'log' is none of stdout, stderr"),
        ({"offset": -1}, 400, "offset in stdout of job 1 is -1"),
        ({"data": base64.b64encode(bytes(65_537)).decode()}, 413, "has 65537 bytes; 65536 are allowed"),
    ],
)
def test_malformed_output_is_refused(memory_api: Api, change: dict[str, Any], status: int, words: str) -> None:
    body = {"session_id": "s", "request": 1, "output": [piece(1, 0, b"x") | change]}
    assert words in memory_api.call("POST", f"/clients/{memory_api.worker()}/sync", body, status)["detail"]
