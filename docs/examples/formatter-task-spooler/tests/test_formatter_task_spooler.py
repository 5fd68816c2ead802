"""The formatter of task spooler does what a formatter must, on a queue of its own."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from formatter_task_spooler import TaskSpoolerFormatter

from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import ExecutionState
from whatsnext_core.model import Allocation, Cause
from whatsnext_core.testing import FormatterConformance
from whatsnext_core.testing.formatter import Jobs


class TestTaskSpoolerFormatter(FormatterConformance):
    """Every scenario that a formatter must pass."""

    ends_detached = False
    many = 10

    @pytest.fixture
    def make_formatter(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], TaskSpoolerFormatter]]:
        """What makes a formatter, for a queue with four slots that is ended with the test."""
        with tempfile.TemporaryDirectory(prefix="tsp-") as folder:
            for name, value in {"TMPDIR": folder, "TS_SOCKET": f"{folder}/socket", "TS_SLOTS": "4"}.items():
                monkeypatch.setenv(name, value)
            yield TaskSpoolerFormatter
            subprocess.run(["tsp", "-K"], check=False)

    def test_job_waits_for_its_slots_and_can_be_cancelled_meanwhile(self, jobs: Jobs) -> None:
        first = jobs.start_and_await(jobs.script(': >"$1/ready"; sleep 60', allocation=Allocation(cpu=3)))
        second = jobs.start(jobs.script("exit 0", allocation=Allocation(cpu=2)))
        assert jobs.engine.poll({"it": second})["it"].state is ExecutionState.WAITING
        jobs.engine.cancel(second, "SIGTERM", 30)
        assert not jobs.wait(second).succeeded
        assert jobs.engine.poll({"it": first})["it"].state is ExecutionState.RUNNING

    def test_job_that_somebody_took_off_the_list_is_lost(self, jobs: Jobs) -> None:
        handle = jobs.start(jobs.script("exit 0"))
        jobs.wait(handle)
        subprocess.run(["tsp", "-C"], check=True)
        assert jobs.wait(handle).cause is Cause.LOST
        assert not jobs.engine.adopt(handle)


def test_machine_without_task_spooler_refuses_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    jobs = Jobs(TaskSpoolerFormatter(), tmp_path, patience=10)
    with pytest.raises(EngineError, match=r"Task spooler does not .* 'tsp'"):
        jobs.start(jobs.script("exit 0"))
