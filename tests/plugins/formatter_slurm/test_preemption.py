"""Jobs that give way to those of a partition with precedence are preempted, and run again when there is room."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.components import SlurmCluster, available
from tests.components.slurm import running_slurm
from tests.plugins.formatter_slurm.conftest import Start, end_of, state_of, wait_for
from tests.plugins.formatter_slurm.contexts import claimed
from tests.server.serving import serving
from tests.support import Daemon, wait_until
from tests.support.server import command
from whatsnext_core.formatting import ExecutionState
from whatsnext_core.memory import MemoryStorage
from whatsnext_core.model import Cause
from whatsnext_formatter_slurm import SlurmFormatter

pytestmark = pytest.mark.slurm

SETTINGS = {"PreemptType": "preempt/partition_prio", "PreemptMode": "REQUEUE"}
PARTITIONS = ("urgent PriorityTier=10", "spare PreemptMode=CANCEL")


@pytest.fixture(scope="module")
def slurm_cluster() -> Iterator[SlurmCluster]:
    """A cluster of one node; jobs in `urgent` have it requeue what `main` has there, and cancel what `spare` has."""
    with available(running_slurm(nodes=1, gpus=1, settings=SETTINGS, partitions=PARTITIONS)) as cluster:
        yield cluster


@pytest.fixture
def preempt(slurm: SlurmCluster) -> Callable[[], str]:
    """Has somebody else submit a short job that needs the whole node, and gives its id."""

    def submit() -> str:
        options = ("--parsable", "--partition=urgent", "--exclusive", "--output=/dev/null")
        return slurm.run("sbatch", *options, text="#!/bin/sh\nsleep 1\n").stdout.strip()

    return submit


@pytest.mark.parametrize(("partition", "extra"), [("spare", ()), ("main", ()), ("main", ("--requeue",))])
def test_a_job_that_gives_way_to_another_is_preempted_and_can_run_again(
    slurm: SlurmCluster, preempt: Callable[[], str], tmp_path: Path, partition: str, extra: tuple[str, ...]
) -> None:
    formatter = SlurmFormatter(partition, mem="100M", poll_interval=0.2, extra=extra)
    handle = formatter.start(formatter.prepare(claimed(tmp_path / "first", "sleep 600")))
    wait_for(formatter, handle, ExecutionState.RUNNING)
    urgent = preempt()
    execution = end_of(formatter, handle)
    assert (execution.succeeded, execution.cause) == (False, Cause.PREEMPTED)
    assert execution.message.startswith("Slurm gave its resources to another job")
    assert slurm.job(handle["job"])["JobState"] == "PREEMPTED"
    again = formatter.start(formatter.prepare(claimed(tmp_path / "again", "true")))
    assert end_of(formatter, again).succeeded
    assert slurm.job(urgent)["JobState"] == "COMPLETED"


def test_a_job_that_slurm_requeues_because_somebody_allows_it_stays_one_attempt(
    formatter: SlurmFormatter, start: Start, slurm: SlurmCluster, preempt: Callable[[], str], tmp_path: Path
) -> None:
    handle = start(f"sh -c 'mkdir {tmp_path}/began && exec sleep 600; echo again'")
    wait_until((tmp_path / "began").exists, 60, "the job runs")
    slurm.run("scontrol", "update", f"JobId={handle['job']}", "Requeue=1")
    preempt()
    wait_until(lambda: "BeginTime" in state_of(formatter, handle).message, 60, "Slurm has it in its queue again")
    slurm.run("scontrol", "update", f"JobId={handle['job']}", "StartTime=now")
    assert end_of(formatter, handle).succeeded
    assert formatter.logs(handle).stdout.read_text() == "again\n"


def test_a_preempted_job_of_a_server_comes_back_and_is_completed(
    slurm: SlurmCluster, preempt: Callable[[], str], tmp_path: Path
) -> None:
    (tmp_path / "whatsnext.toml").write_text("[plugins.slurm]\nmem = '100M'\npoll_interval = 0.2\n")
    environ = {**os.environ, **slurm.environment, "HOME": str(tmp_path)}
    template = f"sh -c 'mkdir {tmp_path}/began && exec sleep 600; echo again'"
    options, retry = {"slurm": {"partition": "spare"}}, {"retries": 1, "delay": 0.1}
    with serving(MemoryStorage()) as api:
        project_id = api.project()
        job = api.job(project_id, api.task(project_id, command_template=template, options=options, retry=retry))
        argv = command("--server", api.url, "worker", "--once", "--formatter", "slurm", "--cpus", "8")
        argv += ["--state-dir", str(tmp_path / "state")]
        with Daemon(argv, tmp_path / "worker.log", env=environ, cwd=tmp_path) as worker:
            wait_until((tmp_path / "began").exists, 60, "the job runs")
            preempt()
            assert worker.process.wait(60) == 0, worker.tail()
        attempts = api.call("GET", f"/jobs/{job}/attempts")
        assert [(each["status"], each["cause"]) for each in attempts] == [("FAILED", "preempted"), ("COMPLETED", None)]
        assert api.status(job) == "COMPLETED"
        assert api.http.get(f"/jobs/{job}/logs/stdout").text == "again\n"
