"""Short words for what happens to jobs on an engine."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import evolve, frozen

from whatsnext_core.formatting import Engine, Execution, ExecutionState, Handle, JobContext, artifacts_folder
from whatsnext_core.model import Allocation, Job, JobStatus, Task

NOW: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
SHELL: Final = "sh -c {script} sh {scratch} {args}"
"""The template that the scenarios use: a shell, its script, and the script's arguments: the scratch directory first."""
T = TypeVar("T")


@frozen(kw_only=True)
class Finished:
    """How a job ended."""

    execution: Execution
    """What the engine says."""
    stdout: bytes
    """All that it wrote there."""
    stderr: bytes
    """All that it wrote there."""
    directory: Path
    """Its scratch directory."""


class Jobs:
    """Jobs on one engine, each an attempt with a directory of its own."""

    def __init__(self, engine: Engine, folder: Path, patience: float) -> None:
        self.engine = engine
        self._folder = folder
        self._patience = patience
        self._numbers = itertools.count(1)
        self._started: list[Handle] = []

    def context(
        self,
        template: str | None,
        parameters: Mapping[str, Any] | None = None,
        *,
        allocation: Allocation | None = None,
        **task: Any,
    ) -> JobContext:
        """Return a claimed job of a task with this template and these further fields."""
        number = next(self._numbers)
        directory = self._folder / f"attempt-{number}"
        directory.mkdir()
        context = JobContext(
            job=Job(
                id=number,
                name=f"job {number}",
                project_id=1,
                task_id=1,
                task_name="scenario",
                parameters=parameters or {},
                status=JobStatus.QUEUED,
                priority=0,
                depends={},
                created_at=NOW,
                updated_at=NOW,
            ),
            task=Task(
                id=1,
                project_id=1,
                name="scenario",
                command_template=template,
                created_at=NOW,
                updated_at=NOW,
                **task,
            ),
            fence=2,
            allocation=allocation or Allocation(cpu=1),
            directory=directory,
            server="http://localhost:8000",
            client_id="conformance",
        )
        artifacts_folder(context).mkdir()
        return context

    def script(self, script: str, *args: str, **task: Any) -> JobContext:
        """Return a claimed job that runs a script of the shell; ``$1`` is its scratch directory, then come these."""
        context = self.context(SHELL, **task)
        parameters = {"script": script, "scratch": str(context.directory), "args": list(args)}
        return evolve(context, job=evolve(context.job, parameters=parameters))

    def start(self, context: JobContext, **changes: Any) -> Handle:
        """Start a job, its invocation changed so, and return its handle as it comes out of a client's files."""
        handle = self.engine.start(evolve(self.engine.prepare(context), **changes))
        again: Handle = json.loads(json.dumps(handle))
        self._started.append(again)
        return again

    def wait(self, handle: Handle) -> Execution:
        """Return how an execution ended."""
        execution = self.until(lambda: self._ended(handle), "the execution ends")
        assert execution is not None
        return execution

    def read(self, handle: Handle, stream: str = "stdout") -> bytes:
        """Return what an execution has written so far."""
        path: Path = getattr(self.engine.logs(handle), stream)
        return path.read_bytes() if path.exists() else b""

    def finish(self, handle: Handle, directory: Path) -> Finished:
        """Return how a started job ended, with all that it wrote."""
        execution = self.wait(handle)
        stdout, stderr = self.read(handle), self.read(handle, "stderr")
        return Finished(execution=execution, stdout=stdout, stderr=stderr, directory=directory)

    def run(self, context: JobContext, **changes: Any) -> Finished:
        """Run a job to its end."""
        return self.finish(self.start(context, **changes), context.directory)

    def start_and_await(self, context: JobContext) -> Handle:
        """Start a job, and return its handle when the file ``ready`` is in its scratch directory."""
        handle = self.start(context)
        self.until((context.directory / "ready").exists, "the job is ready")
        return handle

    def until(self, condition: Callable[[], T], what: str) -> T:
        """Return the first true value of the condition, which is asked again and again while the patience lasts."""
        deadline = time.monotonic() + self._patience
        pause = 0.005
        while not (value := condition()):
            assert time.monotonic() < deadline, f"Waited in vain for {self._patience:g} s until {what}."
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)
        return value

    def clear(self) -> None:
        """End and forget all that was started."""
        live = [handle for handle in self._started if self._ended(handle) is None]
        for handle in live:
            self.engine.kill(handle)
        for handle in live:
            self.wait(handle)
        for handle in self._started:
            self.engine.forget(handle)

    def _ended(self, handle: Handle) -> Execution | None:
        execution = self.engine.poll({"it": handle})["it"]
        return execution if execution.state is ExecutionState.ENDED else None
