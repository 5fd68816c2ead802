"""``GET /jobs/{id}/why`` on a real server: what it gathers, and that its main sentences are true."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.server.serving import Api, serving
from tests.server.storages import opened
from tests.support import wait_until

Reasons = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server of its own: only so many clients are looked at, and other tests leave some behind."""
    with opened(request.param, tmp_path_factory.mktemp("why")) as storage, serving(storage) as running:
        yield running


def reasons(api: Api, job_id: int) -> Reasons:
    """The first reason of each code, the weightiest code first."""
    found: Reasons = {}
    for reason in api.call("GET", f"/jobs/{job_id}/why")["reasons"]:
        found.setdefault(reason["code"], reason)
    return found


class Site:
    """A client that only the jobs of one task fit, for they ask for its label; and that task's project."""

    def __init__(self, api: Api, cpu: int = 8) -> None:
        self.api = api
        self.label = api.name("site")
        self.capacity = {"cpu": cpu, "labels": [self.label]}
        self.client = api.worker(available_cpu=cpu, capacity=self.capacity)
        self.project = api.project()
        self.requests = 0

    def task(self, name: str, cpu: int = 1, **fields: Any) -> int:
        """A task whose jobs ask for the label."""
        return self.api.task(self.project, name, required_cpu=cpu, required_labels=[self.label], **fields)

    def sync(self, **fields: Any) -> Any:
        """What the client is answered."""
        self.requests += 1
        return self.api.sync(
            self.client,
            self.requests,
            total=self.capacity,
            free=fields.pop("free", self.capacity),
            project_ids=[self.project],
            **fields,
        )

    def run(self, job_id: int) -> None:
        """Claim a job, the only one there is, and report that it runs."""
        (given,) = self.sync(want=1)["assignments"]
        assert given["job"]["id"] == job_id
        self.sync(running=[{"job_id": job_id, "fence": given["fence"]}])


def test_an_unknown_job_is_not_found(api: Api) -> None:
    assert "999999999" in api.call("GET", "/jobs/999999999/why", status=404)["detail"]


def test_what_a_job_waits_for_is_followed_up_to_what_runs(api: Api) -> None:
    site = Site(api)
    task = site.task("train")
    first = api.job(site.project, task, "load")
    site.run(first)
    second = api.job(site.project, task, "prep", depends={first: None})
    third = api.job(site.project, task, "fit", depends={second: None})
    found = api.call("GET", f"/jobs/{third}/why")
    assert (found["job_id"], found["name"], found["status"], found["place"]) == (third, "fit", "PENDING", None)
    (only,) = found["reasons"]
    assert only["code"] == "dependency"
    assert only["job_ids"] == [second, first]
    assert only["text"].startswith(
        f"It waits for job {second} 'prep' to complete, which is PENDING; that one waits for job {first} 'load' to "
        f"complete, which is RUNNING on {site.client} for "
    )
    assert reasons(api, first)["running"]["client_ids"] == [site.client]


def test_the_root_cause_of_a_chain_of_blocked_jobs_is_named_with_the_way_out(api: Api) -> None:
    project_id, task_id = api.queue()
    first = api.job(project_id, task_id, "first")
    second = api.job(project_id, task_id, "second", depends={first: None})
    third = api.job(project_id, task_id, "third", depends={second: None})
    assert api.call("GET", f"/projects/{project_id}/fetch_job")["job"]["id"] == first
    api.call("PUT", f"/jobs/{first}", {"status": "FAILED"})
    (only,) = api.call("GET", f"/jobs/{third}/why")["reasons"]
    assert f"the cause is job {first} 'first', which FAILED (exit) and had to complete." in only["text"]
    assert only["advice"].endswith(f"whatsnext jobs retry {first}")
    failed = reasons(api, first)
    assert list(failed) == ["failed", "attempts", "retry"]
    assert "(1 job directly behind it)" in failed["retry"]["text"]


def test_a_job_that_fits_once_another_one_ends_says_where_and_which(api: Api) -> None:
    site = Site(api)
    blocker = api.job(site.project, site.task("large", 6), "blocker")
    site.run(blocker)
    waiting = api.job(site.project, site.task("larger", 8))
    found = reasons(api, waiting)
    assert next(iter(found)) == "busy"
    assert f"it fits {site.client} when job {blocker} 'blocker' ends. From " in found["busy"]["text"]
    assert (found["busy"]["job_ids"], found["busy"]["client_ids"]) == ([blocker], [site.client])
    assert "no ready job stands before it" in found["queue"]["text"] or "compete" in found["queue"]["text"]
    assert "too few runs have completed lately of large" in found["no-estimate"]["text"]
    small = api.job(site.project, site.task("small", 2))
    assert next(iter(reasons(api, small))) == "queue"


def test_a_client_that_would_fit_is_told_of_though_it_takes_no_jobs(api: Api) -> None:
    site = Site(api)
    job_id = api.job(site.project, site.task("train", 2))
    found = reasons(api, job_id)
    assert found["next"]["client_ids"] == [site.client]
    api.call("PUT", f"/clients/{site.client}", {"draining": True})
    found = reasons(api, job_id)
    assert f"takes no more jobs: {site.client}" in found["draining"]["text"]
    assert "next" not in found
    api.call("POST", f"/clients/{site.client}/deactivate")
    assert f"was taken out of service: {site.client}" in reasons(api, job_id)["inactive"]["text"]
    odd = api.job(site.project, api.task(site.project, "odd", required_labels=[f"{site.label}-odd"]))
    assert f"No client carries the label {site.label}-odd" in reasons(api, odd)["unknown-label"]["text"]


def test_a_client_that_serves_other_projects_only_is_told_of(api: Api) -> None:
    site = Site(api)
    other, task_id = api.queue()
    api.call("PUT", f"/tasks/{task_id}", {"required_labels": [site.label]})
    job_id = api.job(other, task_id)
    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(site.sync, want=1, wait=30)
        wait_until(lambda: "other-projects" in reasons(api, job_id), 20)
        assert site.client in reasons(api, job_id)["other-projects"]["text"]
        api.job(site.project, site.task("train"))
        assert len(holding.result()["assignments"]) == 1


def test_place_and_estimate_come_from_the_queue_and_from_past_runs(api: Api) -> None:
    site = Site(api, cpu=1)
    task = site.task("train")
    for _ in range(3):
        job_id = api.job(site.project, task)
        (given,) = site.sync(want=1)["assignments"]
        site.sync(ended=[{"job_id": job_id, "fence": given["fence"], "succeeded": True, "duration": 0.0}])
    running = api.job(site.project, task, priority=50)
    site.run(running)
    first, second = (api.job(site.project, task, priority=9) for _ in range(2))
    earlier, later = (api.call("GET", f"/jobs/{each}/why") for each in (first, second))
    assert later["place"] - earlier["place"] == 1
    assert later["place_is_exact"] is True
    estimate = later["estimate"]
    (sample,) = [each for each in estimate["samples"] if each["task_id"] == task]
    assert (sample["task"], sample["runs"]) == ("train", 3)
    assert 0 <= sample["shortest"] <= sample["longest"]
    assert estimate["earliest"] >= later["at"][:19]
    assert later["reasons"][-1]["code"] == "estimate"
    assert "judging by the last 3 runs of train" in later["reasons"][-1]["text"]


def test_what_an_engine_says_of_a_waiting_attempt_is_shown_until_it_runs(api: Api) -> None:
    site = Site(api)
    job_id = api.job(site.project, site.task("train"))
    (given,) = site.sync(want=1)["assignments"]
    ref = {"job_id": job_id, "fence": given["fence"]}
    assert list(reasons(api, job_id)) == ["claimed"]

    def message() -> str:
        return str(api.call("GET", f"/jobs/{job_id}/attempts")[0]["message"])

    site.sync(held=[{**ref, "message": "waits in Slurm: Resources"}])
    assert message() == "waits in Slurm: Resources"
    found = reasons(api, job_id)
    assert list(found) == ["engine", "claimed"]
    assert found["engine"]["text"] == f"The engine of {site.client} has it wait, and says: waits in Slurm: Resources."
    site.sync(held=[ref])
    assert message() == "waits in Slurm: Resources"
    site.sync(held=[{**ref, "message": "x" * 5_000}])
    assert message() == "x" * 1_000
    site.sync(running=[ref])
    assert message() == ""
