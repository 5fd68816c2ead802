import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.server.serving import Api, serving
from whatsnext_core.memory import MemoryStorage
from whatsnext_server.config import ServerSettings

SMALL, LARGE = 10_000, 100_000


@pytest.fixture(scope="module")
def small() -> Iterator[Api]:
    settings = ServerSettings(max_request_bytes=SMALL, max_batch_bytes=LARGE)
    with serving(MemoryStorage(), settings) as api:
        yield api


def chunks(size: int) -> Iterator[bytes]:
    """A body of unknown length."""
    yield b'{"name": "'
    for _ in range(size // 1000):
        yield b"x" * 1000
    yield b'"}'


@pytest.mark.parametrize("declared", [True, False])
def test_too_large_body_is_413_whether_its_length_is_declared_or_not(small: Api, declared: bool) -> None:
    content = b"".join(chunks(50 * SMALL)) if declared else chunks(50 * SMALL)
    response = small.http.post("/projects/", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 413
    assert "more than 10000 bytes" in response.json()["detail"]
    small.call("GET", "/")


def test_huge_body_is_refused_before_it_is_sent(small: Api) -> None:
    head = (
        "POST /projects/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n"
    )
    host, _, port = small.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection, connection.makefile("rb") as answer:
        connection.sendall(head.encode())
        assert b" 413 " in answer.readline()


@pytest.mark.parametrize("path", ["/projects/{}/jobs/batch", "/projects/{}/jobs/batch/"])
def test_batches_may_be_larger(small: Api, path: str) -> None:
    project_id, _ = small.queue()
    fitting = {"jobs": [{"name": "j", "task": "train", "parameters": {"x": "x" * 2 * SMALL}}]}
    small.call("POST", path.format(project_id), fitting, 201)
    answer = small.call("POST", path.format(project_id), {"jobs": fitting["jobs"] * 6}, 413)
    assert "max_batch_bytes" in answer["detail"]
    assert sum(small.call("GET", f"/projects/{project_id}/counts").values()) == 1


def test_rate_limit_counts_each_caller_and_tells_how_long_to_wait() -> None:
    settings = ServerSettings(rate_limit_per_minute=5, api_keys=("a", "b"))
    with serving(MemoryStorage(), settings) as api:
        responses = [api.http.get("/jobs/", headers={"X-API-Key": "a"}) for _ in range(12)]
        # A window may have ended in between, but not more than one.
        refused = [each for each in responses if each.status_code == 429]
        assert len(refused) >= 2
        assert all(1 <= int(each.headers["retry-after"]) <= 60 for each in refused)
        assert "More than 5 requests in a minute" in refused[0].json()["detail"]
        assert api.http.get("/jobs/", headers={"X-API-Key": "b"}).status_code == 200
        wrong = [api.http.get("/jobs/", headers={"X-API-Key": f"guess {number}"}).status_code for number in range(12)]
        assert wrong.count(429) >= 2
        assert "429" in api.app.openapi()["paths"]["/jobs/"]["get"]["responses"]  # type: ignore[union-attr]  # it is here


def test_no_page_of_another_origin_may_call_unless_it_is_named() -> None:
    asked = {"Origin": "https://queue.example.org", "Access-Control-Request-Method": "POST"}
    with serving(MemoryStorage()) as api:
        response = api.http.options("/jobs/", headers=asked)
        assert response.status_code == 405
        assert "access-control-allow-origin" not in response.headers
        assert "access-control-allow-origin" not in api.http.get("/jobs/", headers=asked).headers
    settings = ServerSettings(cors_origins=("https://queue.example.org",), api_keys=("k",))
    with serving(MemoryStorage(), settings) as api:
        response = api.http.options("/jobs/", headers={**asked, "Access-Control-Request-Headers": "X-API-Key"})
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, asked["Origin"])
        assert api.http.get("/jobs/", headers=asked).headers["access-control-allow-origin"] == asked["Origin"]
        other = api.http.options("/jobs/", headers={**asked, "Origin": "https://evil.example.org"})
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(("method", "path"), [("GET", "/jobs/"), ("POST", "/jobs/1/cancel"), ("PUT", "/jobs/1")])
def test_page_of_another_site_cannot_make_a_browser_do_something(memory_api: Api, method: str, path: str) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.org"}
    response = memory_api.http.request(method, path, headers=foreign)
    assert response.status_code == 403
    assert "cors_origins" in response.json()["detail"]
    assert memory_api.http.get("/docs", headers=foreign).status_code == 200
    assert memory_api.http.get("/jobs/", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    with serving(MemoryStorage(), ServerSettings(cors_origins=("https://good.example.org",))) as api:
        assert api.http.get("/jobs/", headers={**foreign, "Origin": "https://good.example.org"}).status_code == 200
        assert api.http.get("/jobs/", headers=foreign).status_code == 403


def test_large_sync_answers_and_requests_go_through(memory_api: Api) -> None:
    project_id, _ = memory_api.queue()
    jobs = [{"name": "j", "task": "train"}] * 900
    memory_api.call("POST", f"/projects/{project_id}/jobs/batch", {"jobs": jobs}, 201)
    client_id = memory_api.worker()
    answer = memory_api.sync(client_id, 1, cpu=1000, want=1000, project_ids=[project_id])
    assert len(answer["assignments"]) == 900
    message = "x" * 200
    ended = [
        {"job_id": each["job"]["id"], "fence": each["fence"], "succeeded": False, "cause": "exit", "message": message}
        for each in answer["assignments"]
    ]
    assert len(json.dumps(ended)) > 64 * 1024
    outcomes = memory_api.sync(client_id, 2, cpu=1000, ended=ended)["outcomes"]
    assert all(each["accepted"] for each in outcomes)
    assert memory_api.call("GET", f"/projects/{project_id}/counts")["FAILED"] == 900


def test_many_connections_are_served(memory_api: Api) -> None:
    clients = [httpx.Client(base_url=memory_api.url, trust_env=False) for _ in range(50)]
    try:
        assert [client.get("/").status_code for client in clients] == [200] * 50
    finally:
        for client in clients:
            client.close()
