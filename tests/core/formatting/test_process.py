"""Local processes: what goes wrong with them at their start and at their end."""

import os
import select
import shutil
import sys
from pathlib import Path

import psutil
import pytest
from attrs import evolve

from tests.core.formatting.formatters import Least
from tests.core.formatting.processes import process_of, state
from tests.support import wait_until
from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import ExecutionState
from whatsnext_core.model import Cause
from whatsnext_core.testing.formatter import Jobs

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
    shutil.rmtree(context.directory)
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


SHOW_CPUS = "python -c 'import os; print(sorted(os.sched_getaffinity(0)))'"


def test_pinned_job_runs_on_its_cpus_and_no_other_job_is_pinned_by_it(jobs: Jobs) -> None:
    usable = sorted(os.sched_getaffinity(0))
    for cpus in ([usable[-1]], [usable[0]], usable):
        context = evolve(jobs.context(SHOW_CPUS), cpu_ids=tuple(cpus))
        handle = jobs.start(context)
        assert handle["cpus"] == cpus
        assert jobs.wait(handle).succeeded
        assert (context.directory / "stdout.log").read_text() == f"{cpus}\n"
    assert jobs.run(jobs.context(SHOW_CPUS)).stdout.decode() == f"{usable}\n"


def test_cpu_that_is_not_there_is_named(jobs: Jobs) -> None:
    execution = jobs.wait(jobs.start(evolve(jobs.context(SHOW_CPUS), cpu_ids=(65_000,))))
    assert (execution.cause, "its CPUs are [65000]" in execution.message) == (Cause.ENGINE, True)
    assert jobs.run(jobs.script("exit 0")).execution.succeeded


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
