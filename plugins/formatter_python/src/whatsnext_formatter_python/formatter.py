"""The formatter that calls Python functions in processes that stay warm."""

from __future__ import annotations

import copy
import json
import secrets
import selectors
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import asdict, evolve

from whatsnext_core.converters import from_json
from whatsnext_core.errors import InvalidError, TemplateError
from whatsnext_core.formatting import Execution, ExecutionState, Formatter, Handle, Invocation, JobContext
from whatsnext_core.formatting.ends import describe_end
from whatsnext_core.formatting.process import RUNNING, Processes, write_files
from whatsnext_core.formatting.programs import check_folder, find_program
from whatsnext_core.model import Cause
from whatsnext_formatter_python import warm
from whatsnext_formatter_python.options import PythonOptions, TaskOptions, check_function
from whatsnext_formatter_python.pool import Call, Pool, Process, Surroundings, notes

ENGINE: Final = "python"
RECORD: Final = "python.jsonl"
"""Name of the file, beside the output of a job, with its process and its end."""
SHARED: Final = frozenset(
    {"WHATSNEXT_CPUS", "WHATSNEXT_DEVICES", "WHATSNEXT_MEMORY", "WHATSNEXT_SERVER", "WHATSNEXT_CLIENT_ID"}
)
"""Of the variables that WhatsNext sets, those in which the jobs of one process agree: what says which CPUs and devices
to use is read when a library is imported, and never again."""
STARTING: Final = Execution(state=ExecutionState.WAITING, message="A Python process is being started for it.")
ENDED: Final = ExecutionState.ENDED


class PythonFormatter(Formatter):
    """Calls a Python function for each job, in processes that are started once and take one job after the other.

    The task's name, or ``function`` in its options for ``python``, names the function as ``package.module:function``.
    The parameters are its keyword arguments, and what it returns is the job's result. An exception fails the job and is
    shown on its standard error; ``sys.exit`` means what it means in a program. What was imported stays imported.

    A process runs one job at a time. Jobs share it only if they agree in interpreter, working directory, environment,
    CPUs and devices. It is replaced when the source of a module changes, after many jobs, when it has grown, and when a
    job leaves threads or processes behind. A crash ends its own job and no other. A task with a command template is run
    by that, as by ``cli``.

    Args:
        options: The settings, those of ``PythonOptions``.
    """

    def __init__(self, **options: Any) -> None:
        self.options = PythonOptions(**options)
        self.working_dir = self.options.working_dir
        self._processes = Processes()
        self._pool = Pool(self._processes, self.options)
        self._calls: dict[str, Call] = {}
        self._selector: selectors.BaseSelector | None = None

    @classmethod
    def from_config(cls, config: PythonOptions | None) -> PythonFormatter:
        """Return the formatter with the settings of ``[plugins.python]``."""
        return cls(**asdict(config or PythonOptions()))

    # -- what is run ---------------------------------------------------------------------------------------------------

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:
        """Return the command that calls the function once, as a person could type it.

        Raises:
            TemplateError: the task names no function.
        """
        function = check_function(self.options.function or task, f"The task {task!r}")
        return [self.options.python, warm.__file__, "call", function, json.dumps(dict(parameters))]

    def prepare(self, context: JobContext) -> Invocation:
        """Return how the job is run, with the options that its task has for ``python``.

        Raises:
            TemplateError: the task names no function, or its options are unknown or malformed.
        """
        template = context.task.command_template
        if template and not template.isspace():
            return super().prepare(context)
        chosen = copy.copy(self)
        chosen.options = self._options(context)
        chosen.working_dir = chosen.options.working_dir
        invocation = super(PythonFormatter, chosen).prepare(context)
        function, parameters = invocation.argv[3], dict(context.job.parameters)
        return evolve(invocation, options={"function": function, "parameters": parameters})

    def _options(self, context: JobContext) -> PythonOptions:
        given = context.task.options.get(ENGINE, {})
        if not given:
            return self.options
        what = f"The options for python of task {context.task.name!r}"
        if not isinstance(given, Mapping):
            raise TemplateError(f"{what} are {given!r}, and no object.")
        own = {name: getattr(self.options, name) for name in ("function", "python", "working_dir")}
        try:
            chosen = from_json({**own, **given}, TaskOptions, what=what)
        except InvalidError as error:
            raise TemplateError(str(error)) from error
        return evolve(self.options, **asdict(chosen))

    # -- how it runs ---------------------------------------------------------------------------------------------------

    def start(self, invocation: Invocation) -> Handle:
        """Give the job to a warm process, which is started if none is free; a command template is a process itself."""
        if "function" not in invocation.options:
            return self._processes.start(invocation)
        cwd = Path.cwd() / (invocation.cwd or "")
        check_folder(cwd)
        environment = invocation.env
        call = Call(
            request={
                "id": f"{invocation.key}.{secrets.token_hex(6)}",
                "function": invocation.options["function"],
                "parameters": invocation.options["parameters"],
                "env": {name: value for name, value in environment.items() if _differs(name)},
                "stdout": str(invocation.stdout),
                "stderr": str(invocation.stderr),
                "record": str(invocation.stdout.with_name(RECORD)),
            },
            surroundings=Surroundings(
                python=invocation.argv[0],
                cwd=cwd,
                env=frozenset((name, value) for name, value in environment.items() if not _differs(name)),
            ),
        )
        if "PATH" in environment:
            find_program(invocation.argv[0], environment["PATH"], cwd)
        write_files(invocation)
        self._pool.give(call)
        self._calls[call.request["id"]] = call
        kept = {name: call.request[name] for name in ("id", "stdout", "stderr", "record")}
        assert call.process is not None, "a job that was given has a process"  # noqa: S101
        return {"engine": ENGINE, **kept, "process": call.process.handle}

    def poll(self, handles: Mapping[str, Handle]) -> Mapping[str, Execution]:
        """Return how the jobs stand."""
        self._pool.look()
        plain = {key: handle for key, handle in handles.items() if handle.get("engine") != ENGINE}
        found = dict(self._processes.poll(plain))
        return {key: found[key] if key in plain else self._state(handle) for key, handle in handles.items()}

    def cancel(self, handle: Handle, signal: str = "SIGTERM", grace: float = 30.0) -> None:
        """Send the signal to the job's process and all that it started; those that are left get SIGKILL."""
        if handle.get("engine") != ENGINE:
            self._processes.cancel(handle, signal, grace)
            return
        self._pool.look()
        call = self._follow(handle)
        if call.process is None or self._end(call) is not None or call.process.state.state is ENDED:
            return
        call.stopping = True
        self._processes.cancel(call.process.handle, signal, grace)

    def kill(self, handle: Handle) -> None:
        """End the job's process, with all that it started, by SIGKILL."""
        self.cancel(handle, "SIGKILL", 0)

    def adopt(self, handle: Handle) -> bool:
        """Return whether the job's process still runs, or its end is noted."""
        if handle.get("engine") != ENGINE:
            return self._processes.adopt(handle)
        try:
            call = self._follow(handle)
        except (KeyError, TypeError):
            return False
        if call.process is None:
            return False
        return self._end(call) is not None or self._processes.adopt(call.process.handle)

    def forget(self, handle: Handle) -> None:
        """Release what is kept for the job; its process takes others."""
        if handle.get("engine") != ENGINE:
            self._processes.forget(handle)
            return
        call = self._calls.pop(handle["id"], None)
        if call is not None and call.is_adopted and call.process is not None:
            self._processes.forget(call.process.handle)

    def close(self) -> None:
        """Let the processes go: each ends when its job has. From then on jobs are looked up in their records."""
        self._pool.close()
        self._calls.clear()
        self._processes.close()
        if self._selector is not None:
            self._selector.close()
            self._selector = None

    def fileno(self) -> int:
        """Return a descriptor that is readable while ``poll`` has news."""
        if self._selector is not None:
            self._selector.close()
        self._selector = selectors.DefaultSelector()  # made anew: what it watches may be closed and open again
        for descriptor in (self._pool.fileno(), self._processes.fileno()):
            self._selector.register(descriptor, selectors.EVENT_READ)
        return self._selector.fileno()

    # ------------------------------------------------------------------------------------------------------------------

    def _follow(self, handle: Handle) -> Call:
        """Return what is known of a job; one of an earlier client is looked up in its record."""
        call = self._calls.get(handle["id"])
        if call is None:
            call = Call(request={name: handle[name] for name in ("id", "stdout", "stderr", "record")})
            first = next(iter(notes(handle["record"], handle["id"])), None)
            if first is None:
                return call
            process = first["handle"] or handle["process"]
            call.process = Process(name=handle["id"], surroundings=None, handle=process, call=call)
            self._calls[handle["id"]] = call
        return call

    @staticmethod
    def _end(call: Call) -> Mapping[str, Any] | None:
        """Return how the function ended, if it did: as its process said, or at least noted."""
        process = call.process
        if call.end is None and process is not None and (call.is_adopted or process.state.state is ENDED):
            written = notes(call.request["record"], call.request["id"])
            call.end = next((note for note in written if "code" in note), None)
        return call.end

    def _state(self, handle: Handle) -> Execution:
        call = self._follow(handle)
        process = call.process
        if call.refusal:
            return Execution(state=ENDED, cause=Cause.ENGINE, message=call.refusal)
        if process is None:
            return Execution(state=ENDED, cause=Cause.LOST, message="No process has begun the job, and none will.")
        if call.is_adopted:
            process.state = self._processes.poll({"it": process.handle})["it"]
        end = self._end(call)
        if end is None:
            if process.state.state is ENDED:
                return _crashed(call, process)
            return RUNNING if process.channel is not None or call.is_adopted else STARTING
        if call.stopping and process.state.state is not ENDED:  # the function has ended; what it started must, too
            self._processes.kill(process.handle)
            return RUNNING
        if process.call is call and not call.is_adopted:
            self._pool.release(process)
        return _ended(call, end)


def _differs(name: str) -> bool:
    """Return whether a variable may differ between the jobs of one process."""
    return name.startswith("WHATSNEXT_") and name not in SHARED


def _ended(call: Call, end: Mapping[str, Any]) -> Execution:
    """Return how a job stands whose function returned, or raised something."""
    stderr = Path(call.request["stderr"])
    execution = describe_end(end["code"], stderr, peak_memory=end["peak"], cpu_seconds=end["cpu"])
    return evolve(execution, message=f"{execution.message}: {end['trouble']}") if end.get("trouble") else execution


def _crashed(call: Call, process: Process) -> Execution:
    """Return how a job stands whose process has ended under it, or before it took it."""
    state = process.state
    begun = call.is_adopted or any(True for _ in notes(call.request["record"], call.request["id"]))
    if not begun:
        if state.cause is Cause.ENGINE:
            return state
        words = f"The Python process ended before it took the job. {state.message}".strip()
        return Execution(state=ENDED, cause=Cause.ENGINE, exit_code=state.exit_code, message=words)
    if state.exit_code is None:
        return state
    return describe_end(
        state.exit_code,
        Path(call.request["stderr"]),
        out_of_memory=state.cause is Cause.OOM,
        peak_memory=state.peak_memory,
        cpu_seconds=state.cpu_seconds,
    )
