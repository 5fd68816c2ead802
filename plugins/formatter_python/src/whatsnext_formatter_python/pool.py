"""The warm processes of one client: which of them takes a job, and what became of it."""

from __future__ import annotations

import json
import secrets
import selectors
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen

from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import Execution, ExecutionState, Handle, Invocation
from whatsnext_core.formatting.process import Processes
from whatsnext_formatter_python import warm
from whatsnext_formatter_python.options import PythonOptions

CHUNK: Final = 1 << 16
TRIES: Final = 3
"""Processes that may turn a job down, each for having grown old at that moment, before it counts as lost."""
LONGEST_ADDRESS: Final = 90
"""Characters of the path of a socket that every system takes."""


@frozen(kw_only=True)
class Surroundings:
    """What a process was started with, and cannot change later; jobs that agree in it may share processes."""

    python: str
    """The interpreter."""
    cwd: Path | None
    """The working directory."""
    env: frozenset[tuple[str, str]]
    """Variables, those excepted that differ from job to job."""


@define(eq=False)
class Call:
    """One job, as long as somebody asks for it."""

    request: Mapping[str, Any]
    """What a process is told of it."""
    surroundings: Surroundings | None = None
    """What it needs of a process; None for one that an earlier client gave to a process."""
    process: Process | None = None
    """The process that has it."""
    end: Mapping[str, Any] | None = None
    """How it ended, in the words of its process."""
    refusal: str = ""
    """Why no process could be had for it."""
    stopping: bool = False
    """Whether somebody wants its end."""
    tries: int = 0
    """Processes that were told of it."""

    @property
    def is_adopted(self) -> bool:
        """Whether an earlier client gave it to its process."""
        return self.surroundings is None


@define(eq=False)
class Process:
    """A warm process."""

    name: str
    """What it says when it connects."""
    surroundings: Surroundings | None
    """What it was started with; None if an earlier client started it."""
    handle: Handle
    """What finds it among the local processes."""
    channel: socket.socket | None = None
    """The way to it, once it has connected."""
    inbox: bytes = b""
    """What came of a line that is not complete."""
    call: Call | None = None
    """The job that it has."""
    worn: bool = False
    """Whether it takes no more jobs."""
    idle_since: float = 0.0
    """When it last had a job, by the monotonic clock."""
    state: Execution = field(factory=lambda: Execution(state=ExecutionState.RUNNING))
    """How it stands."""

    @property
    def is_free(self) -> bool:
        """Whether it waits for a job."""
        return self.call is None and self.channel is not None and not self.worn


class Pool:
    """Starts warm processes, gives them jobs, and lets them go."""

    def __init__(self, processes: Processes, options: PythonOptions) -> None:
        self._processes = processes
        self._options = options
        self._members: dict[str, Process] = {}
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._folder: Path | None = None

    def fileno(self) -> int:
        """Return a descriptor that is readable while there is something to take in."""
        return self._selector.fileno()

    def give(self, call: Call) -> None:
        """Have a job run, by a process that is free or else by a new one.

        Raises:
            EngineError: no process can be started.
        """
        call.tries += 1
        free = [each for each in self._members.values() if each.is_free and each.surroundings == call.surroundings]
        # The one that had a job last is the warmest, and the others may grow old enough to end.
        if free:
            chosen = max(free, key=lambda each: each.idle_since)
            self._send(chosen, {**call.request, "handle": chosen.handle})
        else:
            chosen = self._start(call)
        chosen.call, call.process = call, chosen

    def look(self) -> None:
        """Take in what the processes say, and how they stand."""
        while found := self._selector.select(0):
            for key, _ in found:
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.data, Process):
                    self._receive(key.data)
                elif isinstance(key.fileobj, socket.socket):
                    self._greet(key.fileobj)
        states = self._processes.poll({each.name: each.handle for each in self._members.values()})
        for name, state in states.items():
            self._members[name].state = state
            if state.state is ExecutionState.ENDED:
                self._bury(self._members[name])

    def release(self, process: Process) -> None:
        """Let a process be used again, or end it, now that its job is over."""
        process.call = None
        process.idle_since = time.monotonic()
        free = sorted((each for each in self._members.values() if each.is_free), key=lambda each: each.idle_since)
        for each in free[: max(0, len(free) - self._options.max_idle)]:
            self._dismiss(each)

    def close(self) -> None:
        """Let all processes go; each ends when its job has."""
        busy = any(each.call is not None and each.call.end is None for each in self._members.values())
        for each in list(self._members.values()):
            self._dismiss(each)
        self._members.clear()
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
        if self._folder is not None and not busy:  # else the ends of processes are still recorded in it
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    # ------------------------------------------------------------------------------------------------------------------

    def _start(self, call: Call) -> Process:
        """Start a process, which takes the job as soon as it has connected."""
        if self._listener is None:
            self._listen()
        assert self._folder is not None, "there is a folder as long as somebody listens"  # noqa: S101
        name = secrets.token_hex(8)
        home = self._folder / name
        home.mkdir(mode=0o700)
        limits = {
            "jobs": self._options.max_jobs,
            "growth": self._options.max_growth,
            "idle": self._options.idle_seconds,
        }
        first, wanted = home / "first.json", call.surroundings
        assert wanted is not None, "what an earlier client started is not started again"  # noqa: S101
        invocation = Invocation(
            key=f"python-{name}",
            argv=(wanted.python, warm.__file__, "serve", str(self._folder / "socket"), name, str(first)),
            env=dict(wanted.env),
            cwd=wanted.cwd,
            files={first: json.dumps({"limits": limits, "job": call.request}).encode()},
            stdout=home / "stdout.log",
            stderr=home / "stderr.log",
        )
        started = Process(name=name, surroundings=wanted, handle=self._processes.start(invocation))
        self._members[name] = started
        return started

    def _listen(self) -> None:
        folder = tempfile.mkdtemp(prefix="whatsnext-python-")
        if len(folder) > LONGEST_ADDRESS:
            shutil.rmtree(folder)
            folder = tempfile.mkdtemp(prefix="whatsnext-python-", dir="/tmp")
        self._folder = Path(folder)
        self._listener = socket.socket(socket.AF_UNIX)
        try:
            self._listener.bind(str(self._folder / "socket"))
        except OSError as error:
            self._listener.close()
            self._listener = None
            raise EngineError(f"The socket for warm processes cannot be made in {folder}: {error}.") from error
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while self._listener is not None:
                channel, _ = self._listener.accept()
                channel.setblocking(True)
                self._selector.register(channel, selectors.EVENT_READ)

    def _greet(self, channel: socket.socket) -> None:
        """Take in the name of a process that has connected."""
        self._selector.unregister(channel)
        try:
            greeting, _, more = channel.recv(CHUNK).partition(b"\n")
            process = self._members[json.loads(greeting)["hello"]]
        except (OSError, ValueError, KeyError):
            channel.close()
            return
        process.channel = channel
        self._hear(process, more)
        self._selector.register(channel, selectors.EVENT_READ, process)

    def _send(self, process: Process, message: Mapping[str, Any]) -> None:
        """Tell a process something; one that has gone is found out when it is read from."""
        assert process.channel is not None, "only who has connected is told something"  # noqa: S101
        with suppress(OSError):
            process.channel.sendall(json.dumps(message).encode() + b"\n")

    def _receive(self, process: Process) -> None:
        assert process.channel is not None, "it is registered with its channel"  # noqa: S101
        received = b""
        with suppress(OSError):
            received = process.channel.recv(CHUNK)
        if not received:
            self._cut(process)
            self._repeat(process)
            return
        self._hear(process, received)

    def _hear(self, process: Process, received: bytes) -> None:
        """Take in what a process says."""
        *lines, process.inbox = (process.inbox + received).split(b"\n")
        for message in map(json.loads, lines):
            call = process.call
            if call is None or message["id"] != call.request["id"]:
                continue
            if "stale" in message:
                process.worn = True
                self._repeat(process)
            else:
                process.worn = bool(message["worn"])
                call.end = message

    def _repeat(self, process: Process) -> None:
        """Give a job to another process, if this one has gone without having begun it."""
        call = process.call
        if call is None or call.end is not None or call.stopping or call.tries >= TRIES or has_begun(call.request):
            return
        process.call = call.process = None
        try:
            self.give(call)
        except EngineError as error:
            call.refusal = str(error)

    def _dismiss(self, process: Process) -> None:
        process.worn = True
        if process.channel is not None:
            self._cut(process)

    def _cut(self, process: Process) -> None:
        assert process.channel is not None, "it is cut once"  # noqa: S101
        self._selector.unregister(process.channel)
        process.channel.close()
        process.channel, process.worn = None, True

    def _bury(self, process: Process) -> None:
        """Forget a process that has ended; whoever has its job still sees how."""
        if process.channel is not None:
            self._receive(process)  # its last words, or that it is gone
            if process.channel is not None:
                self._cut(process)
        self._repeat(process)
        del self._members[process.name]
        self._processes.forget(process.handle)
        if self._folder is not None and process.call is None:
            shutil.rmtree(self._folder / process.name, ignore_errors=True)


def has_begun(request: Mapping[str, Any]) -> bool:
    """Return whether a process noted that it began the job."""
    return any(True for _ in notes(request["record"], request["id"]))


def notes(record: str, job: str) -> Iterator[Mapping[str, Any]]:
    """Come to what was noted of a job: its process, and then its end."""
    with suppress(OSError, ValueError):
        for line in Path(record).read_text(encoding="utf-8").splitlines():
            note = json.loads(line)
            if note.get("id") == job:
                yield note
