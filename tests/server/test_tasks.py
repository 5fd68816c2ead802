from tests.server.serving import Api

FIELDS = {
    "id", "name", "project_id", "command_template", "required_cpu", "required_accelerators", "required_memory",
    "accelerator_kind", "accelerator_memory", "required_labels", "timeout", "signal", "grace", "retry", "environment",
    "options", "created_at", "updated_at",
}  # fmt: skip


def test_new_task_has_the_documented_defaults(api: Api) -> None:
    project_id = api.project()
    task = api.call("POST", "/tasks/", {"name": "train", "project_id": project_id}, 201)
    assert task.keys() == FIELDS
    assert (task["required_cpu"], task["required_accelerators"], task["command_template"]) == (1, 0, None)
    assert api.call("GET", f"/tasks/{task['id']}") == task
    assert api.call("GET", "/tasks/name/train", params={"project_id": project_id}) == task
    assert api.call("GET", "/tasks/", params={"project_id": project_id}) == [task]


def test_every_field_of_a_task_comes_back(api: Api) -> None:
    given = {
        "name": "train",
        "project_id": api.project(),
        "command_template": "python train.py --lr {lr}",
        "required_cpu": 2,
        "required_accelerators": 0.5,
        "required_memory": "4G",
        "accelerator_kind": "a100",
        "accelerator_memory": "512MiB",
        "required_labels": ["site=here", "fast"],
        "timeout": 3600,
        "signal": "SIGINT",
        "grace": 5.5,
        "retry": {"retries": 3, "delay": 0.5, "causes": ["EXIT", "oom"], "memory_factor": 2},
        "environment": {"OMP_NUM_THREADS": "2"},
        "options": {"docker": {"image": "python:3.12"}},
    }
    task = api.call("POST", "/tasks/", given, 201)
    shown = {name: task[name] for name in given}
    retry = {
        "retries": 3, "delay": 0.5, "factor": 2, "max_delay": 3600, "jitter": 0.1, "causes": ["exit", "oom"],
        "memory_factor": 2, "max_losses": 5,
    }  # fmt: skip
    sizes = {"required_memory": 4 * 2**30, "accelerator_memory": 512 * 2**20}
    assert shown == {**given, **sizes, "required_labels": ["fast", "site=here"], "retry": retry}


def test_name_is_unique_in_its_project_only(api: Api) -> None:
    first, second = api.project(), api.project()
    api.task(first, "train")
    api.task(second, "train")
    assert "train" in api.call("POST", "/tasks/", {"name": "train", "project_id": first}, 409)["detail"]


def test_update_leaves_alone_what_is_not_given(api: Api) -> None:
    project_id = api.project()
    task_id = api.task(
        project_id, command_template="a {x}", timeout=5, retry={"retries": 2, "delay": 9}, required_cpu=2
    )
    changed = api.call("PUT", f"/tasks/{task_id}", {"required_cpu": 4, "retry": {"retries": 7}})
    assert (changed["required_cpu"], changed["command_template"], changed["timeout"]) == (4, "a {x}", 5)
    assert (changed["retry"]["retries"], changed["retry"]["delay"]) == (7, 9)
    cleared = api.call("PUT", f"/tasks/{task_id}", {"command_template": None, "timeout": None, "grace": None})
    assert (cleared["command_template"], cleared["timeout"], cleared["grace"]) == (None, None, 30)


def test_update_takes_the_whole_document(api: Api) -> None:
    task_id = api.task(api.project(), required_memory="1G")
    document = api.call("GET", f"/tasks/{task_id}")
    changed = api.call("PUT", f"/tasks/{task_id}", {**document, "required_cpu": 3})
    assert {**changed, "updated_at": ""} == {**document, "required_cpu": 3, "updated_at": ""}


def test_task_stays_in_its_project(api: Api) -> None:
    first, second = api.project(), api.project()
    task_id = api.task(first)
    assert f"project {first}" in api.call("PUT", f"/tasks/{task_id}", {"project_id": second}, 400)["detail"]


def test_task_with_open_jobs_is_not_deleted(api: Api) -> None:
    project_id, task_id = api.queue()
    job_id = api.job(project_id, task_id)
    api.call("DELETE", f"/tasks/{task_id}", status=409)
    api.call("POST", f"/jobs/{job_id}/cancel")
    api.call("DELETE", f"/tasks/{task_id}", status=204)
    assert api.call("GET", f"/tasks/{task_id}", status=404)["detail"] == f"Task with id {task_id} not found."
    api.call("GET", f"/jobs/{job_id}", status=404)


def test_task_of_an_unknown_project_is_404(api: Api) -> None:
    answer = api.call("POST", "/tasks/", {"name": "t", "project_id": 999_999_999}, 404)
    assert answer == {"detail": "Project with id 999999999 not found."}
    api.call("GET", "/tasks/name/train", status=404, params={"project_id": 999_999_999})
