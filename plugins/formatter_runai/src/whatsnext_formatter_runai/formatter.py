"""The formatter that runs jobs on NVIDIA Run:ai."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from whatsnext_core.converters import format_time
from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import (
    Execution,
    ExecutionState,
    Formatter,
    Handle,
    Invocation,
    JobContext,
    LogFiles,
    fill_template,
    job_environment,
    parameters_file,
    to_variables,
)
from whatsnext_core.formatting.environment import parameters_json
from whatsnext_core.formatting.output import CONNECTED, Output
from whatsnext_core.model import Cause
from whatsnext_formatter_runai.options import RUNAIOptions
from whatsnext_formatter_runai.program import AwayError, Program
from whatsnext_formatter_runai.states import STUCK, Seen, judge
from whatsnext_formatter_runai.watch import Watch

ORDER: Final = "runai.json"
"""Name of the file, in the attempt's directory, with the call of ``runai submit``."""
TAKEN: Final = "runai.taken"
"""Name of the file that is there when Run:ai has taken the job."""


class RUNAIFormatter(Formatter):
    """Runs each job as a training workload of NVIDIA Run:ai, through the program ``runai``.

    A job's parameters are environment variables of its container: ``lr`` is ``LR``. Without a command template the
    image's own command runs. A job is completed when its command has succeeded, not when Run:ai took it. While the
    control plane does not answer, nothing is lost: jobs go on, and new ones wait. Both streams of a job come in one,
    that of its standard output.

    What a task requires (CPUs, accelerators, memory) overrides these defaults, and its options for ``runai`` override
    both: ``{"runai": {"image": "python:3.12"}}``.

    Args:
        project: Project that the jobs belong to.
        image: Image of the container.
        gpu: GPUs; a fraction below 1 shares one.
        cpu: CPUs.
        memory: Memory (``4Gi``).
        working_dir: Working directory in the container; None for the image's own.
        environment: Variables for every job.
        options: Further settings, those of ``RUNAIOptions``.
    """

    def __init__(
        self,
        project: str,
        image: str,
        gpu: float = 1,
        cpu: float = 1,
        memory: str = "4Gi",
        working_dir: str | None = None,
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.options = RUNAIOptions(
            project=project,
            image=image,
            gpu=gpu,
            cpu=cpu,
            memory=memory,
            working_dir=working_dir,
            environment=environment or {},
            **options,
        )
        self._program = Program(project=self.options.in_project())
        self._watch = Watch(self._program, self.options.poll_interval)
        self._output = Output()
        self._taken_at: dict[str, float] = {}
        """When a job was submitted here, by the monotonic clock."""
        self._last: dict[str, Seen] = {}
        self._described: dict[str, Mapping[str, Any]] = {}
        """How the container of a job that failed ended."""
        self._unwanted: set[str] = set()
        self._stuck_since: dict[str, float] = {}
        self._ended: dict[str, Execution] = {}

    # -- what is run ---------------------------------------------------------------------------------------------------

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:
        """Return the call of ``runai submit`` that runs the task once, as a person could type it."""
        name = re.sub(r"[^a-z0-9]+", "-", task.lower()).strip("-")[:40] or "job"
        environment = {**self.options.environment, **to_variables(parameters)}
        return ["runai", "submit", name, *self.options.arguments(environment)]

    def prepare(self, context: JobContext) -> Invocation:
        """Return the call of ``runai submit``."""
        options, task, directory = self.options.for_job(context), context.task, context.directory
        parameters = context.job.parameters
        without_devices = evolve(context, allocation=evolve(context.allocation, devices=()), devices_dealt_out=False)
        environment = {**options.environment, **task.environment, **to_variables(parameters)}
        name = job_name(context)
        argv = ["runai", "submit", name, *options.arguments({**environment, **job_environment(without_devices)})]
        if task.command_template and not task.command_template.isspace():
            argv += ["--command", "--", *fill_template(task.command_template, parameters, task=task.name)]
        order = json.dumps(argv).encode()
        return Invocation(
            key=context.key,
            argv=tuple(argv),
            files={parameters_file(context): parameters_json(context), directory / ORDER: order},
            stdout=directory / "stdout.log",
            stderr=directory / "stderr.log",
            options={"name": name},
        )

    # -- how it is run -------------------------------------------------------------------------------------------------

    def start(self, invocation: Invocation) -> Handle:
        """Submit the job; EngineError, with Run:ai's words, if it is refused."""
        for path, content in invocation.files.items():
            path.touch(mode=0o600)
            path.write_bytes(content)
        handle = {
            "engine": "runai",
            "name": invocation.options["name"],
            "project": self.options.project,
            "directory": str(invocation.stdout.parent),
            "stdout": str(invocation.stdout),
            "stderr": str(invocation.stderr),
        }
        self._submit(handle)
        return handle

    def poll(self, handles: Mapping[str, Handle]) -> Mapping[str, Execution]:
        """Return how the jobs stand, by one question to Run:ai for all of them, and one for each that failed."""
        self._watch.press()
        if any(handle["name"] not in self._ended for handle in handles.values()):
            self._watch.refresh()
        return {key: self._state(handle) for key, handle in handles.items()}

    def cancel(self, handle: Handle, signal: str = "SIGTERM", grace: float = 30.0) -> None:  # noqa: ARG002  # see below
        """Delete the job: Run:ai sends SIGTERM, and SIGKILL after the time of grace that the cluster sets."""
        name = handle["name"]
        if name in self._ended:
            return
        self._watch.refresh(urgent=name not in self._last)
        if self._state(handle).state is not ExecutionState.ENDED:
            self._unwanted.add(name)
            self._watch.delete(name, CONNECTED if self._output.connects(name) else 0)

    def kill(self, handle: Handle) -> None:
        """Delete the job; Run:ai has no harder way."""
        self.cancel(handle, grace=0)

    def logs(self, handle: Handle) -> LogFiles:
        """Return where the output of the job is copied to, as it comes."""
        if handle["name"] not in self._ended:
            self._watch.refresh()
            self._state(handle)
        return super().logs(handle)

    def adopt(self, handle: Handle) -> bool:
        """Return whether Run:ai knows the job by its name, or did not take it yet, or cannot be asked now."""
        if handle.get("engine") != "runai" or handle["project"] != self.options.project:
            return False
        self._watch.refresh(urgent=True)
        if known := handle["name"] in self._watch.jobs:
            self._state(handle)  # its output is read from now on
        return known or bool(self._watch.trouble) or not _file(handle, TAKEN).exists()

    def forget(self, handle: Handle) -> None:
        """Delete the job from Run:ai."""
        name = handle["name"]
        self._output.forget(name)
        self._unwanted.discard(name)
        for known in (self._taken_at, self._last, self._described, self._stuck_since, self._ended):
            known.pop(name, None)
        self._watch.delete(name)

    def close(self) -> None:
        """End the copies of output; jobs that run go on."""
        self._output.close()

    def _submit(self, handle: Handle) -> None:
        """Submit the job if Run:ai answers; the name makes sure that there is one."""
        if self._watch.away:
            return
        try:
            self._program.submit(json.loads(_file(handle, ORDER).read_bytes()))
        except AwayError as error:
            self._watch.blame(str(error))
            return
        _file(handle, TAKEN).touch()
        self._taken_at[handle["name"]] = time.monotonic()

    def _state(self, handle: Handle) -> Execution:
        name = handle["name"]
        if name not in self._ended:
            execution = self._look(handle)
            if execution.state is not ExecutionState.ENDED:
                return execution
            self._ended[name] = execution
        return self._ended[name]

    def _look(self, handle: Handle) -> Execution:
        name = handle["name"]
        if not _file(handle, TAKEN).exists():
            return self._hand_over(handle)
        if self._watch.trouble:
            return Execution(state=ExecutionState.UNKNOWN, message=f"Run:ai does not answer: {self._watch.trouble}.")
        if self._taken_at.get(name, -float("inf")) >= self._watch.asked_at:
            return Execution(state=ExecutionState.WAITING)
        seen = self._watch.jobs.get(name)
        if seen is None:
            return self._with_output(handle, self._last.get(name), self._gone(name))
        self._last[name] = seen
        if seen.failed and name not in self._described:
            self._described[name] = self._program.describe(name)
        execution = judge(seen, self._described.get(name, {}))
        if execution.state is ExecutionState.ENDED:
            return self._with_output(handle, seen, execution)
        if execution.state is ExecutionState.RUNNING and self.options.follow_logs:
            self._output.follow(name, self._program.logs(name, follow=True), Path(handle["stdout"]))
        return self._patient(name, execution, seen)

    def _hand_over(self, handle: Handle) -> Execution:
        if handle["name"] in self._unwanted:
            words = "It was cancelled before Run:ai had taken it."
            return Execution(state=ExecutionState.ENDED, cause=Cause.CANCELLED, message=words)
        try:
            self._submit(handle)
        except EngineError as error:
            return Execution(state=ExecutionState.ENDED, cause=Cause.ENGINE, message=str(error))
        words = f"Waits to be handed over to Run:ai: {self._watch.trouble}." if self._watch.trouble else ""
        return Execution(state=ExecutionState.WAITING, message=words)

    def _gone(self, name: str) -> Execution:
        """How a job stands that was deleted: by this worker, or by somebody else."""
        ours = name in self._unwanted
        words = "It was cancelled, and has gone from Run:ai." if ours else "Somebody deleted it on Run:ai."
        return Execution(state=ExecutionState.ENDED, cause=Cause.CANCELLED, message=words)

    def _with_output(self, handle: Handle, seen: Seen | None, execution: Execution) -> Execution:
        """The end of a job, once all its output is there."""
        if seen is None or not seen.began:
            return execution
        call = self._program.logs(handle["name"], follow=False)
        complete = self._output.complete(handle["name"], call, Path(handle["stdout"]))
        return execution if complete else Execution(state=ExecutionState.RUNNING)

    def _patient(self, name: str, execution: Execution, seen: Seen) -> Execution:
        """How a job stands whose container may never start: after some time it is refused."""
        if seen.key not in STUCK:
            self._stuck_since.pop(name, None)
            return execution
        since = self._stuck_since.setdefault(name, time.monotonic())
        if time.monotonic() - since < self.options.start_patience:
            return execution
        self._watch.delete(name)
        words = f"Its container did not start within {self.options.start_patience:g} seconds: {execution.message}"
        return Execution(state=ExecutionState.ENDED, cause=Cause.ENGINE, message=words)


def job_name(context: JobContext) -> str:
    """Return the name of the attempt's job, the same whenever it is asked for, and no other attempt's."""
    created = format_time(context.job.created_at)
    parts = (context.key, context.server, context.client_id, str(context.directory), created)
    digest = hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:12]
    return f"whatsnext-{context.key}-{digest}"


def _file(handle: Handle, name: str) -> Path:
    return Path(handle["directory"]) / name
