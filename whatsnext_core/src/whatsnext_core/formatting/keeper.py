"""The keeper: a small process that starts a client's local jobs, waits for them, and writes down how each ended.

The client runs this file as a program, with one end of a socket as its standard input. It uses nothing but the
standard library, so that it is small and quick to start. It outlives the client as long as jobs run: a job's parent
must live on to learn its exit code, and the record that it then writes is how a restarted client gets to know it.

Requests and answers are lines of JSON:

- ``{"environ"}`` sets the environment of what is started from then on.
- ``{"id", "program", "argv", "env", "cwd", "stdin", "stdout", "stderr", "process"}`` starts a process, with ``env``
  added to that; with ``cpus``, a list of numbers, it and all that it starts run on these CPUs. If the system refuses
  it, the answer is ``{"id", "errno", "path"}``. Else ``{"id", "pid", "birth"}`` is written to the file ``process`` at
  once, but sent only with the next thing that is worth waking the client for; when the process has ended,
  ``{"id", "code", "cpu", "peak"}`` is added to the file and sent.
- With ``width`` and ``until`` it waits for its turn: it is started when fewer than ``width`` of those that take turns
  run, as the last such request said, in the order of the requests. If its turn has not come ``until`` then, by the
  monotonic clock, or if the client has gone, it is never started. ``{"id", "returned"}`` says so, also in the file
  ``process``: whoever reads it there can be sure that it never began and never will.
- ``{"withdraw"}`` names some that are not to be started any more; the answer is ``{"id", "returned"}`` for those whose
  turn had not come.
- ``{"hold"}`` names one whose end makes nobody's turn come before ``{"gone"}`` names it: others of its family may live
  on until then. So it is, without being asked, with one that a signal ends.
- ``{"sync"}`` is answered by the same, after everything else.

The ends of those that take turns do not wake the client one by one, as long as enough others wait for theirs; their
starts do, unless they have ended soon after.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

CHUNK = 1 << 16
OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
RECORD = os.O_WRONLY | os.O_CREAT | os.O_APPEND
MOST_FILES = 1 << 16
"""Up to this number, what the client left open for its children is closed."""
ENOUGH = 8
"""Requests that wait for their turn, of which more are not needed soon."""
GATHER = 0.01
"""Seconds that ends are kept for before the client is woken, while there are more."""
TELL_WITHIN = 0.05
"""Seconds after which the client is woken to hear that one runs whose turn has come."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
"""Clock ticks in a second."""
MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in the unit of ``ru_maxrss``."""


def birth_of(pid: int, now: float) -> str:
    """Return what tells this process from a later one with the same number, or "" if there is none.

    On Linux its start in clock ticks since the boot, with the boot's id; elsewhere ``now``, the time of day then.
    """
    if sys.platform != "linux":
        return f"{now:.3f}"
    try:
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
        try:
            fields = os.read(file, 4096).rpartition(b")")[2].split()
        finally:
            os.close(file)
    except OSError:  # there is none, or it has gone since the file was opened
        return ""
    return f"{boot_id()}/{fields[19].decode()}"


def ticks_since_boot() -> int:
    """Return the present moment as the system tells the start of a process: in clock ticks since the boot."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) * TICKS // 10**9 if sys.platform == "linux" else 0


@cache
def boot_id() -> str:
    """Return what tells this run of the system from its other ones, if the system says so."""
    with suppress(OSError):
        return BOOT_ID.read_text(encoding="ascii").strip()
    return ""


class Keeper:
    """Starts processes on request, and reports their ends."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._inbox = b""
        self._outbox = b""
        self._urgent = False
        self._due: float | None = None
        """When an end is to be told that need not be told at once."""
        self._tell_by: float | None = None
        """When a start is to be told."""
        self._connected = True
        self._children: dict[int, dict[str, Any]] = {}
        self._environ: dict[str, str] = {}
        self._clock_is_right = False
        """Whether the system tells the start of a process by the clock that we read, as far as was seen."""
        self._cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        self._line: deque[dict[str, Any]] = deque()
        self._too_late = float("inf")
        """No later than when it is too late for the first of those in line."""
        self._width = 0
        self._turns: set[str] = set()
        """Those whose turn it is: they run, or some of their family may."""
        self._held: set[str] = set()

    def run(self) -> None:
        """Serve until the client has gone and the last process has ended."""
        awake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        while self._connected or self._children:
            readers: list[int | socket.socket] = [awake, self._channel] if self._connected else [awake]
            writers = [self._channel] if self._connected and self._urgent else []
            readable, _, _ = select.select(readers, writers, [], self._pause())
            if awake in readable:
                os.read(awake, CHUNK)
                self._reap()
            if self._channel in readable:
                self._serve()
            self._take_turns()
            if self._connected and (self._urgent or self._is_due()):
                self._flush()

    def _pause(self) -> float | None:
        """Return the seconds after which there is something to do though nothing happens; None for never."""
        moments = [self._too_late] if self._line else []
        if self._connected:
            moments += [moment for moment in (self._due, self._tell_by) if moment is not None]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _is_due(self) -> bool:
        if self._due is not None and len(self._line) < ENOUGH:
            return True
        moments = [moment for moment in (self._due, self._tell_by) if moment is not None]
        return bool(moments) and time.monotonic() >= min(moments)

    def _serve(self) -> None:
        """Obey all that has come from the client, and notice if it has gone: that is known only after the last word."""
        while True:
            try:
                received = self._channel.recv(CHUNK, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                received = b""
            if not received:
                self._connected = False
                self._return(lambda _: True)
                return
            *lines, self._inbox = (self._inbox + received).split(b"\n")
            for line in lines:
                self._obey(json.loads(line))

    def _obey(self, request: dict[str, Any]) -> None:
        if "width" in request:
            self._width = request["width"]
            self._line.append(request)
            self._too_late = min(self._too_late, request["until"])
        elif "program" in request:
            self._start(request)
        elif "environ" in request:
            self._environ = request["environ"]
        elif "withdraw" in request:
            self._return(lambda waiting: waiting["id"] in request["withdraw"])
        elif "hold" in request:
            self._held.add(request["hold"])
        elif "gone" in request:
            self._forget(request["gone"])
        else:
            self._send(request, urgent=True)

    def _forget(self, name: str) -> None:
        """Let the turn of somebody else come, as soon as this one has ended."""
        self._held.discard(name)
        for child in self._children.values():
            if child["id"] == name:
                child["forgotten"] = True
                return
        self._turns.discard(name)

    def _take_turns(self) -> None:
        """Start those whose turn it is, unless nobody is there any more who would know of it."""
        if self._line and (now := time.monotonic()) >= self._too_late:
            self._return(lambda request: request["until"] <= now)
        while self._is_turn() and self._is_still_turn():
            self._start(self._line.popleft())

    def _is_turn(self) -> bool:
        return bool(self._line) and len(self._turns) < self._width

    def _is_still_turn(self) -> bool:
        """Return whether the client is there, and does not want it back."""
        self._serve()
        return self._is_turn()

    def _return(self, which: Callable[[dict[str, Any]], bool]) -> None:
        """Say of some that wait for their turn that they are never started, and write it down."""
        waiting, self._line = self._line, deque()
        for request in waiting:
            if which(request):
                message = {"id": request["id"], "returned": True}
                self._write(request, json.dumps(message).encode() + b"\n")
                self._send(message, urgent=True)
            else:
                self._line.append(request)
        self._too_late = min((request["until"] for request in self._line), default=float("inf"))

    def _start(self, request: dict[str, Any]) -> None:
        path = request["cwd"]
        now, tick = time.time(), ticks_since_boot()
        try:
            os.chdir(path)
            if cpus := request.get("cpus"):
                path = f"its CPUs are {cpus}"
                os.sched_setaffinity(0, cpus)  # what is started inherits it, from its first moment
            path = request["program"]
            # Nothing else is inheritable, so nothing else is open in the new process.
            pid = os.posix_spawn(
                path,
                request["argv"],
                self._environ | request["env"],
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, request["stdin"], os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, request["stdout"], OUTPUT, 0o666),
                    (os.POSIX_SPAWN_OPEN, 2, request["stderr"], OUTPUT, 0o666),
                ],
                setsid=True,
            )
        except OSError as error:
            self._send({"id": request["id"], "errno": error.errno, "path": path}, urgent=True)
        except ValueError as error:
            self._send({"id": request["id"], "errno": None, "path": str(error)}, urgent=True)
        else:
            child = {"id": request["id"], "process": request["process"], "since": time.monotonic()}
            self._children[pid] = child
            if "width" in request:
                self._turns.add(request["id"])
            self._record(child, f'"pid": {pid}, "birth": "{self.birth(pid, now, tick)}"', last=False)
        finally:
            os.chdir("/")
            if request.get("cpus"):
                os.sched_setaffinity(0, self._cpus)

    def birth(self, pid: int, now: float, tick: int) -> str:
        """Return what ``birth_of`` does of a process that was started after ``now`` and ``tick``.

        If the tick is still the same, it is the process's, too: to ask the system costs a quarter of all that is done
        here for a short job.
        """
        is_sure = tick == ticks_since_boot() and sys.platform == "linux"
        birth = f"{boot_id()}/{tick}"
        if is_sure and self._clock_is_right:
            return birth
        told = birth_of(pid, now)
        if is_sure:
            self._clock_is_right = told == birth
        return told

    def _reap(self) -> None:
        while self._children:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            cpu, took = usage.ru_utime + usage.ru_stime, time.monotonic() - child["since"]
            peak = usage.ru_maxrss * MEMORY_UNIT
            self._record(child, f'"code": {code}, "cpu": {cpu:.6f}, "peak": {peak}, "took": {took:.6f}', last=True)
            if "forgotten" in child or (code >= 0 and child["id"] not in self._held):
                self._turns.discard(child["id"])

    def _record(self, child: dict[str, Any], members: str, *, last: bool) -> None:
        """Write one line with these members of an object, and send it."""
        line = f'{{"id": {json.dumps(child["id"])}, {members}}}\n'.encode()
        takes_turns = child["id"] in self._turns
        self._write(child, line, keep=takes_turns and not last)
        self._outbox += line
        if takes_turns:
            if last:
                self._due = self._due or time.monotonic() + GATHER
            else:
                self._tell_by = self._tell_by or time.monotonic() + TELL_WITHIN
        elif last:
            self._urgent = True

    @staticmethod
    def _write(child: dict[str, Any], line: bytes, *, keep: bool = False) -> None:
        """Write one line in one piece; a folder that is gone wants no record.

        The file is kept open until the next line if so wanted: of those that take turns there are never many.
        """
        with suppress(OSError):
            file = child.pop("file", None)
            if file is None:
                file = os.open(child["process"], RECORD, 0o666)
            try:
                os.write(file, line)
            finally:
                if keep:
                    child["file"] = file
                else:
                    os.close(file)

    def _send(self, message: dict[str, Any], *, urgent: bool) -> None:
        self._outbox += json.dumps(message).encode() + b"\n"
        self._urgent = self._urgent or urgent

    def _flush(self) -> None:
        with suppress(OSError):  # full: it goes on later; broken: the next thing to be read is the end
            self._outbox = self._outbox[self._channel.send(self._outbox, socket.MSG_DONTWAIT) :]
        self._urgent, self._due, self._tell_by = bool(self._outbox), None, None


def main() -> None:
    """Serve the socket that is the standard input."""
    os.setsid()
    os.closerange(3, MOST_FILES)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # Handlers, not SIG_IGN: a process that is started must not inherit deafness. The ends of the jobs of a service
    # that is being stopped are still recorded.
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    Keeper(socket.socket(fileno=0)).run()


if __name__ == "__main__":
    main()
