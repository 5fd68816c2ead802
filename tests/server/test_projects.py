import pytest

from tests.server.serving import Api

FIELDS = {"id", "name", "description", "status", "created_at", "updated_at"}


def test_new_project_has_the_documented_fields(api: Api) -> None:
    name = api.name("digits")
    made = api.call("POST", "/projects/", {"name": name, "description": "about"}, 201)
    assert made.keys() == FIELDS
    assert (made["name"], made["description"], made["status"]) == (name, "about", "ACTIVE")
    assert made["created_at"].endswith("Z")
    assert api.call("GET", f"/projects/{made['id']}") == made
    assert api.call("GET", f"/projects/name/{name}") == made


def test_second_project_of_one_name_is_409(api: Api) -> None:
    name = api.name("digits")
    api.call("POST", "/projects/", {"name": name}, 201)
    assert name in api.call("POST", "/projects/", {"name": name}, 409)["detail"]


def test_names_with_slashes_and_blanks_are_found(api: Api) -> None:
    name = f"a/b c/{api.name('x')}"
    made = api.call("POST", "/projects/", {"name": name}, 201)
    assert api.call("GET", f"/projects/name/{name}")["id"] == made["id"]
    assert api.call("DELETE", f"/projects/name/{name}", status=204) is None
    assert repr(name) in api.call("GET", f"/projects/name/{name}", status=404)["detail"]


def test_update_takes_any_subset(api: Api) -> None:
    project_id = api.project()
    before = api.call("GET", f"/projects/{project_id}")
    changed = api.call("PUT", f"/projects/{project_id}", {"description": "new"})
    assert (changed["name"], changed["description"], changed["status"]) == (before["name"], "new", "ACTIVE")
    assert api.call("PUT", f"/projects/{project_id}", {"status": "archived"})["status"] == "ARCHIVED"
    assert api.call("PUT", f"/projects/{project_id}", {**changed, "name": api.name("other")})["status"] == "ACTIVE"


def test_renaming_to_a_taken_name_is_409(api: Api) -> None:
    taken = api.call("GET", f"/projects/{api.project()}")["name"]
    api.call("PUT", f"/projects/{api.project()}", {"name": taken}, 409)


def test_list_is_filtered_by_status_in_any_case(api: Api) -> None:
    active, archived = api.project(), api.project()
    api.call("PUT", f"/projects/{archived}", {"status": "ARCHIVED"})
    for parameter in ("status", "status_filter"):
        found = {each["id"] for each in api.call("GET", "/projects/", params={parameter: "archived", "limit": 1000})}
        assert archived in found
        assert active not in found
    assert "ACTIVE, ARCHIVED" in api.call("GET", "/projects/", status=400, params={"status": "gone"})["detail"]


def test_list_is_paged(api: Api) -> None:
    ids = [api.project() for _ in range(3)]
    everything = [each["id"] for each in api.call("GET", "/projects/", params={"limit": 10_000})]
    assert everything == sorted(everything)
    skip = everything.index(ids[1])
    assert [each["id"] for each in api.call("GET", "/projects/", params={"limit": 1, "skip": skip})] == [ids[1]]


def test_deleted_project_is_gone_with_all_that_it_holds(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    assert api.call("DELETE", f"/projects/{project_id}", status=204) is None
    for path in (f"/projects/{project_id}", f"/tasks/{task_id}", f"/jobs/{job_id}", f"/projects/{project_id}/counts"):
        api.call("GET", path, status=404)
    api.call("DELETE", f"/projects/{project_id}", status=404)


def test_counts_tell_all_seven_statuses(api: Api) -> None:
    project_id, task_id = api.queue()
    first = api.job(project_id, task_id)
    api.job(project_id, task_id, depends={first: "job"})
    api.call("POST", f"/jobs/{first}/cancel")
    counts = api.call("GET", f"/projects/{project_id}/counts")
    expected = {"PENDING": 0, "QUEUED": 0, "RUNNING": 0, "COMPLETED": 0, "FAILED": 0, "CANCELLED": 1, "BLOCKED": 1}
    assert counts == expected


def test_archived_project_takes_no_jobs_and_hands_none_out(api: Api) -> None:
    project_id, task_id = api.queue()
    api.job(project_id, task_id)
    api.call("PUT", f"/projects/{project_id}", {"status": "ARCHIVED"})
    api.call("POST", "/jobs/", {"name": "late", "project_id": project_id, "task_id": task_id}, 409)
    api.call("POST", f"/projects/{project_id}/jobs/batch", {"jobs": [{"name": "late", "task": "train"}]}, 409)
    assert api.call("GET", f"/projects/{project_id}/fetch_job")["job"] is None
    api.call("PUT", f"/projects/{project_id}", {"status": "ACTIVE"})
    assert api.call("GET", f"/projects/{project_id}/fetch_job")["job"]["name"] == "job"


@pytest.mark.parametrize("project_id", [999_999_999, 2**63 - 1])
def test_unknown_project_is_404_in_the_documented_words(api: Api, project_id: int) -> None:
    answer = api.call("GET", f"/projects/{project_id}", status=404)
    assert answer == {"detail": f"Project with id {project_id} not found."}
