"""The formatter that runs jobs in containers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from attrs import asdict, define, evolve

from whatsnext_core.errors import EngineError
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
    to_variables,
)
from whatsnext_core.formatting.ends import was_killed
from whatsnext_core.formatting.environment import parameters_json
from whatsnext_core.formatting.process import RUNNING, Processes
from whatsnext_formatter_docker.ends import judge
from whatsnext_formatter_docker.options import DockerOptions, bind_mount
from whatsnext_formatter_docker.runtime import Container, Runtime
from whatsnext_formatter_docker.stopping import Stop
from whatsnext_formatter_docker.variables import split_variables
from whatsnext_formatter_docker.waste import Waste

LOOK_EVERY: Final = 1.0
"""Seconds between two questions about a container that nobody follows."""


@define
class _Job:
    """What is known of one execution, beyond its handle."""

    stop: Stop
    followed: bool = True
    """Whether the process that started it, and copies its output, was there to its end."""
    next_look: float = 0.0
    """When to ask for it again, by the monotonic clock, once its follower has ended."""
    last: Execution = RUNNING
    """What was found then."""
    doubted: bool = False
    """Whether it was looked at again because it was killed, and nobody said why."""

    @property
    def ended(self) -> bool:
        """Whether its end is known."""
        return self.last.state is ExecutionState.ENDED


class DockerFormatter(Formatter):
    """Runs each job in a container of its own, on the Docker or Podman of this machine.

    The command of a job is its task's template, or else ``command`` and the parameters as ``--name value``. The
    container sees the scratch directory of its attempt under the same name, gets the CPUs, the memory and the GPUs that
    its task asks for, and is removed once its end is reported. It goes on while its worker is away.

    A task's options for ``docker`` override these settings: ``{"docker": {"image": "python:3.12"}}``.

    Args:
        image: Image of the container; a task may name another one.
        gpus: GPUs (``all``, ``2``, ``device=0,1``), where the worker deals out none.
        cpus: CPUs that it may use, where its task asks for no number of them.
        memory: Memory that it may use, where its task asks for none.
        volumes: Folders and volumes that it sees: ``/data:/data:ro``.
        env: Environment variables; those of its task win.
        user: User that it runs as.
        network: Network; ``none`` for no network.
        entrypoint: Program that gets the command as arguments.
        read_only: Whether its own file system cannot be written.
        working_dir: Its working directory.
        command: Program and first arguments of a task without a template.
        runtime: ``docker`` or ``podman``.
        options: Further settings, those of ``DockerOptions``.
    """

    def __init__(
        self,
        image: str = "",
        gpus: int | str | None = None,
        cpus: float | None = None,
        memory: str | None = None,
        volumes: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        network: str | None = None,
        entrypoint: str | None = None,
        read_only: bool = False,
        working_dir: str | None = None,
        command: Sequence[str] = (),
        runtime: str = "docker",
        **options: Any,
    ) -> None:
        self.options = DockerOptions(
            image=image,
            gpus=gpus,
            cpus=cpus,
            memory=memory,
            volumes=tuple(volumes),
            env=dict(env or {}),
            user=user,
            network=network,
            entrypoint=entrypoint,
            read_only=read_only,
            working_dir=working_dir,
            command=tuple(command),
            runtime=runtime,
            **options,
        )
        self._runtime = Runtime(runtime)
        self._jobs: dict[str, _Job] = {}
        self._waste = Waste(self._runtime)

    @classmethod
    def from_config(cls, config: DockerOptions | None) -> DockerFormatter:
        """Return the formatter with the settings of ``[plugins.docker]``."""
        return cls(**asdict(config or DockerOptions()))

    # -- what is run ---------------------------------------------------------------------------------------------------

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:  # noqa: ARG002 - the same for every task
        """Return the call of ``docker run`` that runs the task once, as a person could type it."""
        options = self.options
        env = [f"--env={name}={value}" for name, value in options.env.items()]
        env += [f"--env={name}={value}" for name, value in _variables(options, parameters).items()]
        command = [*options.command, *_arguments(options, parameters)]
        return [options.runtime, "run", "--rm", *options.arguments(), *env, options.image, *command]

    def prepare(self, context: JobContext) -> Invocation:
        """Return the call of ``docker run``, but for the name of the container and the variables.

        Raises:
            TemplateError: the options that its task has for ``docker`` are wrong, there is no image, or no command can
                be made of the template and the parameters.
        """
        options = self.options.for_job(context)
        owner = {"server": context.server, "client": context.client_id}
        labels = {"job": context.job.id, "attempt": context.fence, "task": context.task.name, **owner}
        # The devices that a container is given are all it sees, and are numbered anew in it.
        without_devices = evolve(context, allocation=evolve(context.allocation, devices=()), devices_dealt_out=False)
        variables = _variables(options, context.job.parameters)
        given = {"WHATSNEXT_DEVICES": ",".join(context.allocation.device_ids)}
        return Invocation(
            key=context.key,
            argv=(
                options.runtime,
                "run",
                "--sig-proxy=false",
                *(f"--label=whatsnext.{name}={value}" for name, value in labels.items()),
                bind_mount(context.directory),
                *(f"--cpuset-cpus={','.join(map(str, ids))}" for ids in [context.cpu_ids] if ids),
                *options.arguments(),
                options.image,
                *self._command(context, options),
            ),
            env={**options.env, **context.task.environment, **variables, **job_environment(without_devices), **given},
            files={parameters_file(context): parameters_json(context)},
            stdout=context.directory / "stdout.log",
            stderr=context.directory / "stderr.log",
            cwd=context.directory,  # Podman's monitor of a container leaves a file where it was started
            options=owner,
        )

    # -- how it runs ---------------------------------------------------------------------------------------------------

    def start(self, invocation: Invocation) -> Handle:
        """Have the container started, by a process that copies its output into files, and return its handle.

        Raises:
            EngineError: the engine does not answer, or its program is not there.
        """
        self._runtime.check()
        name = f"whatsnext-{invocation.key}-{secrets.token_hex(4)}"
        variables, env = split_variables(invocation.env)
        stdin = ("--interactive",) if invocation.stdin else ()
        argv = (*invocation.argv[:2], f"--name={name}", *stdin, *variables, *invocation.argv[2:])
        follower = self._followers.start(evolve(invocation, argv=argv, env=env))
        handle: Handle = {
            "container": name,
            **invocation.options,
            "runtime": self.options.runtime,
            "follower": dict(follower),
            "stdout": str(invocation.stdout),
            "stderr": str(invocation.stderr),
        }
        self._job(handle)
        return handle

    def poll(self, handles: Mapping[str, Handle]) -> Mapping[str, Execution]:
        """Return how the executions stand; the engine is asked once, and only for those whose follower has ended."""
        jobs = {key: self._job(handle) for key, handle in handles.items()}
        self._waste.sweep(self._jobs.keys())
        followers = self._followers.poll({key: handle["follower"] for key, handle in handles.items()})
        now = time.monotonic()
        asked = [
            (handles[key], job, followers[key])
            for key, job in jobs.items()
            if followers[key].state is ExecutionState.ENDED and not job.ended and now >= job.next_look
        ]
        self._look(asked, now + LOOK_EVERY)
        for job in jobs.values():
            if not job.ended:
                job.stop.advance()
        return {key: job.last for key, job in jobs.items()}

    def cancel(self, handle: Handle, signal: str = "SIGTERM", grace: float = 30.0) -> None:
        """Send the signal to the container; ``poll`` kills it after the grace."""
        job = self._job(handle)
        if not job.ended:
            job.next_look = 0.0
            job.stop.ask(signal, grace)

    def kill(self, handle: Handle) -> None:
        """Kill the container, or the fetching of its image."""
        self.cancel(handle, "SIGKILL", 0)

    def adopt(self, handle: Handle) -> bool:
        """Return whether there is a container of this handle, or a process that is about to start it."""
        if handle.get("runtime") != self.options.runtime or "container" not in handle:
            return False
        self._job(handle)
        try:
            return bool(self._runtime.inspect([handle["container"]])) or self._followers.adopt(handle["follower"])
        except EngineError:
            return True

    def forget(self, handle: Handle) -> None:
        """Have the container removed, together with others that are to be."""
        self._jobs.pop(handle["container"], None)
        self._followers.forget(handle["follower"])
        self._waste.add(handle["container"])

    def close(self) -> None:
        """Remove the containers that were forgotten; those that run go on."""
        self._waste.close()
        self._followers.close()

    def fileno(self) -> int | None:
        """Return a descriptor that is readable while ``poll`` has news; None while the engine must be asked for it."""
        followed = all(job.followed for job in self._jobs.values())
        return self._followers.fileno() if followed else None

    # ------------------------------------------------------------------------------------------------------------------

    @cached_property
    def _followers(self) -> Processes:
        return Processes()

    def _job(self, handle: Handle) -> _Job:
        name = handle["container"]
        if name not in self._jobs:
            self._waste.own(handle.get("server", ""), handle.get("client", ""))
            self._jobs[name] = _Job(Stop(self._runtime, name, lambda: self._followers.kill(handle["follower"])))
        return self._jobs[name]

    def _look(self, asked: Sequence[tuple[Handle, _Job, Execution]], again: float) -> None:
        """Find out how the containers stand whose follower has ended."""
        if not asked:
            return
        try:
            found = self._runtime.inspect(handle["container"] for handle, _, _ in asked)
        except EngineError as error:
            for _, job, _ in asked:
                job.followed, job.next_look = False, again
                job.last = Execution(state=ExecutionState.UNKNOWN, message=str(error))
            return
        for handle, job, follower in asked:
            job.next_look = again
            job.last = self._settle(handle, job, follower, found.get(handle["container"]))

    def _settle(self, handle: Handle, job: _Job, follower: Execution, container: Container | None) -> Execution:
        stderr = Path(handle["stderr"])
        execution = judge(container, follower, stderr)
        if execution is None:
            job.followed = False
            return RUNNING
        if container is not None and self._is_doubtful(container, job):
            job.doubted = True
            return RUNNING
        if container is not None and container.status != "exited" and job.stop.forced:
            # It was made and not started, and must not be any more.
            self._runtime.remove([handle["container"]])
        if container is not None and not job.followed:
            self._runtime.fetch_logs(handle["container"], Path(handle["stdout"]), stderr)
        job.followed = True
        return execution

    @staticmethod
    def _is_doubtful(container: Container, job: _Job) -> bool:
        """Return whether it was killed, and the engine may learn only in a moment that it lacked memory."""
        return was_killed(container.exit_code) and not (container.out_of_memory or job.doubted or job.stop.asked)

    def _command(self, context: JobContext, options: DockerOptions) -> list[str]:
        template, task = context.task.command_template, context.task.name
        if template and not template.isspace():
            return fill_template(template, context.job.parameters, task=task)
        return [*options.command, *_arguments(options, context.job.parameters)]


def _arguments(options: DockerOptions, parameters: Mapping[str, Any]) -> list[str]:
    return to_arguments(parameters) if options.parameters == "arguments" else []


def _variables(options: DockerOptions, parameters: Mapping[str, Any]) -> dict[str, str]:
    return to_variables(parameters) if options.parameters == "environment" else {}
