"""Bad input gets the right 4xx with a sentence that names the value, and nothing is half-written."""

import json
from typing import Any

import pytest

from tests.server.serving import Api

JSON = {"Content-Type": "application/json"}
HUGE = 10**30
DEEP: Any = 1
for _ in range(70):
    DEEP = [DEEP]


def text(answer: Any) -> str:
    """The sentences of an answer."""
    detail = answer["detail"]
    return detail if isinstance(detail, str) else " ".join(each["msg"] for each in detail)


def count(api: Api, project_id: int) -> int:
    return sum(api.call("GET", f"/projects/{project_id}/counts").values())


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({"project_id": 999_999_999}, 404, "Project with id 999999999 not found."),
        ({"task_id": 999_999_999}, 404, "Task with id 999999999 not found."),
        ({"task_id": None, "task": "nix"}, 404, "'nix'"),
        ({"task_id": None}, 400, "names no task"),
        ({"task": "other"}, 400, "give only one"),
        ({"depends": {"999999999": "x"}}, 400, "999999999"),
        ({"depends": {"0": "x"}}, 422, "0"),
        ({"depends": {"x": "x"}}, 422, "'x'"),
        ({"depends": {str(HUGE): "x"}}, 422, str(HUGE)),
        ({"depends": [1]}, 422, "[1]"),
        ({"conditions": {"1": "maybe"}}, 400, "'maybe'"),
        ({"priority": 2**31}, 422, "2147483648"),
        ({"priority": 1.5}, 422, "1.5"),
        ({"priority": "1"}, 422, "'1'"),
        ({"priority": True}, 422, "True"),
        ({"project_id": HUGE}, 422, str(HUGE)),
        ({"task_id": 2**63}, 422, str(2**63)),
        ({"name": ""}, 422, "name is ''"),
        ({"name": "x" * 10_000}, 422, "'xxx"),
        ({"name": "a\nb"}, 400, r"'a\nb'"),
        ({"name": "a\0b"}, 400, r"\x00"),
        ({"name": " a"}, 400, "' a'"),
        ({"name": "\ud800"}, 422, "name is"),
        ({"name": 5}, 422, "name is 5"),
        ({"name": None}, 422, "name is None"),
        ({"parameters": []}, 422, "parameters is []"),
        ({"parameters": {"deep": DEEP}}, 400, "nested deeper than 64"),
        ({"parameters": {"big": "x" * 2**20}}, 413, "1048576"),
        ({"parameters": {"int": 10**40}}, 400, "64 bits"),
        ({"parameters": {"nul": "\0"}}, 400, "NUL"),
        ({"parameters": {"lone": "\ud800"}}, 400, "surrogate"),
        ({"parameters": {"\ud800": 1}}, 400, "surrogate"),
        ({"timeout": -1}, 422, "-1"),
        ({"timeout": 1e300}, 422, "1e+300"),
        ({"unknown": 1}, 422, "unknown"),
    ],
)
def test_wrong_job_is_refused(api: Api, wrong: dict[str, Any], status: int, words: str) -> None:
    project_id, task_id = api.queue()
    body = {"name": "job", "project_id": project_id, "task_id": task_id, **wrong}
    answer = api.call("POST", "/jobs/", status=status, content=json.dumps(body), headers=JSON)
    assert words in text(answer)
    assert count(api, project_id) == 0


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({"project_id": 999_999_999}, 404, "999999999"),
        ({"task_id": 999_999_999}, 400, "999999999"),
        ({"depends": {"999999999": "x"}}, 400, "999999999"),
        ({"status": "DONE"}, 400, "'DONE'"),
        ({"status": "COMPLETED"}, 409, "from PENDING to COMPLETED"),
        ({"name": "a\rb"}, 400, r"'a\rb'"),
        ({"priority": HUGE}, 422, str(HUGE)),
        ({"parameters": {"deep": DEEP}}, 400, "nested"),
        ({"parameters": 1}, 422, "parameters is 1"),
        ({"nix": 1}, 422, "nix"),
    ],
)
def test_wrong_change_of_a_job_changes_nothing(api: Api, wrong: dict[str, Any], status: int, words: str) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    before = api.call("GET", f"/jobs/{job_id}")
    assert words in text(api.call("PUT", f"/jobs/{job_id}", {"priority": 5, **wrong}, status))
    assert api.call("GET", f"/jobs/{job_id}") == before


def test_dependency_of_another_project_is_refused(api: Api) -> None:
    project_id, task_id = api.queue()
    foreign = api.job(*api.queue())
    body = {"name": "job", "project_id": project_id, "task_id": task_id, "depends": {foreign: "job"}}
    assert str(foreign) in text(api.call("POST", "/jobs/", body, 400))
    job_id = api.job(project_id, task_id)
    assert str(foreign) in text(api.call("PUT", f"/jobs/{job_id}", {"depends": {foreign: "job"}}, 400))


def test_task_of_another_project_is_refused(api: Api) -> None:
    project_id, task_id = api.queue()
    foreign = api.queue()[1]
    body = {"name": "job", "project_id": project_id, "task_id": foreign}
    assert f"one of project {project_id}" in text(api.call("POST", "/jobs/", body, 400))
    job_id = api.job(project_id, task_id)
    assert str(foreign) in text(api.call("PUT", f"/jobs/{job_id}", {"task_id": foreign}, 400))


def test_cycle_by_update_is_refused(api: Api) -> None:
    project_id, task_id = api.queue()
    first = api.job(project_id, task_id)
    second = api.job(project_id, task_id, depends={first: "job"})
    third = api.job(project_id, task_id, depends={second: "job"})
    assert "circle" in text(api.call("PUT", f"/jobs/{first}", {"depends": {third: "job"}}, 409))
    assert "itself" in text(api.call("PUT", f"/jobs/{first}", {"depends": {first: "job"}}, 409))
    assert api.call("GET", f"/jobs/{first}")["depends"] == {}


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({"required_cpu": -1}, 422, "required_cpu is -1"),
        ({"required_cpu": 10**9}, 422, "1000000000"),
        ({"required_cpu": 1.5}, 422, "1.5"),
        ({"required_accelerators": -1}, 422, "-1"),
        ({"required_accelerators": 1.5}, 400, "1.5"),
        ({"required_accelerators": 1e9}, 422, "1000000000"),
        ({"required_memory": "4X"}, 422, "'4X'"),
        ({"required_memory": -1}, 422, "-1"),
        ({"required_memory": "1e300G"}, 422, "1e300G"),
        ({"required_memory": "nan"}, 422, "'nan'"),
        ({"required_labels": ["a b"]}, 400, "'a b'"),
        ({"timeout": 0}, 422, "timeout is 0"),
        ({"grace": -5}, 422, "-5"),
        ({"signal": "SIGFOO"}, 400, "'SIGFOO'"),
        ({"retry": {"retries": -1}}, 422, "retry.retries is -1"),
        ({"retry": {"causes": ["cancelled"]}}, 400, "cancelled"),
        ({"retry": {"causes": ["bad luck"]}}, 400, "'bad luck'"),
        ({"retry": {"nix": 1}}, 422, "retry.nix"),
        ({"environment": {"A B": "x"}}, 400, "'A B'"),
        ({"environment": {"A": 1}}, 422, "environment.A is 1"),
        ({"options": {"deep": DEEP}}, 400, "nested"),
        ({"command_template": "x" * 70_000}, 422, "'xxx"),
        ({"command_template": "a\0"}, 400, r"\x00"),
        ({"name": "t" * 300}, 422, "'ttt"),
        ({"name": "a\x1b[31m"}, 400, r"\x1b"),
    ],
)
def test_wrong_task_is_refused(api: Api, wrong: dict[str, Any], status: int, words: str) -> None:
    project_id = api.project()
    assert words in text(api.call("POST", "/tasks/", {"name": "t", "project_id": project_id, **wrong}, status))
    assert api.call("GET", "/tasks/", params={"project_id": project_id}) == []
    task_id = api.task(project_id)
    before = api.call("GET", f"/tasks/{task_id}")
    assert words in text(api.call("PUT", f"/tasks/{task_id}", wrong, status))
    assert api.call("GET", f"/tasks/{task_id}") == before


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({"name": "x" * 10_000}, 422, "'xxx"),
        ({"name": "tab\t"}, 400, r"tab\t"),
        ({"name": "line\u2028"}, 400, r"\u2028"),
        ({"description": "x" * 70_000}, 422, "'xxx"),
        ({"description": "\0"}, 400, r"\x00"),
        ({"status": "gone"}, 400, "'gone'"),
    ],
)
def test_wrong_project_is_refused(api: Api, wrong: dict[str, Any], status: int, words: str) -> None:
    project_id = api.project()
    assert words in text(api.call("PUT", f"/projects/{project_id}", wrong, status))
    if "status" not in wrong:
        assert words in text(api.call("POST", "/projects/", {"name": api.name("p"), **wrong}, status))


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({"id": "a b"}, 422, "'a b'"),
        ({"id": "x" * 129}, 422, "'xxx"),
        ({"id": "a\n"}, 422, r"'a\n'"),
        ({"id": ""}, 422, "''"),
        ({"available_cpu": -1}, 422, "-1"),
        ({"available_accelerators": 10**6}, 422, "1000000"),
        ({"capacity": {"cpu": -1}}, 422, "capacity.cpu is -1"),
        ({"capacity": {"devices": [{"id": "0", "free": 2000}]}}, 422, "2000"),
        ({"capacity": {"labels": ["?"]}}, 400, "'?'"),
        ({"description": "x" * 70_000}, 422, "'xxx"),
    ],
)
def test_wrong_client_is_refused(api: Api, wrong: dict[str, Any], status: int, words: str) -> None:
    body = {"id": api.name("worker"), "name": "w", **wrong}
    assert words in text(api.call("POST", "/clients/register", body, status))


@pytest.mark.parametrize(
    "place", ["/projects/{}", "/tasks/{}", "/jobs/{}", "/jobs/{}/dependencies", "/projects/{}/fetch_job"]
)
@pytest.mark.parametrize("wrong", ["0", "-1", str(2**63), str(HUGE), "x", "1.5", "9" * 5000])
def test_absurd_ids_are_refused(memory_api: Api, place: str, wrong: str) -> None:
    response = memory_api.http.get(place.format(wrong))
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][0] == "path"


@pytest.mark.parametrize(
    "path", ["/projects/name/a%00", "/jobs/?name=%00", "/jobs/%00", "/tasks/name/x?project_id=1&%00"]
)
def test_nul_in_the_address_is_refused(api: Api, path: str) -> None:
    assert "NUL" in text(api.call("GET", path, status=400))


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=10001", "skip=-1", "limit=x", f"skip={HUGE}", f"project_id={HUGE}", "order=random"]
)
def test_absurd_queries_are_refused(memory_api: Api, query: str) -> None:
    assert query.partition("=")[0] in text(memory_api.call("GET", f"/jobs/?{query}", status=422))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "Expecting property name"),
        (b"nonsense", "Expecting value"),
        (b'{"name": NaN}', "NaN is not JSON"),
        (b'{"name": "x", "parameters": {"a": -Infinity}}', "-Infinity is not JSON"),
        (b'{"name": "\xff"}', "UTF-8"),
        (b"[" * 200_000, "nested too deep"),
        (b'{"priority": ' + b"9" * 5000 + b"}", "digits"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/jobs/"), ("PUT", "/jobs/1"), ("POST", "/projects/")])
def test_body_that_is_no_json_is_refused(memory_api: Api, method: str, path: str, body: bytes, words: str) -> None:
    assert words in text(memory_api.call(method, path, status=400, content=body, headers=JSON))


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_body_of_another_type_is_refused(memory_api: Api, kind: str) -> None:
    answer = memory_api.call("POST", "/projects/", status=400, content=b'{"name": "x"}', headers={"Content-Type": kind})
    assert "Content-Type: application/json" in text(answer)


@pytest.mark.parametrize("body", [b"null", b"[]", b"5", b'"x"', b"{}", b""])
def test_body_of_another_shape_is_refused(memory_api: Api, body: bytes) -> None:
    memory_api.call("POST", "/projects/", status=422, content=body, headers=JSON)
