"""Jobs on a real Slurm cluster."""

import shutil
from pathlib import Path

import pytest

from tests.components import SlurmCluster
from tests.plugins.formatter_slurm.conftest import Start, end_of, shim, state_of, wait_for
from tests.plugins.formatter_slurm.contexts import claimed
from tests.support import wait_until
from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import ExecutionState
from whatsnext_core.model import Cause, Requirement
from whatsnext_formatter_slurm import SlurmFormatter

pytestmark = pytest.mark.slurm
MIB = 2**20


def test_a_job_that_succeeds_is_completed(formatter: SlurmFormatter, start: Start) -> None:
    handle = start("sh -c 'echo out; echo err >&2; pwd'")
    execution = end_of(formatter, handle)
    assert (execution.succeeded, execution.exit_code, execution.cause) == (True, 0, None)
    assert execution.cpu_seconds is not None
    logs = formatter.logs(handle)
    assert logs.stdout.read_text().splitlines() == ["out", str(Path.cwd())]
    assert logs.stderr.read_text() == "err\n"
    formatter.forget(handle)


def test_a_job_that_fails_says_how(formatter: SlurmFormatter, start: Start) -> None:
    execution = end_of(formatter, start("sh -c 'echo no such data >&2; exit 3'"))
    assert (execution.succeeded, execution.exit_code, execution.cause) == (False, 3, Cause.EXIT)
    assert execution.message == "Exit code 3: no such data"


def test_many_jobs_are_one_question(
    formatter: SlurmFormatter, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    shim(tmp_path, monkeypatch, "squeue", f'echo x >>{calls}\nexec "$real" "$@"')
    handles = {str(number): start(f"sh -c 'exit {number % 2}'", job_id=number) for number in range(1, 13)}
    polls = 0

    def ended() -> bool:
        nonlocal polls
        polls += 1
        return all(each.state is ExecutionState.ENDED for each in formatter.poll(handles).values())

    wait_until(ended, 60, "all jobs have ended")
    executions = formatter.poll(handles)
    assert {key for key, each in executions.items() if each.succeeded} == {"2", "4", "6", "8", "10", "12"}
    assert len(calls.read_text().split()) <= polls + 1


def test_a_job_gets_what_its_task_requires(formatter: SlurmFormatter, start: Start, slurm: SlurmCluster) -> None:
    requirement = Requirement(cpu=2, accelerators=1, memory=200 * MIB)
    handle = start("sh -c 'echo $WHATSNEXT_DEVICES; nproc'", requirement=requirement, name="wide one", timeout=60.0)
    assert end_of(formatter, handle).succeeded
    assert formatter.logs(handle).stdout.read_text().split()[0] in {"0", "1", "2", "3"}
    job = slurm.job(handle["job"])
    assert (job["NumCPUs"], job["CPUs/Task"], job["MinMemoryNode"]) == ("2", "2", "200M")
    assert (job["TimeLimit"], job["Requeue"], job["JobName"]) == ("00:03:00", "0", "wide")


def test_what_slurm_refuses_fails_in_its_words(slurm: SlurmCluster, tmp_path: Path) -> None:  # noqa: ARG001
    formatter = SlurmFormatter("nowhere")
    with pytest.raises(EngineError, match=r"Slurm refused the job: invalid partition specified: nowhere; Batch job"):
        formatter.start(formatter.prepare(claimed(tmp_path, "true")))


def test_without_slurms_commands_the_worker_is_on_the_wrong_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    formatter = SlurmFormatter()
    with pytest.raises(EngineError, match=r"'sbatch' does not exist on this machine.*login node"):
        formatter.start(formatter.prepare(claimed(tmp_path / "job", "true")))


def test_a_cancelled_job_may_end_in_its_own_way(formatter: SlurmFormatter, start: Start) -> None:
    code = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print('up', flush=True)"
    handle = start(f'python3 -c "{code}; time.sleep(600)"')
    wait_until(lambda: formatter.logs(handle).stdout.exists() and formatter.logs(handle).stdout.read_text(), 60)
    formatter.cancel(handle, "SIGTERM", 30)
    execution = end_of(formatter, handle)
    assert (execution.succeeded, execution.exit_code) == (False, 7)


def test_a_job_that_waits_is_cancelled_at_once(formatter: SlurmFormatter, start: Start, slurm: SlurmCluster) -> None:
    slurm.run("scontrol", "update", "PartitionName=main", "State=DOWN")
    try:
        handle = start("sleep 600")
        execution = wait_for(formatter, handle, ExecutionState.WAITING)
        wait_until(lambda: "waits in Slurm: Partition" in state_of(formatter, handle).message, 60, "Slurm says why")
        formatter.cancel(handle, "SIGTERM", 30)
        execution = end_of(formatter, handle)
    finally:
        slurm.run("scontrol", "update", "PartitionName=main", "State=UP")
    assert execution.cause is Cause.CANCELLED


def test_a_killed_job_ends(formatter: SlurmFormatter, start: Start) -> None:
    handle = start("sleep 600")
    wait_for(formatter, handle, ExecutionState.RUNNING)
    formatter.kill(handle)
    assert end_of(formatter, handle).cause is Cause.CANCELLED


def test_a_job_at_its_time_limit_has_run_out_of_walltime(
    formatter: SlurmFormatter, start: Start, slurm: SlurmCluster
) -> None:
    handle = start("sleep 600")
    wait_for(formatter, handle, ExecutionState.RUNNING)
    slurm.let_time_run_out(handle["job"])
    execution = wait_for(formatter, handle, ExecutionState.ENDED)
    assert execution.cause is Cause.WALLTIME
    assert execution.message.startswith("Slurm ended it at its time limit")


def test_a_job_that_somebody_cancels_on_slurm_is_cancelled(
    formatter: SlurmFormatter, start: Start, slurm: SlurmCluster
) -> None:
    handle = start("sleep 600")
    wait_for(formatter, handle, ExecutionState.RUNNING)
    slurm.run("scancel", handle["job"])
    assert end_of(formatter, handle).cause is Cause.CANCELLED


def test_a_job_that_takes_too_much_memory_is_out_of_memory(formatter: SlurmFormatter, start: Start) -> None:
    handle = start("""python3 -c "import time; hog = b'x' * 400_000_000; time.sleep(600)" """)
    execution = end_of(formatter, handle)
    assert execution.cause is Cause.OOM
    assert "memory" in execution.message


def test_a_job_whose_output_cannot_be_opened_says_what_the_nodes_must_share(
    formatter: SlurmFormatter, start: Start, slurm: SlurmCluster, tmp_path: Path
) -> None:
    slurm.run("scontrol", "update", "PartitionName=main", "State=DOWN")
    try:
        handle = start("true")
        shutil.rmtree(tmp_path / "17")
    finally:
        slurm.run("scontrol", "update", "PartitionName=main", "State=UP")
    execution = end_of(formatter, handle)
    assert execution.cause is Cause.ENGINE
    assert "must be on a file system that the nodes share" in execution.message


def test_a_job_that_slurm_has_forgotten_ended_as_its_script_wrote(formatter: SlurmFormatter, start: Start) -> None:
    handle = start("sh -c 'exit 4'")
    end_of(formatter, handle)
    forgotten = {**handle, "job": "999999"}
    assert formatter.adopt(forgotten)
    assert state_of(formatter, forgotten).exit_code == 4


def test_a_job_that_left_no_trace_is_not_adopted_and_counts_as_lost_in_the_end(
    formatter: SlurmFormatter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsnext_formatter_slurm.formatter.LOST_AFTER", 0.3)
    place = {"directory": str(tmp_path), "stdout": str(tmp_path / "stdout"), "stderr": str(tmp_path / "stderr")}
    handle = {"engine": "slurm", "job": "999999", "token": "t", **place}
    assert not formatter.adopt(handle)
    assert not formatter.adopt({"pid": 1})
    assert state_of(formatter, handle).state is ExecutionState.UNKNOWN
    execution = end_of(formatter, handle)
    assert execution.cause is Cause.LOST
    assert "does not know job 999999 any more" in execution.message


def test_no_more_jobs_are_at_slurm_than_allowed(
    slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    shim(tmp_path, monkeypatch, "sbatch", f'echo x >>{calls}\nexec "$real" "$@"')
    formatter = SlurmFormatter(mem="100M", poll_interval=0.2, max_submitted=2)
    handles = {}
    for number in range(1, 6):
        template = f"sh -c 'while [ ! -e {tmp_path}/go{number} ]; do sleep 0.05; done'"
        context = claimed(tmp_path / str(number), template, job_id=number)
        handles[str(number)] = formatter.start(formatter.prepare(context))
    formatter.cancel(handles["4"], "SIGTERM", 0)

    def states() -> dict[str, ExecutionState]:
        return {key: each.state for key, each in formatter.poll(handles).items()}

    running, waiting, ended = ExecutionState.RUNNING, ExecutionState.WAITING, ExecutionState.ENDED
    wait_until(lambda: states() == {"1": running, "2": running, "3": waiting, "4": ended, "5": waiting}, 60)
    message = formatter.poll(handles)["5"].message
    assert message == "Waits to be handed over to Slurm: 2 jobs are there already."
    assert len(slurm.run("squeue", "--noheader").stdout.splitlines()) == len(calls.read_text().split()) == 2
    (tmp_path / "go1").touch()
    wait_until(lambda: states() == {"1": ended, "2": running, "3": running, "4": ended, "5": waiting}, 60)
    later = SlurmFormatter(mem="100M", poll_interval=0.2, max_submitted=2)
    assert all(later.adopt(handle) for handle in handles.values())
    (tmp_path / "go2").touch()
    (tmp_path / "go3").touch()
    (tmp_path / "go5").touch()
    del handles["4"]
    wait_until(lambda: {each.succeeded for each in later.poll(handles).values()} == {True}, 60, "all have succeeded")
    assert len(calls.read_text().split()) == 4


def test_values_arrive_on_a_node_as_they_were_written(formatter: SlurmFormatter, tmp_path: Path) -> None:
    values = {
        "quotes": 'it\'s "quoted" `id` $HOME \\',
        "lines": "two\nlines\n",
        "command": f"$(touch {tmp_path}/pwned); rm -rf {tmp_path}/job &",
        "dash": "--partition=nowhere",
        "long": "ab " * 33_000,
        "empty": "",
    }
    template = "printf %s| {quotes} {lines} {command} {dash} {long} {empty}"
    handle = formatter.start(formatter.prepare(claimed(tmp_path / "job", template, values)))
    execution = end_of(formatter, handle)
    assert execution.succeeded, execution
    assert formatter.logs(handle).stdout.read_text() == "".join(f"{value}|" for value in values.values())
    assert not (tmp_path / "pwned").exists()


def test_a_time_limit_that_slurm_does_not_understand_fails_in_its_words(
    slurm: SlurmCluster,  # noqa: ARG001
    tmp_path: Path,
) -> None:
    formatter = SlurmFormatter(time="soon")
    with pytest.raises(EngineError, match=r"Slurm refused the job: Invalid --time specification"):
        formatter.start(formatter.prepare(claimed(tmp_path, "true")))
