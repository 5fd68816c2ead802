"""Files of jobs over REST: sent whole or in parts, seen once they are whole, fetched whole or in parts."""

import hashlib
import http.client
import os
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.server.serving import Api, serving
from tests.support import wait_until
from whatsnext_core.errors import StorageError
from whatsnext_core.memory import MemoryStorage
from whatsnext_core.memory.writer import MemoryWriter
from whatsnext_server.config import ServerSettings
from whatsnext_server.files.artifacts import PIECE

SPECIAL = [
    "plots/loss.png",
    'a "quoted" name',
    "löss 日本.txt",
    "per%cent?and#hash",
    "semi;colon'",
    "trailing.",
    ".hidden",
]
HOSTILE = ["../up", "a/../b", "/root", "a//b", "./a", "a/.", "..", "a\\b", "tab\there", " blank", "x" * 256]


def job(api: Api) -> int:
    return api.job(*api.queue())


def at(job_id: int, name: str) -> str:
    return f"/jobs/{job_id}/artifacts/{quote(name, safe='')}"


def put(api: Api, job_id: int, name: str, content: bytes, status: int = 201, **query: Any) -> Any:
    return api.call("PUT", at(job_id, name), status=status, params=query, content=content)


def patch(
    api: Api, job_id: int, content: bytes, offset: int, data: bytes, status: int = 200, name: str = "f", **query: Any
) -> Any:
    said = {"size": len(content), "sha256": digest(content), "offset": offset, **query}
    return api.call("PATCH", at(job_id, name), status=status, params=said, content=data)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def listed(api: Api, job_id: int, **query: Any) -> list[str]:
    return [found["name"] for found in api.call("GET", f"/jobs/{job_id}/artifacts", params=query)]


def claimed(api: Api) -> int:
    """A job that a client has."""
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    api.sync(api.worker(), 1, want=1, project_ids=[project_id])
    return job_id


@pytest.mark.parametrize("name", SPECIAL)
def test_file_comes_back_under_its_name_as_it_was(api: Api, name: str) -> None:
    job_id, content = job(api), bytes(range(256))
    sent = put(api, job_id, name, content, sha256=digest(content).upper())
    assert (sent["name"], sent["size"], sent["sha256"], sent["fence"]) == (name, 256, digest(content), None)
    assert api.call("GET", f"/jobs/{job_id}/artifacts/") == [sent]
    assert api.call("GET", f"/jobs/{job_id}/artifacts", params={"name": name}) == [sent]
    assert listed(api, job_id, name="other") == []
    response = api.http.get(at(job_id, name))
    assert (response.status_code, response.content) == (200, content)
    api.call("DELETE", at(job_id, name), status=204)
    assert listed(api, job_id) == []
    api.call("GET", at(job_id, name), status=404)
    api.call("DELETE", at(job_id, name), status=404)


@pytest.mark.parametrize("name", [*HOSTILE, "%00"])
def test_hostile_names_are_refused_and_nothing_is_kept(memory_api: Api, name: str) -> None:
    job_id = job(memory_api)
    path = f"/jobs/{job_id}/artifacts/{name if name == '%00' else quote(name, safe='')}"
    connection = http.client.HTTPConnection(memory_api.url.removeprefix("http://"), timeout=30)  # sends it as it is
    for method, query in (("PUT", ""), ("PATCH", f"?size=1&offset=0&sha256={'0' * 64}")):
        connection.request(method, path + query, b"x")
        response = connection.getresponse()
        answer = response.read()
        assert response.status == 400, answer
    connection.close()
    assert listed(memory_api, job_id) == []


def test_no_browser_takes_a_file_for_a_page(api: Api) -> None:
    job_id = job(api)
    page = b"<script>alert(1)</script>"
    name = 'reports/"evil";é.html'
    sent = api.call("PUT", at(job_id, name), status=201, content=page, headers={"Content-Type": "text/html"})
    assert sent["content_type"] == "text/html"
    headers = api.http.get(at(job_id, name)).headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["content-disposition"] == (
        "attachment; filename=\"_evil___.html\"; filename*=UTF-8''%22evil%22%3B%C3%A9.html"
    )


def test_large_file_streams_through_in_pieces(api: Api) -> None:
    job_id, content = job(api), os.urandom(3 * PIECE + 17)

    def body() -> Iterator[bytes]:
        for place in range(0, len(content), 100_000):
            yield content[place : place + 100_000]

    sent = api.call("PUT", at(job_id, "big"), status=201, content=body())
    assert (sent["size"], sent["sha256"]) == (len(content), digest(content))
    assert api.http.get(at(job_id, "big")).content == content


def test_ranges_are_answered(api: Api) -> None:
    job_id, content = job(api), bytes(range(100))
    sent = put(api, job_id, "f", content)
    etag = f'"{sent["sha256"]}"'

    def get(status: int, **headers: str) -> tuple[bytes, str]:
        response = api.http.get(at(job_id, "f"), headers={key.replace("_", "-"): text for key, text in headers.items()})
        assert response.status_code == status, response.text
        if status not in {412, 416}:
            assert response.headers["etag"] == etag
        return response.content, response.headers.get("content-range", "")

    assert get(206, range="bytes=0-9") == (content[:10], "bytes 0-9/100")
    assert get(206, range="bytes=95-") == (content[95:], "bytes 95-99/100")
    assert get(206, range="bytes=-3") == (content[97:], "bytes 97-99/100")
    assert get(206, range="bytes=90-1000") == (content[90:], "bytes 90-99/100")
    assert get(206, range="bytes=-1000") == (content, "bytes 0-99/100")
    for whole in ("bytes=9-3", "bytes=a-b", "bytes=-", "bytes=0-1,3-4", "lines=0-1", "bytes=1"):
        assert get(200, range=whole) == (content, "")
    for beyond in ("bytes=100-", "bytes=-0"):
        assert get(416, range=beyond)[1] == "bytes */100"
    assert get(206, range="bytes=1-2", if_range=etag)[0] == content[1:3]
    assert get(200, range="bytes=1-2", if_range='"other"')[0] == content
    assert get(304, if_none_match=f'"x", W/{etag}')[0] == b""
    assert get(200, if_none_match='"x"')[0] == content
    assert get(206, if_match=etag, range="bytes=0-0")[0] == content[:1]
    assert b"fetch it anew" in get(412, if_match='"x"')[0]


def test_head_tells_all_but_the_bytes(api: Api) -> None:
    job_id = job(api)
    put(api, job_id, "f", b"hello")
    got, shown = api.http.get(at(job_id, "f")), api.http.head(at(job_id, "f"))
    told = {name: text for name, text in shown.headers.items() if name != "date"}
    assert told == {name: text for name, text in got.headers.items() if name != "date"}
    assert (shown.status_code, shown.content, told["content-length"]) == (200, b"", "5")
    assert api.http.head(at(job_id, "g")).status_code == 404
    assert api.http.head(f"{at(job_id, 'f')}/").status_code == 200


def test_empty_file_is_one_too(api: Api) -> None:
    job_id = job(api)
    put(api, job_id, "f", b"")
    assert patch(api, job_id, b"", 0, b"", name="g")["artifact"]["size"] == 0
    assert listed(api, job_id) == ["f", "g"]
    assert api.http.get(at(job_id, "f")).content == b""
    assert api.http.get(at(job_id, "f"), headers={"Range": "bytes=0-"}).status_code == 416


def test_file_can_be_sent_in_parts_and_each_part_again(api: Api) -> None:
    job_id, content = job(api), b"hello world"
    assert patch(api, job_id, content, 0, b"") == {"size": 0, "artifact": None}
    assert patch(api, job_id, content, 0, b"hello") == {"size": 5, "artifact": None}
    assert patch(api, job_id, content, 0, b"hello") == {"size": 5, "artifact": None}
    refused = patch(api, job_id, content, 7, b"orld", 409)
    assert refused["size"] == 5
    assert "go on at 5" in refused["detail"]
    assert listed(api, job_id) == []
    assert patch(api, job_id, content, 3, b"lo wo")["size"] == 8
    done = patch(api, job_id, content, 8, b"rld")
    assert (done["size"], done["artifact"]["sha256"]) == (11, digest(content))
    assert patch(api, job_id, content, 8, b"rld") == done
    assert patch(api, job_id, content, 0, b"") == done
    assert api.http.get(at(job_id, "f")).content == content


def test_wrong_bytes_are_refused_and_forgotten(api: Api) -> None:
    job_id = job(api)
    assert digest(b"wrong") in put(api, job_id, "f", b"wrong", 400, sha256=digest(b"right"))["detail"]
    patch(api, job_id, b"right", 0, b"wr")
    assert digest(b"wrght") in patch(api, job_id, b"right", 2, b"ght", 400)["detail"]
    assert patch(api, job_id, b"right", 0, b"") == {"size": 0, "artifact": None}
    assert "was said to have 5" in patch(api, job_id, b"right", 0, b"rightly", 413)["detail"]
    assert listed(api, job_id) == []
    assert patch(api, job_id, b"right", 0, b"right")["artifact"]["size"] == 5


def test_parts_that_another_server_took_in_count_too() -> None:
    content = os.urandom(2 * PIECE + 5)
    storage = MemoryStorage()
    with serving(storage) as one:
        job_id = job(one)
        assert patch(one, job_id, content, 0, content[:PIECE])["size"] == PIECE
        with serving(storage) as two:
            assert patch(two, job_id, content, PIECE, content[PIECE:-1])["size"] == len(content) - 1
        assert patch(one, job_id, content, len(content) - 1, content[-1:])["artifact"]["sha256"] == digest(content)


def test_cut_connections_leave_nothing_of_a_whole_file_and_all_that_came_of_a_part(api: Api) -> None:
    job_id, content = job(api), os.urandom(5 * PIECE)
    host, _, port = api.url.removeprefix("http://").partition(":")

    def send_half(request: str) -> None:
        with socket.create_connection((host, int(port))) as connection:
            head = f"{request} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(content)}\r\n\r\n"
            connection.sendall(head.encode() + content[: 3 * PIECE])

    send_half(f"PUT {at(job_id, 'whole')}")
    send_half(f"PATCH {at(job_id, 'f')}?size={len(content)}&sha256={digest(content)}&offset=0")
    wait_until(lambda: patch(api, job_id, content, 0, b"")["size"] == 3 * PIECE, why="what was sent is there")
    assert patch(api, job_id, content, 3 * PIECE, content[3 * PIECE :])["artifact"]["size"] == len(content)
    assert listed(api, job_id) == ["f"]
    assert api.http.get(at(job_id, "f")).content == content


def test_newer_file_takes_the_place_of_an_older_one(api: Api) -> None:
    job_id = job(api)
    first = put(api, job_id, "f", b"old")
    second = put(api, job_id, "f", b"new")
    assert second["id"] != first["id"]
    assert api.call("GET", f"/jobs/{job_id}/artifacts") == [second]
    assert api.http.get(at(job_id, "f")).content == b"new"


def test_stale_attempts_send_nothing(api: Api) -> None:
    job_id = claimed(api)
    assert put(api, job_id, "f", b"x", fence=1)["fence"] == 1
    assert patch(api, job_id, b"xy", 0, b"x", name="g", fence=1)["size"] == 1
    assert "attempt 2" in put(api, job_id, "f", b"y", 404, fence=2)["detail"]
    api.call("PUT", f"/jobs/{job_id}", {"status": "PENDING"})
    for answer in (
        put(api, job_id, "f", b"z", 409, fence=1),
        patch(api, job_id, b"xy", 1, b"y", 409, name="g", fence=1),
        patch(api, job_id, b"other", 0, b"", 409, name="h", fence=1),
    ):
        assert "Attempt 1" in answer["detail"]
        assert "size" not in answer
    assert api.http.get(at(job_id, "f")).content == b"x"


def test_unknown_jobs_are_404(memory_api: Api) -> None:
    memory_api.call("GET", "/jobs/999999999/artifacts", status=404)
    memory_api.call("GET", "/jobs/999999999/artifacts", status=404, params={"name": "f"})
    memory_api.call("GET", at(999999999, "f"), status=404)
    put(memory_api, 999999999, "f", b"x", 404)
    patch(memory_api, 999999999, b"x", 0, b"x", 404)


def test_too_large_is_413_before_anything_is_kept() -> None:
    with serving(MemoryStorage(), ServerSettings(database="memory://", max_artifact_bytes=1000)) as api:
        job_id = job(api)
        for answer in (
            put(api, job_id, "f", b"x" * 1001, 413),
            api.call("PUT", at(job_id, "f"), status=413, content=iter([b"x" * 900, b"x" * 101])),
            patch(api, job_id, b"x" * 1001, 0, b"x", 413),
        ):
            assert "max_artifact_bytes" in answer["detail"]
            assert "1000" in answer["detail"]
        assert listed(api, job_id) == []
        put(api, job_id, "f", b"x" * 1000)


def test_artifacts_can_be_switched_off() -> None:
    with serving(MemoryStorage(), ServerSettings(database="memory://", max_artifact_bytes=0)) as api:
        job_id = job(api)
        for answer in (
            put(api, job_id, "f", b"", 413),
            put(api, job_id, "f", b"x", 413),
            patch(api, job_id, b"x", 0, b"x", 413),
        ):
            assert "takes no artifacts" in answer["detail"]
        assert listed(api, job_id) == []


def test_full_disk_is_503_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(MemoryStorage()) as api:
        job_id, content = job(api), b"x" * (PIECE + 1)
        append = MemoryWriter.append_artifact

        def fail(self: MemoryWriter, upload_id: int, offset: int, data: bytes, now: Any) -> int:
            if offset >= PIECE:
                raise StorageError("The database is full.")
            return append(self, upload_id, offset, data, now)

        with monkeypatch.context() as patched:
            patched.setattr(MemoryWriter, "append_artifact", fail)
            assert put(api, job_id, "f", content, 503)["detail"] == "The database is full."
            assert patch(api, job_id, content, 0, content, 503)["detail"] == "The database is full."
        assert listed(api, job_id) == []
        assert patch(api, job_id, content, 0, b"")["size"] == PIECE
        assert patch(api, job_id, content, PIECE, b"x")["artifact"]["size"] == PIECE + 1


def test_file_that_is_replaced_while_it_is_read_is_cut_and_never_mixed(api: Api) -> None:
    job_id = job(api)
    put(api, job_id, "f", b"a" * 16 * PIECE)
    seen = bytearray()
    # Else the system may take all of it from the server before anybody reads on.
    few = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)])

    def read_on(parts: Iterator[bytes]) -> None:
        for part in parts:
            seen.extend(part)

    with httpx.Client(transport=few) as reader, reader.stream("GET", api.url + at(job_id, "f")) as response:
        parts = response.iter_bytes(1000)
        seen += next(parts)
        put(api, job_id, "f", b"b")
        with pytest.raises(httpx.RemoteProtocolError):
            read_on(parts)
    assert set(seen) == {ord("a")}


def test_bad_queries_are_422(memory_api: Api) -> None:
    job_id = job(memory_api)
    good = {"size": 1, "offset": 0, "sha256": "0" * 64}
    for bad in ({"size": -1}, {"offset": -1}, {"sha256": "xyz"}, {"fence": 0}, {"size": None}):
        query = {key: value for key, value in {**good, **bad}.items() if value is not None}
        memory_api.call("PATCH", at(job_id, "f"), status=422, params=query, content=b"x")
    put(memory_api, job_id, "f", b"x", 422, sha256="abc")
    memory_api.call("PUT", at(job_id, "f"), status=400, content=b"x", headers={"Content-Type": "nonsense"})
