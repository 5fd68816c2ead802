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
- ``{"sync"}`` is answered by the same, after everything else.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

CHUNK = 1 << 16
OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
RECORD = os.O_WRONLY | os.O_CREAT | os.O_APPEND
MOST_FILES = 1 << 16
"""Up to this number, what the client left open for its children is closed."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
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
    except OSError:
        return ""
    try:
        fields = os.read(file, 4096).rpartition(b")")[2].split()
    finally:
        os.close(file)
    return f"{boot_id()}/{fields[19].decode()}"


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
        self._connected = True
        self._children: dict[int, dict[str, Any]] = {}
        self._environ: dict[str, str] = {}
        self._cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()

    def run(self) -> None:
        """Serve until the client has gone and the last process has ended."""
        awake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        while self._connected or self._children:
            readers: list[int | socket.socket] = [awake, self._channel] if self._connected else [awake]
            writers = [self._channel] if self._connected and self._urgent else []
            readable, _, _ = select.select(readers, writers, [])
            if awake in readable:
                os.read(awake, CHUNK)
                self._reap()
            if self._channel in readable:
                self._serve()
            if self._connected and self._urgent:
                self._flush()

    def _serve(self) -> None:
        received = b""
        with suppress(OSError):
            received = self._channel.recv(CHUNK)
        if not received:
            self._connected = False
            return
        *lines, self._inbox = (self._inbox + received).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "environ" in request:
                self._environ = request["environ"]
            elif "sync" in request:
                self._send(request, urgent=True)
            else:
                self._start(request)

    def _start(self, request: dict[str, Any]) -> None:
        path = request["cwd"]
        now = time.time()
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
            self._children[pid] = {"id": request["id"], "process": request["process"]}
            start = {"id": request["id"], "pid": pid, "birth": birth_of(pid, now)}
            self._record(request["process"], start)
            self._send(start, urgent=False)
        finally:
            os.chdir("/")
            if request.get("cpus"):
                os.sched_setaffinity(0, self._cpus)

    def _reap(self) -> None:
        while self._children:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid)
            end = {
                "id": child["id"],
                "code": os.waitstatus_to_exitcode(status),
                "cpu": round(usage.ru_utime + usage.ru_stime, 6),
                "peak": usage.ru_maxrss * MEMORY_UNIT,
            }
            self._record(child["process"], end)
            self._send(end, urgent=True)

    @staticmethod
    def _record(path: str, line: dict[str, Any]) -> None:
        """Write one line in one piece; a folder that is gone wants no record."""
        with suppress(OSError):
            file = os.open(path, RECORD, 0o666)
            try:
                os.write(file, json.dumps(line).encode() + b"\n")
            finally:
                os.close(file)

    def _send(self, message: dict[str, Any], *, urgent: bool) -> None:
        self._outbox += json.dumps(message).encode() + b"\n"
        self._urgent = self._urgent or urgent

    def _flush(self) -> None:
        with suppress(OSError):  # full: it goes on later; broken: the next thing to be read is the end
            self._outbox = self._outbox[self._channel.send(self._outbox, socket.MSG_DONTWAIT) :]
        self._urgent = bool(self._outbox)


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
