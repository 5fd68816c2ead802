"""Runs commands as local processes, each in a session of its own, with its output straight to files.

A small process, the keeper, is their parent: it starts them, waits for them, and records their exit codes in a file
beside their output, so that a client that was restarted learns of ends that it did not see. One socket brings all ends,
so ``poll`` asks the system nothing about a process that still runs.
"""

from __future__ import annotations

import functools
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import define

from whatsnext_core.errors import EngineError
from whatsnext_core.formatting.channel import KeeperChannel
from whatsnext_core.formatting.contract import Execution, ExecutionState, Handle, Invocation
from whatsnext_core.formatting.ends import MemoryWatch, describe_end, was_killed
from whatsnext_core.formatting.family import MARK, Root, Snapshot
from whatsnext_core.formatting.programs import check_folder, find_program, refusal
from whatsnext_core.formatting.stopping import Stop
from whatsnext_core.model.status import Cause

LOST_AFTER: Final = 5.0
"""Seconds after which a process that has gone without a record of its end counts as lost."""
RUNNING: Final = Execution(state=ExecutionState.RUNNING)
LOST: Final = Execution(
    state=ExecutionState.ENDED,
    cause=Cause.LOST,
    message="The process has gone and nobody saw how it ended: the machine was restarted, or its parent was killed.",
)


@define
class _Followed:
    """What is known of one execution, beyond its handle."""

    stop: Stop
    kept: bool = False
    """Whether the present keeper will tell its end."""
    record: Mapping[str, Any] | None = None
    """How its first process ended, as the keeper saw it."""
    gone_at: float | None = None
    """When its first process was seen to be gone, with no record of its end."""
    ending: Execution | None = None
    """The same for the client; what else it started may still run."""
    settled: bool = False
    """Whether nothing of it is left."""


class Processes:
    """Starts, watches and ends local processes; meets ``Engine``, but for ``prepare``."""

    def __init__(self) -> None:
        self._channel = KeeperChannel()
        self._followed: dict[str, _Followed] = {}
        self._memory = MemoryWatch()

    def start(self, invocation: Invocation) -> Handle:
        """Start it and return its handle.

        Raises:
            EngineError: its program, working directory or files are not there or not allowed.
        """
        cwd = Path.cwd() / (invocation.cwd or "")
        check_folder(cwd)
        path = invocation.env.get("PATH", os.environ.get("PATH", os.defpath))
        program = find_program(invocation.argv[0], path, cwd)
        mark = f"{invocation.key}.{secrets.token_hex(6)}"
        end = invocation.stdout.with_name("end.json")
        request = {
            "id": mark,
            "program": program,
            "argv": invocation.argv,
            "env": {**invocation.env, MARK: mark},
            "cwd": str(cwd),
            "stdin": write_files(invocation),
            "stdout": str(invocation.stdout),
            "stderr": str(invocation.stderr),
            "exit": str(end),
        }
        answer = self._channel.start(request)
        if "pid" not in answer:
            raise refusal(answer["errno"], answer["path"], invocation.argv)
        handle = {
            "pid": answer["pid"],
            "birth": answer["birth"],
            "mark": mark,
            "stdout": str(invocation.stdout),
            "stderr": str(invocation.stderr),
            "end": str(end),
        }
        self._followed[mark] = _Followed(stop=_stop(handle), kept=True)
        return handle

    def poll(self, handles: Mapping[str, Handle]) -> Mapping[str, Execution]:
        """Return how the executions stand, and take the next step with those that are being ended."""
        for end in self._channel.ends():
            if followed := self._followed.get(end["id"]):
                followed.record = end
        if not self._channel.connected:
            for followed in self._followed.values():
                followed.kept = False
        look = functools.cache(Snapshot)
        return {key: self._state(handle, look) for key, handle in handles.items()}

    def cancel(self, handle: Handle, signal: str, grace: float) -> None:
        """Send the signal to its processes; ``poll`` sends SIGKILL to those that are left after the grace.

        Raises:
            EngineError: there is no such signal here.
        """
        self._follow(handle).stop.ask(signal, grace)

    def kill(self, handle: Handle) -> None:
        """Send SIGKILL to its processes now, and with each ``poll`` until none is left."""
        self.cancel(handle, "SIGKILL", 0)

    def adopt(self, handle: Handle) -> bool:
        """Return whether the process still runs, or its end is recorded."""
        try:
            return _read_record(handle) is not None or _root(handle).runs()
        except (KeyError, TypeError):
            return False

    def forget(self, handle: Handle) -> None:
        """Forget it; its files stay."""
        self._followed.pop(handle["mark"], None)

    def close(self) -> None:
        """Let the keeper go; it stays until the last process has ended."""
        self._channel.close(idle=not any(each.kept and each.record is None for each in self._followed.values()))

    def fileno(self) -> int:
        """Return a descriptor that is readable while ``poll`` has news."""
        return self._channel.fileno()

    def _follow(self, handle: Handle) -> _Followed:
        if handle["mark"] not in self._followed:
            self._followed[handle["mark"]] = _Followed(stop=_stop(handle))
        return self._followed[handle["mark"]]

    def _state(self, handle: Handle, look: Callable[[], Snapshot]) -> Execution:
        followed = self._follow(handle)
        if followed.ending is None:
            followed.ending = self._ending(handle, followed)
        if followed.ending is None:
            followed.stop.advance(look, root_ended=False)
            return RUNNING
        if not followed.settled:
            code = followed.ending.exit_code
            if not followed.stop.asked and (code is None or code < 0):
                followed.stop.ask("SIGKILL", 0)
            followed.settled = not followed.stop.asked or followed.stop.advance(look, root_ended=True)
        return followed.ending if followed.settled else RUNNING

    def _ending(self, handle: Handle, followed: _Followed) -> Execution | None:
        record = followed.record or (None if followed.kept else _read_record(handle))
        if record is not None:
            code = record["code"]
            killed = was_killed(code) and not followed.stop.forced
            return describe_end(
                code,
                Path(handle["stderr"]),
                out_of_memory=killed and self._memory.struck(),
                peak_memory=record["peak"],
                cpu_seconds=record["cpu"],
            )
        if followed.kept or _root(handle).runs():
            return None
        now = time.monotonic()
        followed.gone_at = followed.gone_at or now
        return LOST if now - followed.gone_at >= LOST_AFTER else None


def _root(handle: Handle) -> Root:
    return Root(pid=handle["pid"], birth=handle["birth"], mark=handle["mark"])


def _stop(handle: Handle) -> Stop:
    root = _root(handle)
    return Stop(lambda snapshot: snapshot.family(root), root)


def _read_record(handle: Handle) -> Mapping[str, Any] | None:
    try:
        record = json.loads(Path(handle["end"]).read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("id") == handle["mark"] else None


def write_files(invocation: Invocation) -> str:
    """Write the files of the invocation, and return the one that is its standard input."""
    files = dict(invocation.files)
    stdin = Path(os.devnull)
    if invocation.stdin:
        stdin = invocation.stdout.with_name("stdin")
        files[stdin] = invocation.stdin
    for path, content in files.items():
        try:
            path.write_bytes(content)
        except OSError as error:
            raise EngineError(
                f"The file {str(path)!r} of attempt {invocation.key} cannot be written: {error}."
            ) from error
    return str(stdin)
