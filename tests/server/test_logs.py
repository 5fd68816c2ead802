import pytest

from tests.server.serving import Api


def attempt(api: Api) -> tuple[int, str]:
    """A claimed job, and its client."""
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    client_id = api.worker()
    api.sync(client_id, 1, want=1, project_ids=[project_id])
    return job_id, client_id


def append(
    api: Api, job_id: int, offset: int, data: bytes, status: int = 200, fence: int = 1, **more: int
) -> dict[str, object]:
    path, params = f"/jobs/{job_id}/logs/stdout", {"fence": fence, "offset": offset, **more}
    answer: dict[str, object] = api.call("PATCH", path, status=status, params=params, content=data)
    return answer


def test_appended_bytes_come_back_as_they_were(api: Api) -> None:
    job_id, client_id = attempt(api)
    first, second = bytes(range(256)), b"\xff\x00 end"
    assert append(api, job_id, 0, first) == {"size": 256}
    assert append(api, job_id, 256, second) == {"size": 262}
    response = api.http.get(f"/jobs/{job_id}/logs/stdout")
    assert response.content == first + second
    assert response.headers["content-type"] == "application/octet-stream"
    shown = {name: response.headers[f"x-log-{name}"] for name in ("size", "offset", "fence", "complete")}
    assert shown == {"size": "262", "offset": "0", "fence": "1", "complete": "false"}
    part = api.http.get(f"/jobs/{job_id}/logs/stdout", params={"offset": 254, "limit": 4, "fence": 1})
    assert part.content == b"\xfe\xff\xff\x00"
    assert api.http.get(f"/jobs/{job_id}/logs/stderr").content == b""
    api.sync(client_id, 2, ended=[{"job_id": job_id, "fence": 1, "succeeded": True}])
    assert api.http.get(f"/jobs/{job_id}/logs/stdout").headers["x-log-complete"] == "true"


def test_repeated_bytes_are_passed_over(api: Api) -> None:
    job_id, _ = attempt(api)
    append(api, job_id, 0, b"hello")
    assert append(api, job_id, 0, b"hello") == {"size": 5}
    assert append(api, job_id, 3, b"lo world") == {"size": 11}
    assert api.http.get(f"/jobs/{job_id}/logs/stdout").content == b"hello world"


def test_bytes_that_the_sender_leaves_out_count_in_the_size_and_read_like_dropped_ones(api: Api) -> None:
    job_id, _ = attempt(api)
    append(api, job_id, 0, b"begin")
    assert append(api, job_id, 60_000_005, b"end", skipped=60_000_000) == {"size": 60_000_008}
    assert append(api, job_id, 60_000_005, b"end", skipped=60_000_000) == {"size": 60_000_008}
    assert append(api, job_id, 70_000_000, b"x", status=409, skipped=1)["size"] == 60_000_008
    assert api.http.get(f"/jobs/{job_id}/logs/stdout").content == b"begin"
    rest = api.http.get(f"/jobs/{job_id}/logs/stdout", params={"offset": 5})
    assert (rest.content, rest.headers["x-log-offset"]) == (b"end", "60000005")


def test_wrong_offset_is_409_and_tells_the_right_one(api: Api) -> None:
    job_id, _ = attempt(api)
    append(api, job_id, 0, b"hello")
    answer = append(api, job_id, 9, b"x", 409)
    assert answer["size"] == 5
    assert "9" in str(answer["detail"])


def test_log_of_a_job_that_never_ran_is_empty(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    response = api.http.get(f"/jobs/{job_id}/logs/stdout")
    assert (response.status_code, response.content) == (200, b"")
    assert (response.headers["x-log-fence"], response.headers["x-log-complete"]) == ("0", "false")
    api.call("POST", f"/jobs/{job_id}/cancel")
    assert api.http.get(f"/jobs/{job_id}/logs/stdout").headers["x-log-complete"] == "true"


def test_unknown_attempts_are_404(api: Api) -> None:
    job_id, _ = attempt(api)
    assert "2" in str(append(api, job_id, 0, b"x", 404, fence=2)["detail"])
    assert "Attempt 2" in api.call("GET", f"/jobs/{job_id}/logs/stdout", status=404, params={"fence": 2})["detail"]
    api.call("GET", "/jobs/999999999/logs/stdout", status=404)


@pytest.mark.parametrize(
    "query", [{"offset": -1, "fence": 1}, {"offset": 0, "fence": 0}, {"offset": 2**63, "fence": 1}, {}]
)
def test_absurd_places_are_422(memory_api: Api, query: dict[str, int]) -> None:
    job_id, _ = attempt(memory_api)
    memory_api.call("PATCH", f"/jobs/{job_id}/logs/stdout", status=422, params=query, content=b"x")
    memory_api.call("PATCH", f"/jobs/{job_id}/logs/stdfoo", status=422, params={"offset": 0, "fence": 1}, content=b"x")
