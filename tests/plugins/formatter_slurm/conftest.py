"""A formatter on a real cluster, and what its jobs do."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.components import SlurmCluster
from tests.plugins.formatter_slurm.contexts import claimed
from tests.support import wait_until
from whatsnext_core.formatting import Execution, ExecutionState, Handle
from whatsnext_formatter_slurm import SlurmFormatter

Start = Callable[..., Handle]


@pytest.fixture
def formatter(slurm: SlurmCluster) -> Iterator[SlurmFormatter]:  # noqa: ARG001  # the cluster that it talks to
    """A formatter for small jobs, which asks often."""
    formatter = SlurmFormatter(mem="100M", poll_interval=0.2)
    yield formatter
    formatter.close()


@pytest.fixture
def start(formatter: SlurmFormatter, tmp_path: Path) -> Start:
    """Starts a job of a template."""

    def start_job(template: str, *, job_id: int = 17, **context: Any) -> Handle:
        return formatter.start(formatter.prepare(claimed(tmp_path / str(job_id), template, job_id=job_id, **context)))

    return start_job


def state_of(formatter: SlurmFormatter, handle: Handle) -> Execution:
    return formatter.poll({"it": handle})["it"]


def wait_for(formatter: SlurmFormatter, handle: Handle, state: ExecutionState) -> Execution:
    found: list[Execution] = []

    def reached() -> bool:
        found.append(state_of(formatter, handle))
        return found[-1].state is state

    wait_until(reached, 60, f"the job is {state}")
    return found[-1]


def end_of(formatter: SlurmFormatter, handle: Handle) -> Execution:
    return wait_for(formatter, handle, ExecutionState.ENDED)


def shim(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str, script: str) -> None:
    """Puts a script before one of Slurm's programs; it finds the program in `$real`."""
    real = shutil.which(program)
    file = folder / "bin" / program
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\nreal={real}\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{file.parent}{os.pathsep}{os.environ['PATH']}")
