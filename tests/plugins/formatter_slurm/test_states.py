"""What Slurm's states and the script's record mean."""

from pathlib import Path

import pytest

from tests.plugins.formatter_slurm.conftest import shim
from whatsnext_core.formatting import ExecutionState
from whatsnext_core.model import Cause
from whatsnext_formatter_slurm import commands
from whatsnext_formatter_slurm.states import Record, Seen, ended, judge, read_record
from whatsnext_formatter_slurm.watch import Watch

NOWHERE = Path("/nowhere")


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ("TIMEOUT", Cause.WALLTIME),
        ("DEADLINE", Cause.WALLTIME),
        ("OUT_OF_MEMORY", Cause.OOM),
        ("NODE_FAIL", Cause.LOST),
        ("BOOT_FAIL", Cause.LOST),
        ("REVOKED", Cause.LOST),
        ("PREEMPTED", Cause.PREEMPTED),
        ("CANCELLED", Cause.CANCELLED),
        ("LAUNCH_FAILED", Cause.ENGINE),
        ("FAILED", Cause.EXIT),
    ],
)
@pytest.mark.parametrize("record", [None, Record(code=143)])
def test_each_way_to_fail_has_its_cause(state: str, cause: Cause, record: Record | None) -> None:
    execution = judge(Seen(state=state, code=15), record, NOWHERE)
    assert (execution.state, execution.succeeded, execution.cause) == (ExecutionState.ENDED, False, cause)
    assert execution.exit_code == (143 if record else 15)
    assert execution.message


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("PENDING", ExecutionState.WAITING),
        ("REQUEUE_HOLD", ExecutionState.WAITING),
        ("RUNNING", ExecutionState.RUNNING),
        ("COMPLETING", ExecutionState.RUNNING),
        ("SUSPENDED", ExecutionState.RUNNING),
        ("COMPLETED", ExecutionState.ENDED),
        ("NEW_IN_SLURM_99", ExecutionState.UNKNOWN),
    ],
)
def test_each_state_has_its_meaning(state: str, expected: ExecutionState) -> None:
    execution = judge(Seen(state=state, reason="Priority"), Record(code=0, cpu_seconds=1.5), NOWHERE)
    assert execution.state is expected
    assert execution.succeeded is (state == "COMPLETED")


def test_a_job_in_the_queue_says_why_it_waits_and_when_slurm_expects_to_start_it() -> None:
    waiting = {
        Seen(state="PENDING", reason="Resources", start="2026-01-31 12:00"): (
            "waits in Slurm: Resources, expected start 2026-01-31 12:00"
        ),
        Seen(state="PENDING", reason="Priority"): "waits in Slurm: Priority",
        Seen(state="PENDING", start="2026-01-31 12:00"): "waits in Slurm: expected start 2026-01-31 12:00",
        Seen(state="PENDING"): "",
    }
    assert {seen: judge(seen, None, NOWHERE).message for seen in waiting} == waiting


def test_what_squeue_prints_is_taken_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "1|PENDING|Resources|0|2026-01-31T12:00:05|whatsnext-1|", "2|PENDING|None|0|N/A|a|b|"
    shim(tmp_path, monkeypatch, "squeue", "\n".join(f"echo '{line}'" for line in lines))
    seen, comments = commands.queue()
    assert seen["1"] == Seen(state="PENDING", code=0, reason="Resources", start="2026-01-31 12:00")
    assert seen["2"] == Seen(state="PENDING", code=0)
    assert comments == {"1": "whatsnext-1", "2": "a|b"}


def test_a_failure_without_an_exit_code_says_what_slurm_says() -> None:
    assert judge(Seen(state="FAILED", reason="BadConstraints"), None, NOWHERE).message == "Slurm says BadConstraints."
    assert ended(None, None, NOWHERE).message == "It failed without an exit code."
    assert ended(-11, None, NOWHERE).message == "Ended by signal 11."


@pytest.mark.parametrize("code", [None, -9, 137])
def test_lack_of_memory_is_seen_in_slurms_own_lines(tmp_path: Path, code: int | None) -> None:
    stderr = tmp_path / "stderr"
    stderr.write_text("a\x1b[31m line\nslurmstepd: error: Detected 1 oom_kill event in StepId=5.batch.\n")
    assert ended(code, None, stderr).cause is Cause.OOM
    stderr.write_text("my program has a memory limit\n")
    assert ended(code, None, stderr).cause is Cause.EXIT


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("3\n0m0.1s 0m0.1s\n1m2.5s 0m0.25s\n", Record(code=3, cpu_seconds=62.75)),
        ("0\n", Record(code=0)),
        ("0\nx\ny\n", Record(code=0)),
        ("", None),
        ("x", None),
    ],
)
def test_the_record_of_a_script_is_read_as_far_as_it_is_there(tmp_path: Path, text: str, record: Record | None) -> None:
    (tmp_path / "exit").write_text(text)
    assert read_record(tmp_path / "exit") == record
    assert read_record(tmp_path / "none") is None


def answering(*rows: str) -> str:
    """A script for sacct that prints rows, with the border between fields that it is given."""
    lines = "\n".join(rows).replace("|", "${border}")
    return f'for option; do case $option in --delimiter=*) border=${{option#*=}};; esac; done\necho "{lines}"'


def test_the_accounting_is_asked_for_what_the_controller_forgot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = "/usr/bin/sbatch --parsable --comment=whatsnext-7 --job-name=two\nlines"
    rows = (f"7|COMPLETED|0:0|{order}", f"8|CANCELLED by 0|0:15|{order}", f"9|TIMEOUT|0:0|{order}")
    shim(tmp_path, monkeypatch, "sacct", answering(*rows, f"10|FAILED|3:0|{order}"))
    assert Watch(1).forgotten(dict.fromkeys(["7", "8", "9", "10"], "whatsnext-7")) == {
        "7": Seen(state="COMPLETED", code=0),
        "8": Seen(state="CANCELLED", code=-15),
        "9": Seen(state="TIMEOUT", code=0),
        "10": Seen(state="FAILED", code=3),
    }


@pytest.mark.parametrize(
    "row",
    [
        "7|RUNNING|0:0|sbatch --comment=whatsnext-7",
        "7|CANCELLED|0:0|sbatch --comment=whatsnext-7",
        "7|COMPLETED|0:0|sbatch --comment=whatsnext-77",
        "7|COMPLETED|0:0|",
    ],
)
def test_what_the_accounting_cannot_know_for_sure_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    shim(tmp_path, monkeypatch, "sacct", answering(row))
    assert Watch(1).forgotten({"7": "whatsnext-7"}) == {}


@pytest.mark.parametrize("script", ["echo 'Slurm accounting storage is disabled' >&2; exit 1", None])
def test_where_there_is_no_accounting_it_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    calls = tmp_path / "calls"
    calls.touch()
    if script:
        shim(tmp_path, monkeypatch, "sacct", f"echo x >>{calls}; {script}")
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    watch = Watch(1)
    assert watch.forgotten({"1": "t"}) == {}
    assert watch.forgotten({"1": "t"}) == {}
    assert len(calls.read_text().split()) <= 1


def test_an_accounting_that_does_not_answer_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim(tmp_path, monkeypatch, "sacct", "echo 'sacct: error: slurmdbd: Connection refused' >&2; exit 1")
    watch = Watch(1)
    assert watch.forgotten({"7": "t"}) == {}
    shim(tmp_path, monkeypatch, "sacct", answering("7|COMPLETED|0:0|sbatch --comment=t"))
    assert watch.forgotten({"7": "t"}).keys() == {"7"}


def test_a_command_that_hangs_counts_as_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "TIMEOUT", 0.2)
    shim(tmp_path, monkeypatch, "squeue", "exec sleep 60")
    with pytest.raises(commands.AwayError, match=r"squeue did not answer within 0\.2 seconds"):
        commands.queue()


def test_a_worker_inside_an_allocation_hides_it_from_its_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_CONF", "/etc/some.conf")
    shim(tmp_path, monkeypatch, "sbatch", 'echo "${SLURM_JOB_ID-none}$SLURM_CONF;cluster"')
    assert commands.submit(["sbatch"], b"", None) == "none/etc/some.conf"
