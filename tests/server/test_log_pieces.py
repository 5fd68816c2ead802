"""Pieces of many logs in one request."""

import base64
from typing import Any

import pytest

from tests.server.serving import Api, serving
from whatsnext_core.memory import MemoryStorage
from whatsnext_server.config import ServerSettings


def attempts(api: Api, number: int) -> list[int]:
    """Claimed jobs, each in its first attempt."""
    project_id, task_id = api.queue()
    jobs = [api.job(project_id, task_id) for _ in range(number)]
    client_id = api.worker()
    api.sync(client_id, 1, cpu=number, want=number, project_ids=[project_id])
    return jobs


def piece(job_id: int, data: bytes, **fields: Any) -> dict[str, Any]:
    text = base64.b64encode(data).decode()
    return {"job_id": job_id, "fence": 1, "stream": "stdout", "offset": 0, "data": text, **fields}


def append(api: Api, *pieces: dict[str, Any]) -> list[tuple[int, int | None]]:
    """Status and size that the server gives each piece."""
    answer = api.call("POST", "/logs", {"pieces": list(pieces)})
    assert all((outcome["detail"] == "") == (outcome["status"] == 200) for outcome in answer["outcomes"])
    return [(outcome["status"], outcome["size"]) for outcome in answer["outcomes"]]


def log(api: Api, job_id: int, stream: str = "stdout") -> bytes:
    return api.http.get(f"/jobs/{job_id}/logs/{stream}").content


def test_pieces_of_several_attempts_are_kept_as_they_were(api: Api) -> None:
    one, two = attempts(api, 2)
    everything = bytes(range(256))
    assert append(
        api, piece(one, everything), piece(one, b"err\n", stream="stderr"), piece(two, b"a"), piece(two, b"b", offset=1)
    ) == [(200, 256), (200, 4), (200, 1), (200, 2)]
    assert (log(api, one), log(api, one, "stderr"), log(api, two)) == (everything, b"err\n", b"ab")


def test_bad_pieces_hurt_no_good_ones(api: Api) -> None:
    one, two, three = attempts(api, 3)
    append(api, piece(two, b"hello"))
    assert append(
        api,
        piece(one, b"first"),
        piece(two, b"gap", offset=9),
        piece(999_999_999, b"nobody's"),
        piece(one, b"another's", fence=7),
        piece(three, b"last"),
    ) == [(200, 5), (409, 5), (404, None), (404, None), (200, 4)]
    assert (log(api, one), log(api, two), log(api, three)) == (b"first", b"hello", b"last")


def test_a_refusal_says_why(api: Api) -> None:
    (one,) = attempts(api, 1)
    body = {"pieces": [piece(one, b"gap", offset=9), piece(one, b"", fence=7)]}
    gap, unknown = (outcome["detail"] for outcome in api.call("POST", "/logs", body)["outcomes"])
    assert f"stdout of attempt 1 of job {one} were sent for offset 9, but there are 0" in gap
    assert unknown == f"Job {one} has no attempt 7."


def test_a_repeat_changes_nothing_and_no_bytes_ask_for_the_size(api: Api) -> None:
    (one,) = attempts(api, 1)
    for before in (5, 11):
        assert append(api, piece(one, b"hello"), piece(one, b"lo world", offset=3)) == [(200, before), (200, 11)]
    assert append(api, piece(one, b"")) == [(200, 11)]
    assert log(api, one) == b"hello world"


def test_more_than_one_transaction_takes_is_kept_in_order(api: Api) -> None:
    (one,) = attempts(api, 1)
    parts = [b"%06d " % number * 2_000 for number in range(100)] + [b"%d" % (number % 10) for number in range(150)]
    offsets = [sum(map(len, parts[:place])) for place in range(len(parts))]
    outcomes = append(api, *(piece(one, part, offset=at) for part, at in zip(parts, offsets, strict=True)))
    assert outcomes == [(200, at + len(part)) for part, at in zip(parts, offsets, strict=True)]
    assert log(api, one) == b"".join(parts)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"data": "aGVsbG8"}, "Base64"),
        ({"data": "aGV sbG8="}, "Base64"),
        ({"data": "häääää=="}, "Base64"),
        ({"data": 5}, "Base64"),
        ({"offset": -1}, "pieces.1.offset"),
        ({"offset": "0"}, "pieces.1.offset"),
        ({"fence": 0}, "pieces.1.fence"),
        ({"stream": "stdin"}, "pieces.1.stream"),
        ({"more": 1}, "pieces.1.more is unknown"),
    ],
)
def test_what_does_not_fit_is_refused_as_a_whole(memory_api: Api, changes: dict[str, Any], complaint: str) -> None:
    (one,) = attempts(memory_api, 1)
    body = {"pieces": [piece(one, b"good"), {**piece(one, b"bad"), **changes}]}
    answer = memory_api.call("POST", "/logs", body, 422)
    assert complaint in answer["detail"][0]["msg"]
    assert log(memory_api, one) == b""


@pytest.mark.parametrize("body", [{}, {"pieces": []}, {"pieces": {}}, [], {"pieces": [piece(1, b"")] * 1001}])
def test_a_body_of_another_shape_is_refused(memory_api: Api, body: Any) -> None:
    memory_api.call("POST", "/logs/", body, 422)


def test_a_body_that_is_no_json_or_is_not_declared_so_is_refused(memory_api: Api) -> None:
    json = {"Content-Type": "application/json"}
    assert "not JSON" in memory_api.call("POST", "/logs", status=400, content=b"{", headers=json)["detail"]
    text = {"Content-Type": "text/plain"}
    assert "Content-Type" in memory_api.call("POST", "/logs", status=400, content=b"{}", headers=text)["detail"]


def test_too_much_is_413_and_nothing_is_kept() -> None:
    with serving(MemoryStorage(), ServerSettings(max_request_bytes=10_000)) as api:
        (one,) = attempts(api, 1)
        answer = api.call("POST", "/logs", {"pieces": [piece(one, b"x" * 100), piece(one, b"x" * 10_000)]}, 413)
        assert "max_request_bytes" in answer["detail"]
        assert log(api, one) == b""


def test_keys_and_limits_hold_here_too() -> None:
    with serving(MemoryStorage(), ServerSettings(api_keys=("key",), rate_limit_per_minute=1)) as api:
        body = {"pieces": [piece(1, b"x")]}
        api.call("POST", "/logs", body, 401)
        key = {"X-API-Key": "key"}
        assert api.call("POST", "/logs", body, headers=key)["outcomes"][0]["status"] == 404
        api.call("POST", "/logs", body, 429, headers=key)
