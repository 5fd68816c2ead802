"""Scenarios F10 to F22: an invocation runs."""

from __future__ import annotations

import json

import pytest

from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import Engine, ExecutionState, artifacts_folder, result_file
from whatsnext_core.model import Allocation, Cause
from whatsnext_core.testing.formatter.base import FormatterFixtures
from whatsnext_core.testing.formatter.jobs import Jobs

ALL_BYTES = 'i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %o $i)"; i=$((i + 1)); done'
"""The script that writes each byte once."""


class RunningScenarios(FormatterFixtures):
    """Exit codes, output, surroundings, and many at once."""

    def test_formatter_is_an_engine(self, jobs: Jobs) -> None:
        """F10 (Engine): all methods are there."""
        assert isinstance(jobs.engine, Engine)

    def test_success(self, jobs: Jobs) -> None:
        """F11 (Execution): ended, succeeded, exit code 0, no cause."""
        execution = jobs.run(jobs.script("exit 0")).execution
        assert (execution.state, execution.succeeded) == (ExecutionState.ENDED, True)
        assert (execution.exit_code, execution.cause) == (0, None)

    @pytest.mark.parametrize("code", [1, 3, 255])
    def test_exit_code_of_a_failure(self, jobs: Jobs, code: int) -> None:
        """F12 (Execution): the exit code as it is, also in the message."""
        execution = jobs.run(jobs.script(f"exit {code}")).execution
        assert (execution.succeeded, execution.exit_code, execution.cause) == (False, code, Cause.EXIT)
        assert str(code) in execution.message

    def test_end_by_a_signal(self, jobs: Jobs) -> None:
        """F13 (Execution): negative, or more than 128 as a shell tells it."""
        execution = jobs.run(jobs.script("kill -USR1 $$; sleep 60")).execution
        assert (execution.succeeded, execution.cause) == (False, Cause.EXIT)
        assert execution.exit_code is not None
        assert execution.exit_code < 0 or execution.exit_code > 128

    def test_output_is_kept_apart_and_exact(self, jobs: Jobs) -> None:
        """F14 (LogFiles): every byte, on either stream."""
        done = jobs.run(jobs.script(f"{ALL_BYTES}; echo diagnosis >&2; printf 'no end of line'"))
        if self.keeps_streams_apart:
            assert done.stdout == bytes(range(256)) + b"no end of line"
            assert done.stderr == b"diagnosis\n"
        else:
            assert done.stdout == bytes(range(256)) + b"diagnosis\nno end of line"
            assert done.stderr == b""

    def test_much_output_is_complete(self, jobs: Jobs) -> None:
        """F15 (LogFiles): four megabytes."""
        done = jobs.run(jobs.script("i=0; while [ $i -lt 64 ]; do printf '%65536s' $i; i=$((i + 1)); done"))
        assert done.stdout == b"".join(b"%65536d" % number for number in range(64))

    def test_output_can_be_read_while_it_runs(self, jobs: Jobs) -> None:
        """F16 (LogFiles): before the end."""
        if not self.shows_output_early:
            pytest.skip("This formatter declares that output comes with the end.")
        handle = jobs.start_and_await(jobs.script('echo early; : >"$1/ready"; sleep 60'))
        jobs.until(lambda: jobs.read(handle) == b"early\n", "its output can be read")
        assert jobs.engine.poll({"it": handle})["it"].state is ExecutionState.RUNNING

    def test_program_that_does_not_exist(self, jobs: Jobs) -> None:
        """F17 (Engine.start): refused at once or ended without success, and named."""
        name = "no-such-program-anywhere"
        invocation = jobs.engine.prepare(jobs.context(f"{name} --help"))
        try:
            handle = jobs.engine.start(invocation)
        except EngineError as error:
            complaint = str(error)
        else:
            execution = jobs.wait(handle)
            assert not execution.succeeded
            assert execution.cause in (Cause.ENGINE, Cause.EXIT)
            complaint = execution.message + jobs.read(handle, "stderr").decode()
            jobs.engine.forget(handle)
        assert name in complaint

    def test_environment(self, jobs: Jobs) -> None:
        """F18 (Invocation.env): of the task and of every job, exactly."""
        if not self.sets_variables:
            pytest.skip("This formatter declares that jobs do not get variables.")
        allocation = Allocation(cpu=2, memory=2**30)
        environment = {"COLOUR": "dark  'blue' $HOME\nand more", "EMPTY": ""}
        names = ["COLOUR", "EMPTY", "WHATSNEXT_ATTEMPT", "WHATSNEXT_CPUS", "WHATSNEXT_SERVER"]
        context = jobs.script(
            'shift; for name; do eval \'printf "%s\\0" "$\'"$name"\'"\'; done',
            *names,
            environment=environment,
            allocation=allocation,
        )
        found = dict(zip(names, jobs.run(context).stdout.decode().split("\0"), strict=False))
        ours = {"WHATSNEXT_ATTEMPT": "2", "WHATSNEXT_CPUS": "2", "WHATSNEXT_SERVER": "http://localhost:8000"}
        assert found == {**environment, **ours}

    def test_scratch_directory_and_result(self, jobs: Jobs) -> None:
        """F19 (WHATSNEXT_SCRATCH, WHATSNEXT_ARTIFACTS): the client finds what the job writes there."""
        context = jobs.script(
            'cd "$1" && echo 1 >file && printf "[1]" >"${WHATSNEXT_RESULT:-result.json}" && '
            'echo 2 >"${WHATSNEXT_ARTIFACTS:-artifacts}/file"'
        )
        assert jobs.run(context).execution.succeeded
        assert (artifacts_folder(context) / "file").read_text() == "2\n"
        assert (context.directory / "file").read_text() == "1\n"
        assert json.loads(result_file(context).read_text()) == [1]

    def test_standard_input(self, jobs: Jobs) -> None:
        """F20 (Invocation.stdin): all of it; the end of the file at once if there is none."""
        assert jobs.run(jobs.script("cat")).stdout == b""
        if self.reads_stdin:
            given = bytes(range(256)) * 1000
            assert jobs.run(jobs.script("cat"), stdin=given).stdout == given

    def test_many_at_once(self, jobs: Jobs) -> None:
        """F21 (Engine.poll): one question for all, and each has its own end."""
        handles = {str(number): jobs.start(jobs.script("echo $2; exit $2", str(number))) for number in range(self.many)}

        def all_ended() -> bool:
            return all(each.state is ExecutionState.ENDED for each in jobs.engine.poll(handles).values())

        jobs.until(all_ended, "all have ended")
        executions = jobs.engine.poll(handles)
        assert {key: each.exit_code for key, each in executions.items()} == {str(n): n for n in range(self.many)}
        assert all(jobs.read(handle) == f"{key}\n".encode() for key, handle in handles.items())

    def test_end_is_told_again_until_it_is_forgotten(self, jobs: Jobs) -> None:
        """F22 (Engine.poll): as often as it is asked, under any key."""
        handle = jobs.start(jobs.script("exit 4"))
        first = jobs.wait(handle)
        assert jobs.engine.poll({"a": handle, "b": handle}) == {"a": first, "b": first}
        assert jobs.engine.poll({}) == {}
