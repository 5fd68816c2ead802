"""What the jobs that could start now need."""

from concurrent.futures import ThreadPoolExecutor

from tests.server.serving import Api


def test_demand_is_told_by_what_jobs_need(api: Api) -> None:
    project_id, other = api.project(), api.project()
    wide = api.task(project_id, "wide", required_cpu=4, required_memory="1G", timeout=60, grace=5)
    small = api.task(project_id, "small")
    first = api.job(project_id, wide, "first")
    api.job(project_id, wide, "second")
    api.job(project_id, small, "small")
    api.job(project_id, small, "waits", depends={str(first): "first"})
    api.job(other, api.task(other, "small"), "of another")
    found = api.call("GET", f"/demand?project_id={project_id}")
    told = {
        (each["requirement"]["cpu"], each["requirement"]["memory"], each["longest"], each["jobs"]) for each in found
    }
    assert told == {(4, 2**30, 65.0, 2), (1, 0, None, 1)}
    assert {each["project_id"] for each in api.call("GET", "/demand/")} >= {project_id, other}
    assert [each["jobs"] for each in api.call("GET", f"/demand?project_id={project_id}&depth=1")] == [1, 1]


def test_demand_of_nobody_is_not_found(api: Api) -> None:
    assert api.http.get("/demand?project_id=999999").json() == {"detail": "Project with id 999999 not found."}
    for wrong in ("project_id=0", "depth=0", "depth=1001", "depth=x"):
        assert api.http.get(f"/demand?{wrong}").status_code == 422


def test_demand_is_held_until_a_job_could_start(api: Api) -> None:
    project_id = api.project()
    task = api.task(project_id, "small")
    assert api.call("GET", f"/demand?project_id={project_id}&wait=0.1") == []
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(api.call, "GET", f"/demand?project_id={project_id}&wait=60")
        api.job(project_id, task, "late")
        assert [each["jobs"] for each in held.result(30)] == [1]
    for wrong in ("-1", "61", "x"):
        assert api.http.get(f"/demand?wait={wrong}").status_code == 422
