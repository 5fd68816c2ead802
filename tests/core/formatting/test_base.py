"""What a subclass of the base class gets without asking."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.core.formatting.formatters import Least
from whatsnext_core.errors import EngineError, TemplateError
from whatsnext_core.formatting import Announcer, Engine, Execution, ExecutionState, Formatter, Handle
from whatsnext_core.testing.formatter import Jobs


class Returning(Least):
    """Gives whatever it was made with as its command."""

    def __init__(self, command: Any) -> None:
        self.command_given = command

    def format(self, *_: object) -> list[str]:
        if isinstance(self.command_given, Exception):
            raise self.command_given
        found: list[str] = self.command_given
        return found


def test_format_is_all_that_must_be_written(tmp_path: Path) -> None:
    formatter = Least()
    assert isinstance(formatter, Engine)
    assert isinstance(formatter, Announcer)
    jobs = Jobs(formatter, tmp_path, patience=60)
    context = jobs.context(None, {"code": "exit 7"}, options={"x": {}})
    invocation = formatter.prepare(context)
    assert invocation.argv == ("scenario", "exit 7")
    assert invocation.cwd is None


def test_class_without_format_cannot_be_used() -> None:
    with pytest.raises(TypeError, match="format"):
        Formatter()  # type: ignore[abstract]  # what is shown


@pytest.mark.parametrize("template", ["", "  \n"])
def test_blank_template_is_none(jobs: Jobs, template: str) -> None:
    assert jobs.engine.prepare(jobs.context(template, {"a": 1})).argv == ("scenario", "1")


@pytest.mark.parametrize("command", [[], "text", None, ["a", 1], {"a": 1}])
def test_format_that_gives_no_command_is_named(jobs: Jobs, command: Any) -> None:
    with pytest.raises(TemplateError, match=r"Returning\.format returned .* for task 'scenario'; a command is a list"):
        Returning(command).prepare(jobs.context(None))


def test_format_that_fails_is_named(jobs: Jobs) -> None:
    with pytest.raises(TemplateError, match=r"Returning\.format failed for task 'scenario': KeyError: 'lr'"):
        Returning(KeyError("lr")).prepare(jobs.context(None))


def test_complaint_of_format_stays_as_it_is(jobs: Jobs) -> None:
    with pytest.raises(TemplateError, match=r"^my own words$"):
        Returning(TemplateError("my own words")).prepare(jobs.context(None))


def test_command_may_be_a_tuple(jobs: Jobs) -> None:
    assert Returning(("a", "b")).prepare(jobs.context(None)).argv == ("a", "b")


def test_commands_run_in_the_working_dir(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    jobs.engine.working_dir = str(tmp_path / "here")  # type: ignore[attr-defined]  # Least has it
    assert jobs.run(jobs.script("pwd")).stdout.decode().strip() == str((tmp_path / "here").resolve())


def test_task_may_set_variables_but_not_ours(jobs: Jobs) -> None:
    context = jobs.script('echo "$COLOUR $WHATSNEXT_ATTEMPT"', environment={"COLOUR": "blue", "WHATSNEXT_ATTEMPT": "9"})
    assert jobs.run(context).stdout == b"blue 2\n"


def test_execute_can_be_called_by_hand() -> None:
    assert Least().execute([sys.executable, "-c", "raise SystemExit(3)"]).returncode == 3


def test_formatter_with_a_poll_of_its_own_announces_nothing() -> None:
    class Polling(Least):
        def poll(self, handles: Mapping[str, Handle]) -> Mapping[str, Execution]:
            return dict.fromkeys(handles, Execution(state=ExecutionState.UNKNOWN))

    assert Polling().fileno() is None


def test_execute_of_one_object_counts_too(tmp_path: Path) -> None:
    formatter = Least()
    formatter.execute = lambda command: subprocess.CompletedProcess(command, 0, "replaced", None)  # type: ignore[method-assign]
    jobs = Jobs(formatter, tmp_path, patience=60)
    assert jobs.run(jobs.script("exit 1")).stdout == b"replaced"
    formatter.close()


def test_jobs_do_not_start_where_processes_cannot_be_spawned(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.posix_spawn")
    with pytest.raises(EngineError, match="Linux and macOS"):
        jobs.start(jobs.script("exit 0"))


def test_package_can_be_imported_where_there_are_no_signals() -> None:
    code = """
import os, select, signal, socket, subprocess, psutil, attrs, cattrs, pluggy
for module, names in ((signal, "SIGKILL SIGCHLD SIGHUP SIGQUIT SIGUSR1 pthread_sigmask pidfd_send_signal"),
                      (os, "posix_spawn killpg getpgid getsid setsid wait4 WNOHANG POSIX_SPAWN_OPEN pidfd_open"),
                      (socket, "MSG_DONTWAIT")):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
import whatsnext_core.formatting
"""
    subprocess.run([sys.executable, "-c", code], check=True)
