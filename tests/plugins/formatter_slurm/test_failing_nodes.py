"""Jobs whose node fails under them are lost, and run again elsewhere."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.components import SlurmCluster, available
from tests.components.slurm import running_slurm
from tests.plugins.formatter_slurm.conftest import Start, end_of, wait_for
from tests.server.serving import serving
from tests.support import Daemon, wait_until
from tests.support.server import command
from whatsnext_core.formatting import ExecutionState
from whatsnext_core.memory import MemoryStorage
from whatsnext_core.model import Cause
from whatsnext_formatter_slurm import SlurmFormatter

pytestmark = pytest.mark.slurm


@pytest.fixture(scope="module")
def slurm_cluster() -> Iterator[SlurmCluster]:
    """A cluster of two nodes that soon gives up one whose daemon does not answer."""
    with available(running_slurm(nodes=2, gpus=1, settings={"SlurmdTimeout": 1})) as cluster:
        yield cluster


@contextmanager
def down(slurm: SlurmCluster, node: str) -> Iterator[None]:
    """A node that an administrator sets down, and resumes afterwards."""
    slurm.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    try:
        yield
    finally:
        slurm.run("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)


def test_a_job_whose_node_is_set_down_is_lost(formatter: SlurmFormatter, start: Start, slurm: SlurmCluster) -> None:
    handle = start("sleep 600")
    wait_for(formatter, handle, ExecutionState.RUNNING)
    with down(slurm, slurm.job(handle["job"])["NodeList"]):
        execution = end_of(formatter, handle)
        assert execution.cause is Cause.LOST
        assert execution.message.startswith("Its node failed")
        assert slurm.job(handle["job"])["JobState"] == "NODE_FAIL"
        assert end_of(formatter, start("true", job_id=18)).succeeded


def test_a_job_whose_node_does_not_answer_any_more_is_lost(
    formatter: SlurmFormatter, start: Start, slurm: SlurmCluster
) -> None:
    handle = start("sleep 600")
    wait_for(formatter, handle, ExecutionState.RUNNING)
    node = slurm.job(handle["job"])["NodeList"]
    slurm.node_daemons[node].kill()
    try:
        execution = end_of(formatter, handle)
    finally:
        slurm.start_node(node)
    assert (execution.succeeded, execution.cause) == (False, Cause.LOST)
    assert execution.message == "Its node failed."
    assert slurm.job(handle["job"])["JobState"] == "NODE_FAIL"


def test_a_job_of_a_server_comes_back_from_a_node_that_failed_and_spends_no_retry(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    (tmp_path / "whatsnext.toml").write_text("[plugins.slurm]\nmem = '100M'\npoll_interval = 0.2\n")
    environ = {**os.environ, **slurm.environment, "HOME": str(tmp_path)}
    template = f"sh -c 'mkdir {tmp_path}/began && exec sleep 600; echo again'"
    with serving(MemoryStorage()) as api:
        project_id = api.project()
        job = api.job(project_id, api.task(project_id, command_template=template))
        argv = command("--server", api.url, "worker", "--once", "--formatter", "slurm", "--cpus", "8")
        argv += ["--state-dir", str(tmp_path / "state")]
        with Daemon(argv, tmp_path / "worker.log", env=environ, cwd=tmp_path) as worker:
            wait_until((tmp_path / "began").exists, 60, "the job runs")
            (line,) = slurm.run("squeue", "--noheader", "--format=%N").stdout.splitlines()
            with down(slurm, line):
                assert worker.process.wait(60) == 0, worker.tail()
        attempts = api.call("GET", f"/jobs/{job}/attempts")
        assert [(each["status"], each["cause"]) for each in attempts] == [("FAILED", "lost"), ("COMPLETED", None)]
        left = api.call("GET", f"/jobs/{job}")
        assert (left["status"], left["failures"], left["losses"]) == ("COMPLETED", 0, 1)
        assert api.http.get(f"/jobs/{job}/logs/stdout").text == "again\n"
