"""The base class of formatters: what a plugin's author subclasses.

The least that works::

    class Nice(Formatter):
        def format(self, task, parameters):
            return ["nice", task, *map(str, parameters.values())]

Its commands then run as local processes that can be watched, cancelled and found again after a restart of the client.
"""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from whatsnext_core.errors import TemplateError, WhatsNextError
from whatsnext_core.formatting.calls import Calls
from whatsnext_core.formatting.contract import (
    Engine,
    Execution,
    Handle,
    Invocation,
    JobContext,
    LogFiles,
    Turns,
    files_of,
)
from whatsnext_core.formatting.environment import job_environment, parameters_file, parameters_json
from whatsnext_core.formatting.process import Processes
from whatsnext_core.formatting.template import fill_template
from whatsnext_core.model.limits import shorten


class Formatter(ABC):
    """Makes a command of a task and parameters, and runs it.

    Only ``format`` must be written. A formatter that writes ``execute`` too has its commands run by it, each in a
    thread of its own; one for another engine overrides ``start``, ``poll``, ``cancel`` and what follows. No __init__
    is called or needed. Whatever a subclass leaves out is a local process.
    """

    working_dir: str | Path | None = None
    """Where commands run; None for the client's own working directory."""

    @abstractmethod
    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:
        """Return the program and its arguments for a job of the task with this name, if the task has no template.

        Pure: it may be called at any time, also to show what would be run. What it raises fails the job with
        ``format-error`` and the exception's words.
        """

    def execute(self, command: list[str]) -> subprocess.CompletedProcess[Any]:
        """Run the command and wait for its end; a subclass overrides it to run commands in a way of its own.

        What ``stdout`` and ``stderr`` of the result hold becomes the job's log; a return code other than 0, or an
        exception, fails the job.
        """
        return subprocess.run(command, cwd=self.working_dir, check=False)

    # -- what a client calls; see Engine -------------------------------------------------------------------------------

    def prepare(self, context: JobContext) -> Invocation:
        """Return how the job is run: its command, with the variables that every job gets."""
        return Invocation(
            key=context.key,
            argv=tuple(self.command(context)),
            env={**context.task.environment, **job_environment(context)},
            cwd=None if self.working_dir is None else Path(self.working_dir).expanduser(),
            files={parameters_file(context): parameters_json(context)},
            stdout=context.directory / "stdout.log",
            stderr=context.directory / "stderr.log",
            cpu_ids=context.cpu_ids,
        )

    def command(self, context: JobContext) -> list[str]:
        """Return the job's command: the task's template filled with the parameters, or else what ``format`` gives.

        Raises:
            TemplateError: the template and the parameters do not fit, or ``format`` failed or gave no command.
        """
        template, name = context.task.command_template, context.task.name
        if template and not template.isspace():
            return fill_template(template, context.job.parameters, task=name)
        try:
            command: Any = self.format(name, dict(context.job.parameters))
        except WhatsNextError:
            raise
        except Exception as error:
            raise TemplateError(
                f"{type(self).__name__}.format failed for task {name!r}: {type(error).__name__}: {error}."
            ) from error
        if not isinstance(command, list | tuple) or not command or not all(isinstance(word, str) for word in command):
            raise TemplateError(
                f"{type(self).__name__}.format returned {shorten(command)} for task {name!r}; a command is a list of "
                f"strings that begins with a program."
            )
        return list(command)

    def start(self, invocation: Invocation) -> Handle:
        """Start it as a local process, or by ``execute`` if the subclass wrote one."""
        return self._engine.start(invocation)

    def poll(self, handles: Mapping[str, Handle]) -> Mapping[str, Execution]:
        """Return how the executions stand."""
        return self._engine.poll(handles)

    def cancel(self, handle: Handle, signal: str = "SIGTERM", grace: float = 30.0) -> None:
        """Send the signal to all its processes, and after ``grace`` seconds SIGKILL to those that are left."""
        self._engine.cancel(handle, signal, grace)

    def kill(self, handle: Handle) -> None:
        """End all processes of the execution by SIGKILL."""
        self._engine.kill(handle)

    def logs(self, handle: Handle) -> LogFiles:
        """Return where the output of the execution is."""
        return self._engine.logs(handle) if isinstance(self._engine, Processes) else files_of(handle)

    def adopt(self, handle: Handle) -> bool:
        """Return whether an execution that an earlier client started can be followed here."""
        return self._engine.adopt(handle)

    def forget(self, handle: Handle) -> None:
        """Release what is kept for the execution."""
        self._engine.forget(handle)

    def close(self) -> None:
        """Release everything; what runs goes on running."""
        self._engine.close()

    def fileno(self) -> int | None:
        """Return a descriptor that is readable while ``poll`` has news; None if a subclass polls in its own way."""
        return self._engine.fileno() if type(self).poll is Formatter.poll else None

    @cached_property
    def _engine(self) -> Processes | Calls:
        overridden = getattr(self.execute, "__func__", self.execute) is not Formatter.execute
        return Calls(self.execute) if overridden else Processes()


_OWN: Final = ("start", "poll", "cancel", "kill", "adopt", "forget", "close")


def turns_of(engine: Engine) -> Turns | None:
    """Return what starts the jobs of this engine in turn: none if it is no formatter, or does things its own way."""
    if not isinstance(engine, Formatter):
        return None
    if any(getattr(type(engine), name) is not getattr(Formatter, name) for name in _OWN):
        return None
    return engine._engine if isinstance(engine._engine, Processes) else None  # noqa: SLF001 - this module's
