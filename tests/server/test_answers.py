import json
from datetime import UTC, datetime

from tests.server.serving import Api
from whatsnext_core.converters import to_json
from whatsnext_core.model import EndOutcome, Job, JobStatus, Requirement, Task
from whatsnext_server.http.answers import Texts, encode


def test_assigned_jobs_are_written_as_any_value_of_the_model(api: Api) -> None:
    project_id, task_id = api.queue()
    first = api.job(project_id, task_id)
    api.job(project_id, task_id, depends={str(first): "job"})
    api.job(project_id, task_id, timeout=5.0, parameters={"lr": 1.0, "deep": [{"ü": None}]})
    client_id = api.worker()
    found = list(api.sync(client_id, 1, want=9, project_ids=[project_id])["assignments"])
    ended = [{"job_id": first, "fence": 1, "succeeded": True}]
    answer = api.sync(client_id, 2, want=9, project_ids=[project_id], ended=ended)
    outcome = EndOutcome(job_id=first, fence=1, accepted=True, status=JobStatus.COMPLETED)
    assert answer["outcomes"] == [to_json(outcome)]
    found += answer["assignments"]
    assert len(found) == 3
    assert api.app is not None
    with api.app.state.services.storage.read() as reader:
        for each in found:
            assert each["job"]["depends"] in ({}, {str(first): "job"})
            stored = to_json(reader.job(each["job"]["id"]))
            changed = {name for name, value in each["job"].items() if value != stored[name]}
            assert each["job"].keys() == stored.keys()
            assert changed <= ({"status", "updated_at", "finished_at"} if each["job"]["id"] == first else set())
            assert type(each["job"]["timeout"]) is type(stored["timeout"])


def test_job_with_a_lone_surrogate_is_written_as_any_value_of_the_model() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    job = Job(
        id=1,
        name="job",
        project_id=1,
        task_id=1,
        task_name="train",
        parameters={"name": "\ud800"},
        status=JobStatus.PENDING,
        priority=0,
        depends={2: "before"},
        created_at=now,
        updated_at=now,
    )
    assert json.loads(encode([job])) == [to_json(job)]


def test_what_is_kept_encoded_is_written_as_any_value_of_the_model() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    texts = Texts(2)
    needs = Requirement(cpu=2, labels=frozenset({"b", "a"}))
    for number in (1, 2, 3):
        task = Task(id=number, project_id=1, name="train", requirement=needs, created_at=now, updated_at=now)
        assert texts[task] is texts[task]
        assert json.loads(encode([texts[task]])) == [to_json(task)]
        assert json.loads(encode([texts[task], "\ud800", now])) == [to_json(task), "\ud800", to_json(now)]
