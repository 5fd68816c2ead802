import httpx
import pytest

from tests.server.serving import Api


def test_root_says_that_the_server_is_there(api: Api) -> None:
    assert api.call("GET", "/") == {"message": "OK"}


def test_checkdb_says_that_the_database_answers(api: Api) -> None:
    assert api.call("GET", "/checkdb") == {"message": "DB is working"}


@pytest.mark.parametrize("path", ["/checkdb", "/projects", "/tasks", "/jobs", "/clients", "/docs", "/redoc"])
def test_paths_answer_with_and_without_trailing_slash_and_do_not_redirect(memory_api: Api, path: str) -> None:
    for each in (path, f"{path}/"):
        response = memory_api.http.get(each)
        assert (response.status_code, response.history) == (200, [])


def test_item_paths_answer_with_and_without_trailing_slash(memory_api: Api) -> None:
    project_id, task_id = memory_api.queue()
    job_id = memory_api.job(project_id, task_id)
    paths = [f"/projects/{project_id}", f"/tasks/{task_id}", f"/jobs/{job_id}", f"/jobs/{job_id}/dependencies"]
    for path in [*paths, f"/projects/{project_id}/counts", f"/tasks/name/train?project_id={project_id}"]:
        bare, _, query = path.partition("?")
        assert memory_api.call("GET", path) == memory_api.call("GET", f"{bare}/?{query}")


def test_unknown_path_is_404_with_a_sentence(memory_api: Api) -> None:
    assert memory_api.call("GET", "/nothing/here", status=404)["detail"].startswith(
        "There is nothing at '/nothing/here'"
    )


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PATCH", "/jobs/", "GET, POST"), ("POST", "/jobs/1", "DELETE, GET, PUT"), ("DELETE", "/", "GET")],
)
def test_wrong_method_is_405_and_tells_the_right_ones(memory_api: Api, method: str, path: str, allowed: str) -> None:
    response = memory_api.http.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    assert method in response.json()["detail"]


def test_errors_are_json_even_without_a_body(memory_api: Api) -> None:
    response = httpx.request("PROPFIND", f"{memory_api.url}/jobs/")
    assert (response.status_code, response.headers["content-type"]) == (405, "application/json")
