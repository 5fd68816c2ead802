"""The formatter that runs jobs on a Slurm cluster."""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from whatsnext_core.formatting import (
    Execution,
    ExecutionState,
    Formatter,
    Handle,
    Invocation,
    JobContext,
    fill_template,
    job_environment,
    parameters_file,
    to_arguments,
)
from whatsnext_core.formatting.environment import parameters_json
from whatsnext_core.model import Cause
from whatsnext_formatter_slurm.cancelling import Cancelling
from whatsnext_formatter_slurm.options import CLUSTERS_CHOICE, SlurmOptions
from whatsnext_formatter_slurm.script import RECORD, SCRIPT, batch_script, fill_script, run_by
from whatsnext_formatter_slurm.states import Seen, ended, failure, judge, read_record
from whatsnext_formatter_slurm.submissions import Submissions
from whatsnext_formatter_slurm.watch import MARK, Watch

LOST_AFTER: Final = 60.0
"""Seconds after which a job that Slurm has forgotten, and that left no exit code, counts as lost; a shared file system
may show the exit code late."""


class SlurmFormatter(Formatter):
    """Runs each job as a batch job of Slurm.

    The worker runs on a machine with Slurm's commands, and keeps its state on a file system that the nodes share: the
    batch script writes its output and its exit code there. A job is completed when its command has succeeded, not when
    ``sbatch`` took it. While the controller does not answer, nothing is lost: jobs go on, and new ones wait.

    What a task requires (CPUs, accelerators, memory, time limit) overrides these defaults, and its options for
    ``slurm`` override both: ``{"slurm": {"partition": "gpu"}}``.

    Args:
        partition: Partition; ``default`` leaves it to the cluster.
        time: Time limit, as Slurm writes it.
        nodes: Nodes.
        ntasks: Tasks, for commands that start them by ``srun``.
        cpus_per_task: CPUs of each task.
        mem: Memory of each node.
        gpus: GPUs, as a number or with their type (``a100:2``).
        script_template: Shell text for the command of a task that has no template of its own; ``{name}`` is filled,
            quoted, with a parameter.
        options: Further settings, those of ``SlurmOptions``.
    """

    def __init__(
        self,
        partition: str = CLUSTERS_CHOICE,
        time: str = "01:00:00",
        nodes: int = 1,
        ntasks: int = 1,
        cpus_per_task: int = 1,
        mem: str = "4G",
        gpus: int | str | None = None,
        script_template: str | None = None,
        **options: Any,
    ) -> None:
        self.options = SlurmOptions(
            partition=partition,
            time=time,
            nodes=nodes,
            ntasks=ntasks,
            cpus_per_task=cpus_per_task,
            mem=mem,
            gpus=gpus,
            script_template=script_template,
            **options,
        )
        self._watch = Watch(self.options.poll_interval)
        self._submissions = Submissions(self._watch, self.options.max_submitted)
        self._cancelling = Cancelling(self._watch)
        self._missing_since: dict[str, float] = {}

    # -- what is run ---------------------------------------------------------------------------------------------------

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:
        """Return the call of ``sbatch`` that runs the task once, as a person could type it."""
        text = self._text(task, parameters, None, self.options)
        return ["sbatch", "--parsable", *self.options.arguments(task), f"--wrap={text}"]

    def prepare(self, context: JobContext) -> Invocation:
        """Return the call of ``sbatch``, and the batch script that it reads."""
        options = self.options.for_job(context)
        task, directory = context.task, context.directory
        without_devices = evolve(context, allocation=evolve(context.allocation, devices=()), devices_dealt_out=False)
        environment = {**task.environment, **job_environment(without_devices)}
        files = {parameters_file(context): parameters_json(context)}
        text = self._text(task.name, context.job.parameters, task.command_template, options)
        if "\n" in text:
            own = directory / "command.sh"
            files[own] = text.encode(errors="surrogateescape")
            text = run_by(text, own)
        script = batch_script(text, environment, directory, f"WhatsNext: job {context.key}, {context.job.name}")
        files[directory / SCRIPT] = script
        stdout, stderr = directory / "stdout.log", directory / "stderr.log"
        return Invocation(
            key=context.key,
            argv=("sbatch", *_arguments(options, context.job.name), *_places(stdout, stderr)),
            env=environment,
            cwd=None if self.working_dir is None else Path(self.working_dir).expanduser(),
            stdin=script,
            files=files,
            stdout=stdout,
            stderr=stderr,
        )

    def _text(self, task: str, parameters: Mapping[str, Any], template: str | None, options: SlurmOptions) -> str:
        """The command as shell text: of the task's template, or else of the formatter's, or else the task's name."""
        if template and not template.isspace():
            return shlex.join(fill_template(template, parameters, task=task))
        if options.script_template is not None:
            return fill_script(options.script_template, parameters, task=task).strip()
        return shlex.join([task, *to_arguments(parameters)])

    # -- how it is run -------------------------------------------------------------------------------------------------

    def start(self, invocation: Invocation) -> Handle:
        """Submit the batch script; EngineError, with Slurm's words, if it is refused."""
        directory = invocation.stdout.parent
        for path, content in invocation.files.items():
            _write(path, content)
        token = f"{MARK}{invocation.key}-{secrets.token_hex(8)}"
        cwd = None if invocation.cwd is None else str(invocation.cwd)
        return {
            "engine": "slurm",
            "job": self._submissions.start(invocation.argv, cwd, token, directory),
            "token": token,
            "directory": str(directory),
            "stdout": str(invocation.stdout),
            "stderr": str(invocation.stderr),
        }

    def poll(self, handles: Mapping[str, Handle]) -> Mapping[str, Execution]:
        """Return how the jobs stand, by one question to the controller for all of them."""
        jobs = {key: self._submissions.job_of(handle) for key, handle in handles.items()}
        self._watch.refresh(urgent=any(self._surprises(handle, jobs[key]) for key, handle in handles.items()))
        self._submissions.there = sum(self._is_there(handle, jobs[key]) for key, handle in handles.items())
        for job, token in self._submissions.advance([handle for key, handle in handles.items() if not jobs[key]]):
            self._cancelling.add(job, token, "SIGKILL", 0)
        self._cancelling.press()
        forgotten = {
            jobs[key]: handle["token"] for key, handle in handles.items() if self._forgotten(handle, jobs[key])
        }
        accounts = {} if self._watch.trouble else self._watch.forgotten(forgotten)
        return {key: self._state(handle, jobs[key], accounts) for key, handle in handles.items()}

    def cancel(self, handle: Handle, signal: str = "SIGTERM", grace: float = 30.0) -> None:
        """Send the signal to all processes of the job, and end it by force after ``grace`` seconds."""
        job = self._submissions.job_of(handle)
        if job:
            self._cancelling.add(job, handle["token"], signal, grace)
        else:
            self._submissions.drop(handle)

    def kill(self, handle: Handle) -> None:
        """End the job by force."""
        self.cancel(handle, grace=0)

    def adopt(self, handle: Handle) -> bool:
        """Return whether Slurm knows the job, or its exit code was written, or Slurm cannot be asked now."""
        if handle.get("engine") != "slurm":
            return False
        job = self._submissions.job_of(handle)
        self._watch.refresh(urgent=True)
        if not job or self._watch.trouble or not self._forgotten(handle, job):
            return True
        return read_record(_record(handle)) is not None or job in self._watch.forgotten({job: handle["token"]})

    def forget(self, handle: Handle) -> None:
        """Release what is kept for the job here; Slurm forgets it by itself."""
        job = self._submissions.job_of(handle)
        self._cancelling.forget(job)
        self._missing_since.pop(job, None)
        self._submissions.forget(handle)

    def close(self) -> None:
        """Release nothing: jobs belong to Slurm."""

    def _surprises(self, handle: Handle, job: str) -> bool:
        """Whether the job has written its exit code, and the controller has not yet said that it ended."""
        seen = self._watch.see(job, handle["token"])
        return bool(job) and not (seen and seen.ended) and _record(handle).exists()

    def _is_there(self, handle: Handle, job: str) -> bool:
        """Whether Slurm has the job, or may have it."""
        if not job:
            return self._submissions.may_be_there(handle)
        seen = self._watch.see(job, handle["token"])
        return not (seen and seen.ended)

    def _forgotten(self, handle: Handle, job: str) -> bool:
        """Whether the controller should know the job, and does not."""
        return bool(job) and self._watch.see(job, handle["token"]) is None and self._submissions.listed(job)

    def _state(self, handle: Handle, job: str, accounts: Mapping[str, Seen]) -> Execution:
        stderr = Path(handle["stderr"])
        if not job:
            return self._waiting(handle)
        seen = self._watch.see(job, handle["token"])
        if self._watch.trouble and not (seen and seen.ended):
            return Execution(state=ExecutionState.UNKNOWN, message=f"Slurm does not answer: {self._watch.trouble}.")
        if seen is None and not self._submissions.listed(job):
            return Execution(state=ExecutionState.WAITING)
        record = read_record(_record(handle))
        seen = seen or accounts.get(job)
        if seen:
            self._missing_since.pop(job, None)
            return judge(seen, record, stderr)
        if record:
            return ended(record.code, record, stderr)
        since = self._missing_since.setdefault(job, time.monotonic())
        words = f"Slurm does not know job {job} any more, and it left no exit code"
        if time.monotonic() - since < LOST_AFTER:
            return Execution(state=ExecutionState.UNKNOWN, message=f"{words} yet.")
        return failure(Cause.LOST, words, None, None, stderr)

    def _waiting(self, handle: Handle) -> Execution:
        refusal = self._submissions.refusal(handle)
        if refusal is None:
            full = f"{self._submissions.there} jobs are there already" if self._submissions.is_full else ""
            words = f"Waits to be handed over to Slurm: {self._watch.trouble or full or 'it is asked again soon'}."
            return Execution(state=ExecutionState.WAITING, message=words)
        if refusal:
            return Execution(state=ExecutionState.ENDED, cause=Cause.ENGINE, message=refusal)
        words = "It was cancelled before Slurm had taken it."
        return Execution(state=ExecutionState.ENDED, cause=Cause.CANCELLED, message=words)


def _arguments(options: SlurmOptions, name: str) -> Sequence[str]:
    """The options of sbatch; the partition is left out if the cluster shall choose it."""
    left_out = f"--partition={CLUSTERS_CHOICE}"
    return [argument for argument in options.arguments(name) if argument != left_out]


def _places(stdout: Path, stderr: Path) -> Sequence[str]:
    """Where the job's output goes, and that Slurm never starts it a second time: that is for the server to decide."""
    files = (f"--{option}={str(path).replace('%', '%%')}" for option, path in (("output", stdout), ("error", stderr)))
    return [*files, "--open-mode=append", "--no-requeue"]


def _record(handle: Handle) -> Path:
    return Path(handle["directory"]) / RECORD


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads: the environment of a job may hold secrets."""
    path.touch(mode=0o600)
    path.write_bytes(content)
