"""A worker leaves when its queue holds nothing for it, now or later, or when it was told how long to stay."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.client.conftest import MakeClient
from tests.client.support import working
from whatsnext.api.client import Project
from whatsnext_client.engine.ledger import Ledger


def test_an_empty_queue_is_left_at_once(make_client: MakeClient) -> None:
    began = time.monotonic()
    assert make_client().work() == 0
    assert time.monotonic() - began < 5


def test_a_job_that_is_tried_again_is_waited_for_though_an_older_answer_comes_late(
    project: Project, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sync, hold_due = project.rest.sync, Ledger.hold_due

    def sync_over_a_bad_line(client_id: str, body: Mapping[str, Any], **options: Any) -> Any:
        answer = sync(client_id, body, **options)
        if body["wait"]:
            time.sleep(0.3)  # what was asked while the job ran, before there was one to be tried again
        return answer

    def hold_due_later(ledger: Ledger) -> float | None:
        moment = hold_due(ledger)
        return None if moment is None else moment + 0.3  # the loop takes the answer in before the next request is sent

    monkeypatch.setattr(project.rest, "sync", sync_over_a_bad_line)
    monkeypatch.setattr(Ledger, "hold_due", hold_due_later)
    template = f"sh -c 'sleep 1.5; mkdir {tmp_path}/tried && exit 1; echo again'"
    project.create_task("flaky", command_template=template, retry={"retries": 1, "delay": 2, "jitter": 0})
    job = project.append("job", "flaky")
    assert make_client().work() == 2
    assert job.refresh().status == "COMPLETED"


def test_jobs_that_never_fit_are_not_waited_for(project: Project, make_client: MakeClient) -> None:
    project.create_task("wide", required_cpu=64)
    project.create_task("device", required_accelerators=1)
    project.create_task("labelled", required_labels=["site=moon"])
    project.create_task("small", command_template="true")
    for task in ("wide", "device", "labelled", "small"):
        project.append(task, task)
    assert make_client(available_cpu=2).work(poll_interval=0.2) == 1
    assert len(project.queue) == 3


def test_a_job_behind_one_that_runs_elsewhere_is_waited_for(project: Project, make_client: MakeClient) -> None:
    project.create_task("quick", command_template="true")
    project.append("elsewhere", "quick")
    elsewhere = project.fetch_job()
    child = project.append("child", "quick", depends=[elsewhere])
    client = make_client()
    with working(client, poll_interval=0.2):
        elsewhere.set_status("RUNNING")
        elsewhere.set_status("COMPLETED")
        assert child.wait(30) == "COMPLETED"


def test_a_worker_leaves_when_it_was_idle_or_has_lived_long_enough(make_client: MakeClient) -> None:
    client = make_client()
    assert client.work(run_forever=True, idle_time=0.3) == 0
    assert client.work(run_forever=True, lifetime=0.3) == 0
