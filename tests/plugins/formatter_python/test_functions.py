"""What a function's job is: its parameters, its result, its output, and how it ends."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.formatter_python.conftest import call
from whatsnext_core.errors import ConfigurationError, EngineError, TemplateError
from whatsnext_core.formatting import result_file
from whatsnext_core.model import Allocation, Cause, Share
from whatsnext_core.plugins import load_plugins
from whatsnext_core.testing.formatter import Jobs
from whatsnext_formatter_python import PythonFormatter, PythonOptions


def value(jobs: Jobs, function: str, parameters: dict[str, Any] | None = None, **more: Any) -> Any:
    """What the function of a job that succeeded returned."""
    context = call(jobs, function, parameters, **more)
    done = jobs.run(context)
    assert done.execution.succeeded, (done.execution, done.stderr)
    return json.loads(result_file(context).read_text())


def test_parameters_are_keyword_arguments_and_the_value_is_the_result(jobs: Jobs) -> None:
    assert value(jobs, "add", {"a": 2, "b": 5}) == {"sum": 7}
    assert value(jobs, "Group.inner") == "found"


def test_name_of_the_task_names_the_function(module: Path, tmp_path: Path) -> None:
    formatter = PythonFormatter(working_dir=str(module.parent))
    command = formatter.format("work:add", {"a": 1})
    assert command == [sys.executable, command[1], "call", "work:add", '{"a": 1}']
    jobs = Jobs(PythonFormatter(working_dir=str(module.parent), function="work:speak"), tmp_path, patience=60)
    assert jobs.run(jobs.context(None, {"words": "by the settings"})).stdout == b"by the settings\n"
    jobs.engine.close()


def test_command_that_is_shown_does_the_same(jobs: Jobs) -> None:
    *command, parameters = jobs.engine.prepare(call(jobs, "add", {"a": 1})).argv
    context = jobs.context(" ".join([*command, "{parameters}"]), {"parameters": parameters})
    assert jobs.run(context).execution.succeeded
    assert json.loads(result_file(context).read_text()) == {"sum": 2}


def test_output_goes_to_the_files_of_the_job(jobs: Jobs) -> None:
    done = jobs.run(call(jobs, "speak", {"words": "grüße\n'$(x)' --"}))
    assert done.stdout.decode() == "grüße\n'$(x)' --\n"
    assert done.stderr.decode() == "GRÜSSE\n'$(X)' --\n"


def test_exception_fails_the_job_and_is_shown(jobs: Jobs) -> None:
    done = jobs.run(call(jobs, "fail", {"message": "loss is NaN"}))
    assert (done.execution.succeeded, done.execution.exit_code, done.execution.cause) == (False, 1, Cause.EXIT)
    assert done.execution.message == "Exit code 1: ValueError: loss is NaN"
    assert b"Traceback" in done.stderr


@pytest.mark.parametrize(("given", "code"), [(0, 0), (3, 3), (None, 0), ("in words", 1)])
def test_exit_means_what_it_means_in_a_program(jobs: Jobs, given: object, code: int) -> None:
    done = jobs.run(call(jobs, "leave", {"code": given}))
    assert (done.execution.exit_code, done.execution.succeeded) == (code, code == 0)
    assert (b"in words" in done.stderr) == (given == "in words")


@pytest.mark.parametrize(
    ("function", "complaint"),
    [("nothing", "has no attribute 'nothing'"), ("os", "TypeError: work:os is module and cannot be called")],
)
def test_function_that_is_none_is_named(jobs: Jobs, function: str, complaint: str) -> None:
    assert complaint in jobs.run(call(jobs, function)).execution.message


def test_module_that_is_not_there_is_named(jobs: Jobs) -> None:
    context = jobs.context(None, {}, options={"python": {"function": "no_such_module:main"}})
    assert "No module named 'no_such_module'" in jobs.run(context).execution.message


@pytest.mark.parametrize(
    ("kind", "complaint"), [("set", "set, which is no JSON value"), ("nan", "no JSON value"), ("long", "at most 65536")]
)
def test_value_that_is_no_result_fails_the_job(jobs: Jobs, kind: str, complaint: str) -> None:
    assert complaint in jobs.run(call(jobs, "give_back", {"kind": kind})).execution.message


def test_no_value_is_no_result(jobs: Jobs) -> None:
    context = call(jobs, "give_back", {"kind": "nothing"})
    assert jobs.run(context).execution.succeeded
    assert not result_file(context).exists()


def test_crash_ends_its_own_job_only(jobs: Jobs) -> None:
    other = call(jobs, "wait", {"folder": "."})
    other_handle = jobs.start(call(jobs, "wait", {"folder": str(other.directory)}))
    jobs.until((other.directory / "ready").exists, "the other job runs")
    assert jobs.run(call(jobs, "crash", {"number": 11})).execution.exit_code == -11
    assert jobs.run(call(jobs, "vanish", {"code": 7})).execution.exit_code == 7
    assert value(jobs, "add", {"a": 1}) == {"sum": 2}
    (other.directory / "go").touch()
    assert jobs.wait(other_handle).succeeded


def test_use_of_cpu_and_memory_is_that_of_the_job(jobs: Jobs) -> None:
    first = jobs.run(call(jobs, "grow")).execution
    second = jobs.run(call(jobs, "add", {"a": 1})).execution
    assert first.peak_memory is not None
    assert first.peak_memory > 64 * 2**20
    assert second.cpu_seconds is not None
    assert first.cpu_seconds is not None
    assert second.cpu_seconds < first.cpu_seconds + 1


def test_devices_are_those_of_the_job(jobs: Jobs) -> None:
    first = Allocation(cpu=1, devices=(Share(device="0", millis=1000),))
    second = Allocation(cpu=1, devices=(Share(device="3", millis=1000),))
    found = [value(jobs, "look", allocation=allocation) for allocation in (first, second, first)]
    assert [each[-1] for each in found] == ["0", "3", "0"]
    assert found[0][0] == found[2][0] != found[1][0]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"function": "train"}, "'train', which names no Python function; write it as 'package.module:function'"),
        ({"functoin": "a:b"}, "functoin"),
        ({"max_jobs": 3}, "max_jobs"),
        ("a:b", "and no object"),
    ],
)
def test_wrong_options_of_a_task_are_named(jobs: Jobs, options: Any, complaint: str) -> None:
    with pytest.raises(TemplateError) as raised:
        jobs.engine.prepare(jobs.context(None, options={"python": options}))
    assert complaint in str(raised.value)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ConfigurationError, match="max_idle of the formatter 'python' is -1"):
        PythonOptions(max_idle=-1)


def test_interpreter_that_does_not_exist_is_named(jobs: Jobs) -> None:
    options = {"python": {"function": "work:add", "python": "/nowhere/python"}}
    with pytest.raises(EngineError, match="/nowhere/python"):
        jobs.start(jobs.context(None, {"a": 1}, options=options))


def test_interpreter_that_is_none_fails_the_job(jobs: Jobs) -> None:
    options = {"python": {"function": "work:add", "python": "false"}}
    execution = jobs.run(jobs.context(None, {"a": 1}, options=options)).execution
    assert (execution.succeeded, execution.cause) == (False, Cause.ENGINE)
    assert "ended before it took the job" in execution.message


def test_formatter_is_found_by_its_entry_point_with_its_settings() -> None:
    descriptor = load_plugins().select_formatter("python").descriptor
    assert descriptor.config is PythonOptions
    formatter = descriptor.factory(PythonOptions(max_jobs=5, working_dir="/srv"))
    assert isinstance(formatter, PythonFormatter)
    assert (formatter.options.max_jobs, formatter.working_dir) == (5, "/srv")
