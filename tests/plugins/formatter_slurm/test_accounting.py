"""Jobs that the controller has forgotten end as the accounting says; the script's own record of them is gone."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.components import SlurmCluster, available
from tests.components.accounting import running_accounted_slurm
from tests.plugins.formatter_slurm.conftest import end_of, shim, state_of, wait_for
from tests.plugins.formatter_slurm.contexts import claimed
from tests.support import wait_until
from whatsnext_core.formatting import ExecutionState, Handle
from whatsnext_core.model import Cause
from whatsnext_formatter_slurm import SlurmFormatter
from whatsnext_formatter_slurm.script import RECORD

pytestmark = [pytest.mark.slurm, pytest.mark.slurmdbd]

HOG = """python3 -c "import time; hog = b'x' * 400_000_000; time.sleep(600)" """
TEMPLATES = {
    "well": "true",
    "badly": "sh -c 'echo no such data >&2; exit 3'",
    "by a signal": "sh -c 'kill -9 $PPID'",
    "too big": HOG,
    "too long": "sleep 600",
    "unwanted": "sleep 600",
    "unwanted before it began": "true",
}


def new_formatter() -> SlurmFormatter:
    """A formatter as a worker has it that has just been started."""
    return SlurmFormatter(mem="100M", poll_interval=0.2)


def submit(folder: Path, template: str) -> Handle:
    formatter = new_formatter()
    return formatter.start(formatter.prepare(claimed(folder, template)))


def await_oblivion(cluster: SlurmCluster) -> None:
    """Waits until the controller knows of no job."""
    wait_until(lambda: cluster.run("squeue", "--noheader", "--states=all").stdout == "", 120, "all jobs are forgotten")


def accounted(cluster: SlurmCluster, field: str, *handles: Handle) -> list[str]:
    """What the accounting has in one field of jobs, as far as it is not empty."""
    jobs = ",".join(handle["job"] for handle in handles)
    done = cluster.run("sacct", "--noheader", "--allocations", f"--format={field}", f"--jobs={jobs}")
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def forgotten(
    slurmdbd_cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Handle]]:
    """Jobs that ended long ago in the ways of `TEMPLATES`, without the exit codes that their scripts wrote."""
    cluster, folder = slurmdbd_cluster, tmp_path_factory.mktemp("forgotten")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        handles = {
            name: submit(folder / name, template) for name, template in TEMPLATES.items() if "before" not in name
        }
        for name in ("too long", "unwanted"):
            wait_for(new_formatter(), handles[name], ExecutionState.RUNNING)
        cluster.let_time_run_out(handles["too long"]["job"])
        cluster.run("scancel", handles["unwanted"]["job"])
        cluster.run("scontrol", "update", "PartitionName=main", "State=DOWN")
        handles["unwanted before it began"] = submit(folder / "unwanted before it began", "true")
        cluster.run("scancel", handles["unwanted before it began"]["job"])
        cluster.run("scontrol", "update", "PartitionName=main", "State=UP")
        await_oblivion(cluster)
        for handle in handles.values():
            (Path(handle["directory"]) / RECORD).unlink(missing_ok=True)
        yield handles


@pytest.mark.parametrize(
    ("name", "cause", "code"),
    [
        ("well", None, 0),
        ("badly", Cause.EXIT, 3),
        ("by a signal", Cause.EXIT, -9),
        ("too big", Cause.OOM, -9),
        ("too long", Cause.WALLTIME, None),
        ("unwanted", Cause.CANCELLED, None),
        ("unwanted before it began", Cause.CANCELLED, None),
    ],
)
def test_a_job_that_slurm_has_forgotten_ended_as_the_accounting_says(
    forgotten: Mapping[str, Handle], name: str, cause: Cause | None, code: int | None
) -> None:
    formatter, handle = new_formatter(), forgotten[name]
    assert formatter.adopt(handle)
    execution = state_of(formatter, handle)
    assert execution.state is ExecutionState.ENDED
    assert (execution.succeeded, execution.cause, execution.exit_code) == (cause is None, cause, code)


def test_many_forgotten_jobs_are_one_question(
    forgotten: Mapping[str, Handle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim(tmp_path, monkeypatch, "sacct", f'echo x >>{tmp_path}/calls\nexec "$real" "$@"')
    executions = new_formatter().poll(forgotten)
    assert {name for name, each in executions.items() if each.succeeded} == {"well"}
    assert {each.state for each in executions.values()} == {ExecutionState.ENDED}
    assert (tmp_path / "calls").read_text() == "x\n"


def test_what_the_accounting_has_after_a_controller_lost_its_state_says_nothing_of_the_jobs_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsnext_formatter_slurm.formatter.LOST_AFTER", 0.5)
    with available(running_accounted_slurm()) as cluster:
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        ran = submit(tmp_path / "ran", "sleep 600")
        wait_for(new_formatter(), ran, ExecutionState.RUNNING)
        cluster.run("scontrol", "update", "PartitionName=main", "State=DOWN")
        waited = submit(tmp_path / "waited", "true")
        wait_until(lambda: len(accounted(cluster, "SubmitLine%99", ran, waited)) == 2, 60, "both are accounted for")
        cluster.forget_everything()
        assert accounted(cluster, "State", ran, waited) == ["CANCELLED", "CANCELLED"]
        end = end_of(new_formatter(), ran)
        # Slurm kills the script and its program in any order, and the script may get to say what it saw.
        assert end.cause is Cause.LOST or (end.cause, end.exit_code) == (Cause.EXIT, 137)
        cluster.run("sbatch", "--hold", "--wrap=true")
        other = submit(tmp_path / "other", "true")
        assert other["job"] == waited["job"]
        assert end_of(new_formatter(), other).succeeded
        wait_until(lambda: accounted(cluster, "State", waited) == ["COMPLETED"], 60, "the accounting has the other")
        assert end_of(new_formatter(), waited).cause is Cause.LOST
        assert not new_formatter().adopt(waited)
