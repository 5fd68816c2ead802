"""Short words for the processes of an execution."""

import json
from pathlib import Path

import psutil

from tests.support import wait_until
from whatsnext_core.formatting import Execution, Handle
from whatsnext_core.testing.formatter import Jobs

__all__ = ["SLEEP", "keeper_of", "process_of", "recorded", "state"]

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
