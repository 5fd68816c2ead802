import pytest

from tests.server.serving import Api

FIELDS = {
    "id", "name", "entity", "description", "available_cpu", "available_accelerators", "last_heartbeat", "created_at",
    "is_active",
}  # fmt: skip


def test_registered_client_has_the_documented_fields(api: Api) -> None:
    client_id = api.name("worker")
    made = api.call("POST", "/clients/register", {"id": client_id, "name": "w", "entity": "team"}, 201)
    assert made.keys() >= FIELDS
    shown = {name: made[name] for name in ("id", "entity", "available_cpu", "available_accelerators", "is_active")}
    expected = {"id": client_id, "entity": "team", "available_cpu": 1, "available_accelerators": 0, "is_active": 1}
    assert shown == expected
    assert api.call("GET", f"/clients/{client_id}") == made


def test_registering_again_updates(api: Api) -> None:
    client_id = api.worker(available_cpu=2)
    first = api.call("GET", f"/clients/{client_id}")
    api.call("POST", f"/clients/{client_id}/deactivate")
    again = api.call("POST", "/clients/register", {"id": client_id, "name": "w2", "available_cpu": 8}, 201)
    assert (again["name"], again["available_cpu"], again["is_active"]) == ("w2", 8, 1)
    assert again["created_at"] == first["created_at"]


def test_client_may_describe_its_devices(api: Api) -> None:
    capacity = {"cpu": 4, "memory": "8G", "devices": [{"id": "0", "kind": "A100", "memory": 2**35}], "labels": ["x=y"]}
    client_id = api.worker(capacity=capacity)
    shown = api.call("GET", f"/clients/{client_id}")["capacity"]
    assert (shown["memory"], shown["devices"][0]["kind"], shown["labels"]) == (8 * 2**30, "A100", ["x=y"])


def test_deactivated_clients_are_listed_when_asked_for(api: Api) -> None:
    active, idle = api.worker(), api.worker()
    assert api.call("POST", f"/clients/{idle}/deactivate") == {"status": "deactivated"}
    ids = [each["id"] for each in api.call("GET", "/clients/", params={"limit": 10_000})]
    assert active in ids
    assert idle not in ids
    everybody = api.call("GET", "/clients/", params={"active_only": False, "limit": 10_000})
    assert {each["id"]: each["is_active"] for each in everybody}[idle] == 0


def test_heartbeat_moves_the_time(api: Api) -> None:
    client_id = api.worker()
    before = api.call("GET", f"/clients/{client_id}")["last_heartbeat"]
    assert api.call("POST", f"/clients/{client_id}/heartbeat") == {"status": "ok"}
    assert api.call("GET", f"/clients/{client_id}")["last_heartbeat"] > before


def test_update_takes_any_subset_and_the_whole_document(api: Api) -> None:
    client_id = api.worker()
    changed = api.call("PUT", f"/clients/{client_id}", {"entity": "them", "available_cpu": 3, "is_active": 0})
    assert (changed["entity"], changed["available_cpu"], changed["is_active"]) == ("them", 3, 0)
    assert api.call("PUT", f"/clients/{client_id}", {**changed, "is_active": 1})["is_active"] == 1


def test_deleted_client_gives_its_jobs_back(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    client_id = api.worker()
    api.sync(client_id, want=1, project_ids=[project_id])
    assert api.status(job_id) == "QUEUED"
    api.call("DELETE", f"/clients/{client_id}", status=204)
    assert api.status(job_id) == "PENDING"
    answer = api.call("GET", f"/clients/{client_id}", status=404)
    assert client_id in answer["detail"]


@pytest.mark.parametrize("action", ["heartbeat", "deactivate"])
def test_unknown_client_is_404(api: Api, action: str) -> None:
    assert "nobody" in api.call("POST", f"/clients/nobody/{action}", status=404)["detail"]
    assert "nobody" in api.call("DELETE", "/clients/nobody", status=404)["detail"]
