"""A formatter that hands jobs to task spooler (``tsp``), the queue that people share on one machine."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import Execution, ExecutionState, Formatter, Handle, Invocation, to_arguments
from whatsnext_core.formatting.ends import describe_end
from whatsnext_core.hookspecs import FormatterPlugin, hookimpl
from whatsnext_core.model import Cause

SCRIPT = 'out=$1 err=$2 in=$3; shift 3; exec "$@" >"$out" 2>"$err" <"$in"'
LINE = re.compile(r"(?P<id>\d+) +(?P<state>\w+) +\S+ +(?:(?P<code>-?\d+) +\S+ +)?\[(?P<label>whatsnext-[\w-]+)\]")


class TaskSpoolerFormatter(Formatter):
    """Queues each job for as many slots as it has CPUs; a label tells it from everybody else's."""

    def __init__(self) -> None:
        self._ending: dict[str, tuple[int, float]] = {}  # by label, the process group, and until when it may go on

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:
        """Return the command of a task without a template: the program of its name, with the parameters as options."""
        return [task, *to_arguments(parameters)]

    def start(self, invocation: Invocation) -> Handle:
        """Queue the job."""
        label, stdin = f"whatsnext-{invocation.key}-{secrets.token_hex(4)}", Path(f"{invocation.stdout}.in")
        for file, content in {**invocation.files, stdin: invocation.stdin}.items():
            file.write_bytes(content)
        words = ["-n", "-L", label, "-N", str(max(1, int(invocation.env["WHATSNEXT_CPUS"])))]
        words += ["sh", "-c", SCRIPT, "sh", str(invocation.stdout), str(invocation.stderr), str(stdin)]
        tsp(*words, *invocation.argv, env={**os.environ, **invocation.env}, cwd=invocation.cwd)
        return {"label": label, "stdout": str(invocation.stdout), "stderr": str(invocation.stderr)}

    def poll(self, handles: Mapping[str, Handle]) -> Mapping[str, Execution]:
        """Return how the jobs stand, by one look at the queue."""
        queue = self._queue() if handles else {}
        for label, (group, deadline) in list(self._ending.items()):
            if label not in queue or queue[label]["state"] != "running" or time.monotonic() > deadline:
                send("SIGKILL", group)  # also to what its first process left behind
        return {key: self._judge(queue.get(handle["label"]), handle) for key, handle in handles.items()}

    def cancel(self, handle: Handle, signal: str = "SIGTERM", grace: float = 30.0) -> None:
        """Take the job off the queue, or send the signal to all that it started; ``poll`` kills after the grace."""
        job = self._queue().get(handle["label"], {"state": "gone"})
        if job["state"] == "running":
            send(signal, group := int(tsp("-p", job["id"])))
            self._ending[handle["label"]] = (group, time.monotonic() + grace)
        elif job["state"] == "queued":
            tsp("-r", job["id"])

    def kill(self, handle: Handle) -> None:
        self.cancel(handle, "SIGKILL", 0)

    def adopt(self, handle: Handle) -> bool:
        """Return whether the queue knows the job."""
        return handle.get("label") in self._queue()

    def forget(self, handle: Handle) -> None:
        """Take the job off the list of those that ended."""
        self._ending.pop(handle["label"], None)
        if job := self._queue().get(handle["label"]):
            tsp("-r", job["id"])

    def _judge(self, job: Mapping[str, str] | None, handle: Handle) -> Execution:
        if job is None:
            return Execution(state=ExecutionState.ENDED, cause=Cause.LOST, message="It left the queue unseen.")
        if job["state"] != "finished":
            return Execution(state=ExecutionState[{"running": "RUNNING"}.get(job["state"], "WAITING")])
        killed = re.search(r"signal (\d+)", tsp("-i", job["id"])) if job["code"] == "-1" else None
        return describe_end(-int(killed[1]) if killed else int(job["code"]) % 256, Path(handle["stderr"]))

    def _queue(self) -> dict[str, dict[str, str]]:
        return {found["label"]: found.groupdict() for found in LINE.finditer(tsp("-l"))}


def tsp(*arguments: str, **where: Any) -> str:
    try:
        return subprocess.run(["tsp", *arguments], capture_output=True, check=True, timeout=30, **where).stdout.decode()
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineError(f"Task spooler does not do what it is told: {error}.") from error


def send(signal: str, group: int) -> None:
    subprocess.run(["kill", "-s", signal, "--", f"-{group}"], capture_output=True, check=False)


@hookimpl
def whatsnext_formatters() -> list[FormatterPlugin]:
    return [FormatterPlugin(name="task-spooler", summary="task spooler", factory=lambda _: TaskSpoolerFormatter())]
