"""Short jobs that a worker hands to its engine before there is room for them."""

from pathlib import Path

import pytest

from tests.client.conftest import MakeClient
from tests.client.support import remembered, unique, working
from tests.support import wait_until
from whatsnext.api.client import Client, CLIFormatter, Job, Project


@pytest.fixture
def worker(make_client: MakeClient) -> Client:
    """A worker with one CPU."""
    return make_client(formatter=CLIFormatter(), available_cpu=1)


def queue_behind_a_long_one(project: Project, folder: Path, shorts: int = 5) -> tuple[Job, list[Job]]:
    """A job that runs until there is a file ``go``, and short ones behind it; the worker takes it to be short, too."""
    project.create_task("first", command_template="true")
    first = [Job(f"first-{number}", "first") for number in range(30)]
    project.extend_queue(first)
    wait_until(lambda: {job.refresh().status for job in first} == {"COMPLETED"})
    wait = f"while [ ! -e {folder}/go ]; do sleep 0.05; done"
    project.create_task("long", command_template=f"sh -c '{wait}'")
    project.create_task("short", command_template=f"sh -c 'echo {{number}} >> {folder}/order'")
    long = Job("long", "long", priority=9)
    behind = [Job(f"short-{number}", "short", {"number": number}) for number in range(shorts)]
    project.extend_queue([long, *behind])
    wait_until(lambda: long.refresh().status == "RUNNING")
    return long, behind


def test_short_jobs_run_one_after_the_other_and_never_more_than_there_is_room_for(
    project: Project, make_client: MakeClient, tmp_path: Path
) -> None:
    (tmp_path / "now").mkdir()
    script = f": >{tmp_path}/now/$$; ls {tmp_path}/now | wc -l >>{tmp_path}/counts; rm {tmp_path}/now/$$"
    project.create_task("count", command_template=f"sh -c '{script}'")
    project.extend_queue([Job(f"job-{number}", "count") for number in range(300)])
    assert make_client(formatter=CLIFormatter(), available_cpu=2).work() == 300
    counts = [int(line) for line in (tmp_path / "counts").read_text().split()]
    assert len(counts) == 300
    assert max(counts) <= 2


def test_jobs_whose_turn_does_not_come_are_left_to_others(
    project: Project, worker: Client, make_client: MakeClient, tmp_path: Path
) -> None:
    with working(worker):
        long, behind = queue_behind_a_long_one(project, tmp_path)
        with working(make_client(formatter=CLIFormatter(), available_cpu=1, name=unique("other"))):
            wait_until(lambda: {job.refresh().status for job in behind} == {"COMPLETED"})
        assert long.refresh().status == "RUNNING"
        (tmp_path / "go").touch()
        assert long.wait(30) == "COMPLETED"
    assert sorted((tmp_path / "order").read_text().split()) == ["0", "1", "2", "3", "4"]


def test_jobs_whose_turn_has_not_come_can_be_cancelled(project: Project, worker: Client, tmp_path: Path) -> None:
    with working(worker):
        long, (first, second, *_) = queue_behind_a_long_one(project, tmp_path, shorts=3)
        first.cancel()
        assert first.wait(30) == "CANCELLED"
        assert long.refresh().status == "RUNNING"
        (tmp_path / "go").touch()
        assert second.wait(30) == "COMPLETED"
    assert "0" not in (tmp_path / "order").read_text().split()


def test_worker_that_is_to_stop_gives_back_what_has_not_begun(project: Project, worker: Client, tmp_path: Path) -> None:
    with working(worker) as thread:
        long, behind = queue_behind_a_long_one(project, tmp_path)
        worker.stop()
        wait_until(lambda: {job.refresh().status for job in behind} == {"PENDING"}, timeout=1.5)
        (tmp_path / "go").touch()
        thread.join(30)
        assert not thread.is_alive()
    assert long.refresh().status == "COMPLETED"
    assert not (tmp_path / "order").exists()


def test_every_end_is_settled_however_many_are_confirmed_at_once(
    project: Project, make_client: MakeClient, tmp_path: Path
) -> None:
    project.create_task("nothing", command_template="true")
    project.extend_queue([Job(f"job-{number}", "nothing") for number in range(600)])
    worker = make_client(formatter=CLIFormatter(), available_cpu=2)
    with working(worker):
        wait_until(lambda: project.rest.counts(project.id)["COMPLETED"] == 600)
        wait_until(lambda: not remembered(tmp_path / "state"), 20, "nothing of an attempt is left")
