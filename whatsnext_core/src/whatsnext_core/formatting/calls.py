"""Runs commands by a formatter's own ``execute``, each in a thread."""

from __future__ import annotations

import functools
import secrets
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from attrs import define, field

from whatsnext_core.formatting.contract import Execution, ExecutionState, Handle, Invocation
from whatsnext_core.formatting.ends import describe_end
from whatsnext_core.formatting.family import Snapshot
from whatsnext_core.formatting.news import Bell
from whatsnext_core.formatting.process import RUNNING, write_files
from whatsnext_core.formatting.stopping import Stop
from whatsnext_core.model.limits import shorten
from whatsnext_core.model.status import Cause

Execute = Callable[[list[str]], "subprocess.CompletedProcess[Any]"]


@define
class _Call:
    """One call of ``execute``."""

    invocation: Invocation
    bell: Bell
    stop: Stop = field(init=False)
    thread: threading.Thread = field(init=False)
    execution: Execution = field(default=RUNNING)
    told: bool = False
    """Whether ``poll`` was asked for it since it ended."""


class Calls:
    """Calls ``execute`` for each command, and keeps what it returned; meets ``Engine``, but for ``prepare``.

    A call itself cannot be interrupted. What ends on ``cancel`` are the processes that its thread started, where the
    system tells which these are (Linux); elsewhere the execution ends when ``execute`` returns. A call does not survive
    its client.
    """

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._calls: dict[str, _Call] = {}
        self._bell: Bell | None = None

    def start(self, invocation: Invocation) -> Handle:
        """Start a thread that calls ``execute``, and return a handle that is good in this process."""
        write_files(invocation)
        mark = f"{invocation.key}.{secrets.token_hex(6)}"
        call = _Call(invocation, self._rope())
        call.thread = threading.Thread(target=self._run, args=(call,), name=f"execute {invocation.key}", daemon=True)
        call.stop = Stop(_Started(call.thread))
        self._calls[mark] = call
        call.thread.start()
        return {"call": mark, "stdout": str(invocation.stdout), "stderr": str(invocation.stderr)}

    def poll(self, handles: Mapping[str, Handle]) -> Mapping[str, Execution]:
        """Return how the calls stand; one of an earlier client is lost."""
        self._rope().silence()
        look = functools.cache(Snapshot)
        executions = {key: self._state(handle, look) for key, handle in handles.items()}
        if any(call.execution is not RUNNING and not call.told for call in self._calls.values()):
            self._rope().ring()
        return executions

    def cancel(self, handle: Handle, signal: str, grace: float) -> None:
        """Send the signal to the processes that the call started, and SIGKILL after the grace.

        Raises:
            EngineError: there is no such signal here.
        """
        if call := self._calls.get(handle["call"]):
            call.stop.ask(signal, grace)
            call.stop.advance(Snapshot, root_ended=False)

    def kill(self, handle: Handle) -> None:
        """Send SIGKILL to the processes that the call started."""
        self.cancel(handle, "SIGKILL", 0)

    def adopt(self, handle: Handle) -> bool:
        """Return whether the call was made in this process."""
        return handle.get("call") in self._calls

    def forget(self, handle: Handle) -> None:
        """Forget it."""
        self._calls.pop(handle["call"], None)

    def close(self) -> None:
        """Close the descriptor; threads that run end by themselves."""
        if self._bell is not None:
            self._bell.close()
        self._bell = None

    def fileno(self) -> int:
        """Return a descriptor that is readable while ``poll`` has news."""
        return self._rope().fileno()

    def _rope(self) -> Bell:
        self._bell = self._bell or Bell()
        return self._bell

    def _state(self, handle: Handle, look: Callable[[], Snapshot]) -> Execution:
        call = self._calls.get(handle["call"])
        if call is None:
            return Execution(
                state=ExecutionState.ENDED,
                cause=Cause.LOST,
                message="The client that ran it by a formatter's own 'execute' has gone.",
            )
        if (execution := call.execution) is RUNNING:
            call.stop.advance(look, root_ended=False)
            return RUNNING
        call.told = True
        return execution

    def _run(self, call: _Call) -> None:
        try:
            call.execution = self._call(call.invocation)
        except BaseException as error:  # noqa: BLE001 - whatever a stranger's method raises is the job's failure
            call.execution = Execution(
                state=ExecutionState.ENDED,
                cause=Cause.ENGINE,
                message=f"The formatter's 'execute' failed: {type(error).__name__}: {error}",
            )
        call.bell.ring()

    def _call(self, invocation: Invocation) -> Execution:
        done = self._execute(list(invocation.argv))
        code = getattr(done, "returncode", None)
        if not isinstance(code, int):
            raise TypeError(f"it returned {shorten(done)}, and not a subprocess.CompletedProcess with a return code")
        for path, output in ((invocation.stdout, done.stdout), (invocation.stderr, done.stderr)):
            path.write_bytes(_to_bytes(output))
        return describe_end(code, invocation.stderr)


def _to_bytes(output: str | bytes | None) -> bytes:
    return output.encode(errors="surrogateescape") if isinstance(output, str) else output or b""


class _Started:
    """The processes that a thread started, also when those between have ended meanwhile."""

    def __init__(self, thread: threading.Thread) -> None:
        self._thread = thread
        self._known: list[psutil.Process] = []

    def __call__(self, snapshot: Snapshot) -> list[psutil.Process]:
        """Return those that have not ended."""
        known = [process.pid for process in self._known if process in snapshot]
        children = Path(f"/proc/self/task/{self._thread.native_id}/children")
        with suppress(OSError):
            known += map(int, children.read_text(encoding="ascii").split())
        self._known = snapshot.below(known)
        return self._known
