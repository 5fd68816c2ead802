"""While Slurm's controller does not answer, nothing is lost and nothing runs twice."""

from pathlib import Path

import pytest

from tests.components import SlurmCluster
from tests.plugins.formatter_slurm.conftest import Start, end_of, shim, state_of, wait_for
from tests.plugins.formatter_slurm.contexts import claimed
from tests.support import wait_until
from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import ExecutionState
from whatsnext_core.model import Cause
from whatsnext_formatter_slurm import SlurmFormatter, watch

AWAY = 'echo "sbatch: error: Unable to contact slurm controller (connect failure)" >&2; exit 1'


@pytest.mark.slurm
def test_jobs_outlive_a_controller_that_is_gone_and_new_ones_wait_for_it(
    formatter: SlurmFormatter, start: Start, slurm: SlurmCluster, tmp_path: Path
) -> None:
    runs = start(f"sh -c 'while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; exit 3'", job_id=1)
    ends = start("sleep 600", job_id=2)
    wait_for(formatter, ends, ExecutionState.RUNNING)
    assert slurm.controller is not None
    slurm.controller.stop()
    try:
        execution = wait_for(formatter, runs, ExecutionState.UNKNOWN)
        assert "Slurm does not answer: " in execution.message
        waits, given_up = start("sh -c 'echo once'", job_id=3), start("true", job_id=4)
        formatter.cancel(ends, "SIGTERM", 30)
        formatter.cancel(given_up, "SIGTERM", 30)
        assert state_of(formatter, given_up).cause is Cause.CANCELLED
        execution = state_of(formatter, waits)
        assert execution.state is ExecutionState.WAITING
        assert execution.message.startswith("Waits to be handed over to Slurm: ")
        assert SlurmFormatter(poll_interval=0.2).adopt(waits)
    finally:
        slurm.start_controller()
    (tmp_path / "go").touch()
    assert end_of(formatter, waits).succeeded
    assert formatter.logs(waits).stdout.read_text() == "once\n"
    assert end_of(formatter, runs).exit_code == 3
    assert end_of(formatter, ends).exit_code == 143
    assert not (tmp_path / "4" / "slurm.exit").exists()


@pytest.mark.slurm
def test_a_job_that_slurm_took_without_an_answer_is_found_again(
    formatter: SlurmFormatter, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim(tmp_path, monkeypatch, "sbatch", f'"$real" "$@" >>{tmp_path}/taken\n{AWAY}')
    monkeypatch.setattr(watch, "PAUSE", 0.1)
    handle = start("sh -c 'echo once'")
    assert handle["job"] == ""
    assert end_of(formatter, handle).succeeded
    assert formatter.logs(handle).stdout.read_text() == "once\n"
    assert len((tmp_path / "taken").read_text().split()) == 1
    later = SlurmFormatter(poll_interval=0.2)
    assert later.adopt(handle)
    assert end_of(later, handle).succeeded
    later.forget(handle)


@pytest.mark.slurm
def test_a_job_that_slurm_took_without_an_answer_can_be_cancelled(
    formatter: SlurmFormatter, start: Start, slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = 'echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2; exit 1'
    shim(tmp_path, monkeypatch, "sbatch", f'"$real" "$@" >>{tmp_path}/taken\n{lost}')
    handle = start("sleep 600")
    formatter.cancel(handle, "SIGTERM", 30)
    assert state_of(formatter, handle).state is ExecutionState.WAITING
    monkeypatch.setattr(watch, "PAUSE", 0.1)
    assert end_of(formatter, handle).cause is Cause.CANCELLED
    assert slurm.job((tmp_path / "taken").read_text().strip())["JobState"] == "CANCELLED"


@pytest.mark.slurm
def test_a_job_that_slurm_never_took_and_nobody_wants_is_cancelled(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim(tmp_path, monkeypatch, "sbatch", 'echo "sbatch: error: Socket timed out on send/recv operation" >&2; exit 1')
    handle = start("sleep 600")
    later = SlurmFormatter(poll_interval=0.2)
    later.cancel(handle, "SIGTERM", 30)
    execution = end_of(later, handle)
    assert execution.message == "It was cancelled before Slurm had taken it."


@pytest.mark.slurm
def test_a_job_that_waited_may_be_refused_in_the_end(
    formatter: SlurmFormatter, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    refuses = 'echo "sbatch: error: Batch job submission failed: Invalid account" >&2; exit 1'
    shim(tmp_path, monkeypatch, "sbatch", f"if [ -e {seen} ]; then {refuses}; fi; touch {seen}; {AWAY}")
    monkeypatch.setattr(watch, "PAUSE", 0.1)
    execution = end_of(formatter, start("true"))
    assert (execution.cause, execution.succeeded) == (Cause.ENGINE, False)
    assert execution.message == "Slurm refused the job: Batch job submission failed: Invalid account."


def test_a_controller_that_is_away_is_left_alone_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = tmp_path / "calls"
    shim(tmp_path, monkeypatch, "squeue", f"echo x >>{calls}; echo 'slurm_load_jobs error: no' >&2; exit 1")
    handle = {"engine": "slurm", "job": "1", "token": "t", "directory": str(tmp_path), "stdout": "o", "stderr": "e"}
    formatter = SlurmFormatter(poll_interval=0.01)
    for _ in range(5):
        execution = state_of(formatter, handle)
        assert execution.message == "Slurm does not answer: slurm_load_jobs error: no."
        formatter.kill(handle)
    assert calls.read_text() == "x\n"
    monkeypatch.setattr(watch, "PAUSE", 0.01)

    def asked_again() -> bool:
        formatter.poll({"it": handle})
        return calls.read_text() != "x\n"

    wait_until(asked_again, 10, "it is asked again")


def test_an_id_that_slurm_gave_to_another_job_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = tmp_path / "calls"
    calls.touch()
    shim(tmp_path, monkeypatch, "squeue", "echo '1|RUNNING|None|0|N/A|whatsnext-9-1-another|'")
    shim(tmp_path, monkeypatch, "scancel", f'echo "$@" >>{calls}')
    monkeypatch.setattr("whatsnext_formatter_slurm.formatter.LOST_AFTER", 0.0)
    place = {"directory": str(tmp_path), "stdout": "o", "stderr": "e"}
    handle = {"engine": "slurm", "job": "1", "token": "whatsnext-8-1-mine", **place}
    formatter = SlurmFormatter()
    assert state_of(formatter, handle).cause is Cause.LOST
    formatter.kill(handle)
    assert calls.read_text() == ""
    formatter.kill({**handle, "token": "whatsnext-9-1-another"})
    assert calls.read_text() == "--signal=KILL 1\n"


def test_a_cancel_that_cannot_be_sent_is_sent_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = tmp_path / "calls"
    shim(tmp_path, monkeypatch, "squeue", "echo '1|RUNNING|None|0|N/A|(null)|'")
    shim(tmp_path, monkeypatch, "scancel", "echo 'scancel: error: Connection refused' >&2; exit 1")
    handle = {"engine": "slurm", "job": "1", "token": "t", "directory": str(tmp_path), "stdout": "o", "stderr": "e"}
    formatter = SlurmFormatter(poll_interval=0.01)
    formatter.cancel(handle, "SIGINT", 30)
    monkeypatch.setattr(watch, "PAUSE", 0.01)
    shim(tmp_path, monkeypatch, "scancel", f'echo "$@" >>{calls}')
    wait_until(lambda: formatter.poll({"it": handle}) and calls.exists(), 10, "the signal is sent")
    assert calls.read_text() == "--state=PENDING 1\n--full --signal=INT 1\n"


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim(tmp_path, monkeypatch, "sbatch", "echo 1")
    formatter = SlurmFormatter()
    formatter.working_dir = tmp_path / "gone"
    with pytest.raises(EngineError, match=r"working directory '.*gone' does not exist on this machine; create it"):
        formatter.start(formatter.prepare(claimed(tmp_path / "job", "true")))
    formatter.working_dir = tmp_path
    (tmp_path / "bin" / "sbatch").chmod(0o644)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(EngineError, match=r"sbatch cannot be run: Permission denied"):
        formatter.start(formatter.prepare(claimed(tmp_path / "job", "true")))


def test_without_squeue_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    handle = {"engine": "slurm", "job": "1", "token": "t", "directory": str(tmp_path), "stdout": "o", "stderr": "e"}
    execution = state_of(SlurmFormatter(), handle)
    assert execution.state is ExecutionState.UNKNOWN
    assert "'squeue' does not exist on this machine" in execution.message
