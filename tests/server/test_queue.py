from tests.server.serving import Api


def test_fetch_goes_by_priority_then_age(api: Api) -> None:
    project_id, task_id = api.queue()
    ids = [api.job(project_id, task_id, priority=priority) for priority in (0, 5, 0, 5)]
    found = [api.call("GET", f"/projects/{project_id}/fetch_job") for _ in range(5)]
    assert [each["job"] and each["job"]["id"] for each in found] == [ids[1], ids[3], ids[0], ids[2], None]
    assert [each["num_pending"] for each in found] == [4, 3, 2, 1, 0]


def test_fetch_is_filtered_by_what_the_client_has(api: Api) -> None:
    project_id = api.project()
    wide, gpu = api.task(project_id, "wide", required_cpu=8), api.task(project_id, "gpu", required_accelerators=2)
    first, second = api.job(project_id, wide), api.job(project_id, gpu)
    path = f"/projects/{project_id}/fetch_job"
    assert api.call("GET", path, params={"available_cpu": 4, "available_accelerators": 1})["job"] is None
    found = api.call("GET", path, params={"available_cpu": 4, "available_accelerators": 2})
    assert (found["job"]["id"], found["num_pending"]) == (second, 2)
    assert api.call("GET", path)["job"]["id"] == first


def test_fetch_may_name_the_client(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    client_id = api.worker()
    path = f"/projects/{project_id}/fetch_job"
    api.call("GET", path, status=404, params={"client_id": "nobody"})
    assert api.call("GET", path, params={"client_id": client_id})["job"]["id"] == job_id
    assert api.call("GET", f"/jobs/{job_id}")["client_id"] == client_id


def test_fetch_from_an_unknown_project_is_404(api: Api) -> None:
    answer = api.call("GET", "/projects/999999999/fetch_job", status=404)
    assert answer == {"detail": "Project with id 999999999 not found."}


def test_clearing_the_queue_leaves_what_runs_and_what_has_ended(api: Api) -> None:
    project_id, task_id = api.queue()
    running, ended = api.job(project_id, task_id, priority=2), api.job(project_id, task_id)
    api.call("GET", f"/projects/{project_id}/fetch_job")
    api.call("POST", f"/jobs/{ended}/cancel")
    batch = {"jobs": [{"name": f"j{number}", "task": "train"} for number in range(1203)]}
    api.call("POST", f"/projects/{project_id}/jobs/batch", batch, 201)
    assert api.call("DELETE", f"/projects/{project_id}/queue") == {"deleted": 1203}
    assert api.call("DELETE", f"/projects/{project_id}/queue") == {"deleted": 0}
    assert (api.status(running), api.status(ended)) == ("QUEUED", "CANCELLED")
    api.call("DELETE", "/projects/999999999/queue", status=404)
