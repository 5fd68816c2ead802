"""Local processes: what goes wrong with them, and what must never happen to others."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.core.formatting.formatters import Least
from tests.support import wait_until
from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import Execution, ExecutionState, Handle, keeper
from whatsnext_core.formatting.process import Processes
from whatsnext_core.model import Cause
from whatsnext_core.testing.formatter import Jobs

SLEEP = ': >"$1/ready"; exec sleep 60'
"""The script of one process that does nothing for long."""


def recorded(handle: Handle) -> dict[str, object]:
    """What the keeper wrote of the start of a process."""

    def line() -> dict[str, object]:
        path = Path(handle["process"])
        lines = path.read_text().splitlines() if path.exists() else []
        found: dict[str, object] = json.loads(lines[0]) if lines else {}
        return found

    return wait_until(line, why="the start is recorded")


def process_of(handle: Handle) -> psutil.Process:
    """The first process of an execution."""
    pid = recorded(handle)["pid"]
    assert isinstance(pid, int)
    return psutil.Process(pid)


def keeper_of(handle: Handle) -> psutil.Process:
    """The keeper of an execution that runs."""
    found = process_of(handle).parent()
    assert found is not None
    assert "keeper.py" in " ".join(found.cmdline())
    return found


def state(jobs: Jobs, handle: Handle) -> Execution:
    return jobs.engine.poll({"it": handle})["it"]


@pytest.fixture
def later(tmp_path: Path) -> Iterator[Jobs]:
    """Jobs of a client that was started later."""
    formatter = Least()
    (tmp_path / "later").mkdir()
    yield Jobs(formatter, tmp_path / "later", patience=60)
    formatter.close()


# -- starting ----------------------------------------------------------------------------------------------------------


def test_program_that_is_missing_is_named_with_the_path(jobs: Jobs) -> None:
    with pytest.raises(EngineError, match=r"'no-such-program' was not found on this client's PATH \(.*bin"):
        jobs.start(jobs.context("no-such-program"))


def test_path_of_the_task_counts(jobs: Jobs, tmp_path: Path) -> None:
    program = tmp_path / "hello"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    done = jobs.run(jobs.context("hello", environment={"PATH": f"{tmp_path}:/usr/bin:/bin"}))
    assert done.stdout == b"hello\n"


@pytest.mark.parametrize(
    ("mode", "text", "complaint"),
    [
        (0o644, "#!/bin/sh\n", "may not be executed"),
        (0o755, "#!/nowhere/interpreter\n", "does not exist, or the interpreter that its first line names"),
        (0o755, "no first line", "a script begins with a line"),
    ],
)
def test_program_that_cannot_be_started_says_why(
    jobs: Jobs, tmp_path: Path, mode: int, text: str, complaint: str
) -> None:
    program = tmp_path / "program"
    program.write_text(text)
    program.chmod(mode)
    assert complaint in refused(jobs, str(program))


def test_program_that_does_not_exist_or_is_a_folder(jobs: Jobs, tmp_path: Path) -> None:
    assert "does not exist on this client, seen from" in refused(jobs, "./nothing")
    assert refused(jobs, f"{tmp_path}/nothing").endswith("does not exist on this client.")
    assert "is a folder" in refused(jobs, str(tmp_path))


def test_python_that_is_on_no_path_is_the_clients_own(jobs: Jobs) -> None:
    context = jobs.context("python -c 'import sys; print(sys.executable)'", environment={"PATH": "/nowhere"})
    assert jobs.run(context).stdout.decode().strip() == sys.executable


def test_command_that_is_too_long_says_where_else_the_values_are(jobs: Jobs) -> None:
    complaint = refused(jobs, "echo " + "x" * 3_000_000)
    assert "too long" in complaint
    assert "WHATSNEXT_PARAMETERS" in complaint


def test_zero_byte_that_reached_a_command_is_refused(jobs: Jobs) -> None:
    execution = jobs.run(jobs.script("exit 0"), argv=("sh", "-c", "exit\0 0")).execution
    assert (execution.cause, "null byte" in execution.message) == (Cause.ENGINE, True)


@pytest.mark.parametrize(("name", "complaint"), [("nowhere", "does not exist"), ("file", "is no folder")])
def test_working_directory_that_is_none(jobs: Jobs, tmp_path: Path, name: str, complaint: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=f"{name}' {complaint} on this client"):
        jobs.start(jobs.script("exit 0"), cwd=tmp_path / name)


def test_file_that_cannot_be_written(jobs: Jobs, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"x/y' of attempt 1-2 cannot be written"):
        jobs.start(jobs.script("exit 0"), files={tmp_path / "x" / "y": b"z"})


def test_scratch_directory_that_vanished_before_the_start(jobs: Jobs) -> None:
    context = jobs.script("exit 0")
    context.directory.rmdir()
    invocation = jobs.engine.prepare(context)
    with pytest.raises(EngineError, match=r"parameters\.json"):
        jobs.engine.start(invocation)


def test_client_without_an_interpreter_says_so(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EngineError, match=r"could not be started with '/nowhere/python'"):
        jobs.start(jobs.script("exit 0"))


def test_variables_are_those_of_the_client_at_the_start_of_the_job(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    for word in ("first", "second"):
        monkeypatch.setenv("A_WORD", word)
        assert jobs.run(jobs.script('echo "$A_WORD"')).stdout.decode() == f"{word}\n"
    monkeypatch.delenv("A_WORD")
    assert jobs.run(jobs.script('echo "${A_WORD-none}"')).stdout == b"none\n"


def test_job_inherits_no_descriptor_no_mask_and_no_deafness(jobs: Jobs) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    code = "from signal import *; import os; print(os.listdir('/dev/fd'), getsignal(SIGTERM), pthread_sigmask(0, []))"
    found = jobs.run(jobs.context(f"{sys.executable} -c {{code}}", {"code": code})).stdout.decode()
    os.close(reader)
    os.close(writer)
    assert found == "['0', '1', '2', '3'] 0 set()\n"


def refused(jobs: Jobs, command: str) -> str:
    """What is said of a command that cannot be started."""
    context = jobs.context("program")
    try:
        handle = jobs.start(context, argv=tuple(command.split(" ")))
    except EngineError as error:
        return str(error)
    execution = jobs.wait(handle)
    assert (execution.succeeded, execution.exit_code, execution.cause) == (False, None, Cause.ENGINE)
    return execution.message


# -- ends --------------------------------------------------------------------------------------------------------------


def test_message_is_the_last_line_of_the_standard_error(jobs: Jobs) -> None:
    execution = jobs.run(
        jobs.script("printf 'Traceback\\n  \\033[1mValueError: no data\\033[0m\\n\\n' >&2; exit 3")
    ).execution
    assert execution.message == "Exit code 3: [1mValueError: no data[0m"


def test_signal_of_a_failure_is_named(jobs: Jobs) -> None:
    assert jobs.run(jobs.script("kill -9 $$")).execution.message == "Ended by signal 9 (SIGKILL)"
    assert jobs.run(jobs.script("exit 139")).execution.message == "Exit code 139 (128 + 11, SIGSEGV)"
    assert jobs.run(jobs.script("exit 255")).execution.message == "Exit code 255"


def test_use_of_memory_and_cpu_is_reported(jobs: Jobs) -> None:
    code = "block = bytearray(200_000_000); sum(range(2_000_000))"
    execution = jobs.run(jobs.context(f"{sys.executable} -c {{code}}", {"code": code})).execution
    assert execution.peak_memory is not None
    assert execution.cpu_seconds is not None
    assert 200_000_000 < execution.peak_memory < 400_000_000
    assert 0.01 < execution.cpu_seconds < 60


def test_descriptor_is_readable_until_everyone_was_asked_for(jobs: Jobs) -> None:
    first, second = jobs.start(jobs.script("exit 1")), jobs.start(jobs.script("exit 2"))
    assert jobs.wait(first).exit_code == 1

    def readable(timeout: float) -> bool:
        assert isinstance(jobs.engine, Least)
        return bool(select.select([jobs.engine.fileno() or -1], [], [], timeout)[0])

    assert readable(60)
    assert readable(60)
    assert jobs.wait(second).exit_code == 2
    assert not readable(0)
    third = jobs.start(jobs.script("exit 3"))
    fourth = jobs.start(jobs.script("exit 4"))
    assert jobs.wait(third).exit_code == 3
    assert readable(60)
    jobs.wait(fourth)


def test_what_a_killed_process_started_is_ended_too(jobs: Jobs) -> None:
    context = jobs.script('sleep 60 & echo $! >"$1/child"; : >"$1/ready"; wait')
    handle = jobs.start_and_await(context)
    child = psutil.Process(int((context.directory / "child").read_text()))
    process_of(handle).kill()
    assert jobs.wait(handle).exit_code == -9
    wait_until(lambda: not child.is_running(), why="the child has ended")


def test_what_a_process_leaves_behind_when_it_ends_by_itself_goes_on(jobs: Jobs) -> None:
    context = jobs.script('sleep 60 & echo $! >"$1/child"')
    assert jobs.run(context).execution.succeeded
    child = psutil.Process(int((context.directory / "child").read_text()))
    assert child.is_running()
    child.kill()


def test_cancel_at_once_after_the_start_reaches_the_process(jobs: Jobs) -> None:
    handle = jobs.start(jobs.script("sleep 60"))
    jobs.engine.cancel(handle, "SIGTERM", 60)
    assert jobs.wait(handle).exit_code == -15


def test_signal_that_does_not_exist_is_refused(jobs: Jobs) -> None:
    handle = jobs.start(jobs.script("sleep 60"))
    with pytest.raises(EngineError, match="no signal 'SIGNONE'"):
        jobs.engine.cancel(handle, "SIGNONE", 1)
    assert state(jobs, handle).state is ExecutionState.RUNNING


# -- keepers and clients that die --------------------------------------------------------------------------------------


def test_keeper_ends_with_its_client(jobs: Jobs) -> None:
    handle = jobs.start_and_await(jobs.script(SLEEP))
    parent = keeper_of(handle)
    jobs.engine.kill(handle)
    jobs.wait(handle)
    jobs.engine.close()
    assert not parent.is_running()


def test_keeper_stays_as_long_as_jobs_run(jobs: Jobs, later: Jobs) -> None:
    handle = jobs.start_and_await(jobs.script(SLEEP))
    parent = keeper_of(handle)
    jobs.engine.close()
    assert later.engine.adopt(handle)
    later.engine.kill(handle)
    assert later.wait(handle).exit_code == -9
    wait_until(lambda: not parent.is_running() or parent.status() == psutil.STATUS_ZOMBIE, why="the keeper has ended")


def test_service_manager_that_signals_everything_loses_no_end(jobs: Jobs) -> None:
    handle = jobs.start_and_await(jobs.script("trap 'exit 5' TERM; : >$1/ready; while :; do sleep 0.05; done"))
    for process in (keeper_of(handle), process_of(handle)):
        process.terminate()
    assert jobs.wait(handle).exit_code == 5


def test_keeper_that_was_killed_is_replaced_and_its_jobs_are_followed(jobs: Jobs) -> None:
    context = jobs.script(': >"$1/ready"; while [ ! -e "$1/go" ]; do sleep 0.02; done')
    handle = jobs.start_and_await(context)
    parent = keeper_of(handle)
    parent.kill()
    wait_until(lambda: parent.status() == psutil.STATUS_ZOMBIE, why="the keeper has ended")
    assert jobs.run(jobs.script("exit 3")).execution.exit_code == 3
    assert state(jobs, handle).state is ExecutionState.RUNNING
    (context.directory / "go").touch()
    execution = jobs.wait(handle)
    assert (execution.succeeded, execution.cause, execution.exit_code) == (False, Cause.LOST, None)
    assert "nobody saw how it ended" in execution.message


def test_keeper_that_was_killed_wakes_the_client(jobs: Jobs) -> None:
    handle = jobs.start_and_await(jobs.script(SLEEP))
    keeper_of(handle).kill()
    assert isinstance(jobs.engine, Least)
    assert select.select([jobs.engine.fileno() or -1], [], [], 60)[0]
    jobs.engine.cancel(handle, "SIGTERM", 60)
    assert jobs.wait(handle).cause is Cause.LOST


def test_client_that_ends_without_closing_leaves_no_keeper_and_no_warning(tmp_path: Path) -> None:
    code = """
import sys; from pathlib import Path
from tests.core.formatting.formatters import Least
from whatsnext_core.testing.formatter import Jobs
jobs = Jobs(Least(), Path(sys.argv[1]), 60)
context = jobs.script("echo $PPID")
print(jobs.run(context).stdout.decode())
"""
    argv = [sys.executable, "-W", "error", "-c", code, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    wait_until(lambda: not psutil.pid_exists(int(done.stdout)), why="the keeper has ended")


def test_many_ends_wait_for_a_client_that_is_busy(jobs: Jobs) -> None:
    handles = {str(number): jobs.start(jobs.script("exit 0")) for number in range(200)}
    last = handles["199"]
    wait_until(lambda: Path(last["process"]).exists() and len(Path(last["process"]).read_text().splitlines()) == 2)
    assert all(each.succeeded for each in (jobs.wait(handle) for handle in handles.values()))


# -- recovery ----------------------------------------------------------------------------------------------------------


def test_number_that_belongs_to_another_process_now_is_left_alone(jobs: Jobs, later: Jobs) -> None:
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    handle = jobs.start(jobs.script("exit 0"))
    record = recorded(handle)
    jobs.wait(handle)
    Path(handle["process"]).write_text(json.dumps({**record, "pid": stranger.pid}) + "\n")
    try:
        assert not later.engine.adopt(handle)
        later.engine.cancel(handle, "SIGTERM", 0)
        later.engine.kill(handle)
        assert later.wait(handle).cause is Cause.LOST
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_job_that_deleted_its_scratch_directory_does_not_run_on_unseen(jobs: Jobs, later: Jobs) -> None:
    context = jobs.script('cd "$1/.." && rm -r "$1" && echo $$ >pid.new && mv pid.new pid && exec sleep 60')
    handle = jobs.start(context)
    pid = context.directory.parent / "pid"
    wait_until(pid.exists)
    process = psutil.Process(int(pid.read_text()))
    assert later.engine.adopt(handle)
    assert later.wait(handle).cause is Cause.LOST
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert jobs.wait(handle).exit_code == -9


def test_client_that_vanished_with_news_unread_leaves_no_keeper(tmp_path: Path) -> None:
    code = """
import os, sys, time; from pathlib import Path
from tests.core.formatting.formatters import Least
from whatsnext_core.testing.formatter import Jobs
jobs = Jobs(Least(), Path(sys.argv[1]), 60)
process = Path(jobs.start(jobs.script("echo $PPID"))["process"])
while not process.exists() or process.read_text().count("code") == 0:
    time.sleep(0.01)
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    parent = int((tmp_path / "attempt-1" / "stdout.log").read_text())
    wait_until(lambda: not psutil.pid_exists(parent), why="the keeper has ended")


def test_start_of_a_process_is_told_apart_also_where_the_boot_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(keeper, "BOOT_ID", tmp_path / "none")
    keeper.boot_id.cache_clear()
    assert keeper.birth_of(os.getpid(), time.time())
    keeper.boot_id.cache_clear()
    assert keeper.birth_of(2**22 + 1, time.time()) == ""


def test_record_that_is_damaged_is_no_record(jobs: Jobs, later: Jobs) -> None:
    handle = jobs.start(jobs.script("exit 0"))
    jobs.wait(handle)
    Path(handle["process"]).write_text('{"id": "someone else", "pid": 1, "birth": "x"}\n{"id"')
    assert not later.engine.adopt(handle)


def test_handle_that_is_no_handle_is_not_adopted() -> None:
    assert not Processes().adopt({"mark": 1, "process": None})


def test_end_of_a_forgotten_job_interests_nobody(jobs: Jobs) -> None:
    handle = jobs.start_and_await(jobs.script(SLEEP))
    process = process_of(handle)
    jobs.engine.forget(handle)
    process.kill()
    assert jobs.run(jobs.script("exit 3")).execution.exit_code == 3
    wait_until(lambda: len(Path(handle["process"]).read_text().splitlines()) == 2, why="its end is recorded")
    jobs.engine.poll({})
    jobs.engine.forget(handle)


def test_forgotten_job_that_runs_on_does_not_hold_up_the_close(jobs: Jobs) -> None:
    handle = jobs.start_and_await(jobs.script(SLEEP))
    process = process_of(handle)
    jobs.engine.forget(handle)
    begin = time.monotonic()
    jobs.engine.close()
    assert time.monotonic() - begin < 30
    os.kill(process.pid, signal.SIGKILL)
