"""Formatters that run commands by an `execute` of their own."""

import select
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.formatting.formatters import Executing, Least
from tests.support import wait_until
from whatsnext_core.formatting import ExecutionState, Formatter
from whatsnext_core.model import Cause
from whatsnext_core.testing import FormatterConformance
from whatsnext_core.testing.formatter import Jobs


class Merging(Executing):
    """Gives both streams as one."""

    def execute(self, command: list[str]) -> subprocess.CompletedProcess[Any]:
        quiet = subprocess.DEVNULL
        return subprocess.run(command, stdin=quiet, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


class TestFormatterWithExecute(FormatterConformance):
    reads_stdin = False
    keeps_streams_apart = False
    sends_any_signal = False
    sets_variables = False
    shows_output_early = False
    adopts = False
    ends_detached = False

    @pytest.fixture
    def make_formatter(self) -> type[Formatter]:
        return Merging


class Doing(Least):
    """Does whatever it was made with."""

    def __init__(self, what: Callable[[], Any]) -> None:
        self.what = what

    def execute(self, *_: object) -> subprocess.CompletedProcess[Any]:
        found: subprocess.CompletedProcess[Any] = self.what()
        return found


@pytest.fixture
def executing(tmp_path: Path) -> Iterator[Jobs]:
    formatter = Executing()
    jobs = Jobs(formatter, tmp_path, patience=60)
    yield jobs
    jobs.clear()
    formatter.close()


def fail() -> None:
    raise SystemExit("no more")


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        (lambda: None, "returned None, and not a subprocess.CompletedProcess"),
        (lambda: subprocess.CompletedProcess([], "x", None, None), "CompletedProcess"),  # type: ignore[arg-type]
        (fail, "SystemExit: no more"),
    ],
)
def test_execute_that_fails_fails_the_job(tmp_path: Path, what: Callable[[], Any], complaint: str) -> None:
    jobs = Jobs(Doing(what), tmp_path, patience=60)
    execution = jobs.run(jobs.script("exit 0")).execution
    assert (execution.succeeded, execution.cause, execution.exit_code) == (False, Cause.ENGINE, None)
    assert complaint in execution.message
    jobs.engine.close()


def test_text_and_bytes_become_logs(tmp_path: Path) -> None:
    jobs = Jobs(Doing(lambda: subprocess.CompletedProcess([], 2, "tëxt\udcff", b"bytes\xff\n")), tmp_path, patience=60)
    done = jobs.run(jobs.script("exit 0"))
    assert (done.stdout, done.stderr) == (b"t\xc3\xabxt\xff", b"bytes\xff\n")
    assert done.execution.message.startswith("Exit code 2: bytes")


def test_descriptor_is_readable_until_everyone_was_asked_for(executing: Jobs) -> None:
    first, second = executing.start(executing.script("exit 1")), executing.start(executing.script("exit 2"))
    wait_until(lambda: not any(thread.name.startswith("execute ") for thread in threading.enumerate()))
    assert executing.wait(first).exit_code == 1

    def readable(timeout: float) -> bool:
        assert isinstance(executing.engine, Executing)
        return bool(select.select([executing.engine.fileno() or -1], [], [], timeout)[0])

    assert readable(60)
    assert executing.wait(second).exit_code == 2
    assert not readable(0)


def test_call_of_an_earlier_client_is_lost(executing: Jobs) -> None:
    handle = {"call": "17-2.abc", "stdout": "/nowhere/out", "stderr": "/nowhere/err"}
    assert not executing.engine.adopt(handle)
    executing.engine.kill(handle)
    (execution,) = executing.engine.poll({"it": handle}).values()
    assert (execution.state, execution.cause) == (ExecutionState.ENDED, Cause.LOST)


def test_formatter_can_be_used_again_after_it_was_closed(executing: Jobs) -> None:
    executing.engine.close()
    executing.engine.close()
    assert executing.run(executing.script("exit 3")).execution.exit_code == 3
