"""The keeper: a small process that starts a client's local jobs, waits for them, and writes down how each ended.

The client runs this file as a program, with one end of a socket as its standard input. It uses nothing but the
standard library, so that it is small and quick to start. It outlives the client as long as jobs run: a job's parent
must live on to learn its exit code, and the record that it then writes is how a restarted client gets to know it.

Requests and answers are lines of JSON. ``{"environ"}`` sets the environment of what is started from then on.
``{"id", "program", "argv", "env", "cwd", "stdin", "stdout", "stderr", "exit"}`` starts a process, with ``env`` added to
that, and is answered by ``{"id", "pid", "birth"}`` or ``{"id", "errno", "path"}``. When it has ended, ``{"id", "code",
"cpu", "peak"}`` is written to the file ``exit`` and then sent.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

CHUNK = 1 << 16
MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in the unit of ``ru_maxrss``."""


def birth_of(pid: int, now: float) -> str:
    """Return what tells this process from a later one with the same number, or "" if there is none.

    On Linux its start in clock ticks since the boot, with the boot's id; elsewhere ``now``, the time of day then.
    """
    if sys.platform != "linux":
        return f"{now:.3f}"
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return ""
    return f"{_boot_id()}/{fields[19].decode()}"


def _boot_id() -> str:
    if not _BOOT_ID:
        try:
            _BOOT_ID.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        except OSError:
            _BOOT_ID.append("unknown")
    return _BOOT_ID[0]


_BOOT_ID: list[str] = []


class Keeper:
    """Starts processes on request, and reports their ends."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._inbox = b""
        self._outbox = b""
        self._children: dict[int, tuple[int, str]] = {}
        self._connected = True
        self._environ: dict[str, str] = {}

    def run(self) -> None:
        """Serve until the client has gone and the last process has ended."""
        awake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._channel.setblocking(False)
        while self._connected or self._children:
            readers: list[int | socket.socket] = [awake, self._channel] if self._connected else [awake]
            writers = [self._channel] if self._connected and self._outbox else []
            readable, writable, _ = select.select(readers, writers, [])
            if awake in readable:
                os.read(awake, CHUNK)
                self._reap()
            if self._channel in readable:
                self._serve()
            if writable or self._outbox:
                self._flush()

    def _serve(self) -> None:
        try:
            received = self._channel.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._connected = False
            return
        *lines, self._inbox = (self._inbox + received).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "environ" in request:
                self._environ = request["environ"]
            else:
                self._start(request)

    def _start(self, request: dict[str, Any]) -> None:
        number = request["id"]
        files: list[int] = []
        try:
            for name, flags in _FILES:
                files.append(os.open(request[name], flags, 0o666))
            now = time.time()
            # The process outlives this object: it is waited for by its number, and Popen need not know.
            process = subprocess.Popen(
                request["argv"],
                executable=request["program"],
                env=self._environ | request["env"],
                cwd=request["cwd"],
                stdin=files[0],
                stdout=files[1],
                stderr=files[2],
                start_new_session=True,
            )
            process.returncode = 0
        except OSError as error:
            self._send({"id": number, "errno": error.errno, "path": error.filename})
        except ValueError as error:
            self._send({"id": number, "errno": None, "path": str(error)})
        else:
            self._children[process.pid] = (number, request["exit"])
            self._send({"id": number, "pid": process.pid, "birth": birth_of(process.pid, now)})
        finally:
            for file in files:
                os.close(file)

    def _reap(self) -> None:
        while self._children:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            number, path = self._children.pop(pid)
            end = {
                "id": number,
                "code": os.waitstatus_to_exitcode(status),
                "cpu": round(usage.ru_utime + usage.ru_stime, 6),
                "peak": usage.ru_maxrss * MEMORY_UNIT,
            }
            self._record(path, end)
            self._send(end)

    @staticmethod
    def _record(path: str, end: dict[str, Any]) -> None:
        """Write the end so that a reader finds all of it or nothing; a folder that is gone wants no record."""
        unfinished = Path(f"{path}.new")
        with suppress(OSError):
            unfinished.write_text(json.dumps(end), encoding="ascii")
            unfinished.rename(path)

    def _send(self, message: dict[str, Any]) -> None:
        self._outbox += json.dumps(message).encode() + b"\n"

    def _flush(self) -> None:
        if not self._connected:
            self._outbox = b""
            return
        try:
            self._outbox = self._outbox[self._channel.send(self._outbox) :]
        except BlockingIOError:
            pass
        except OSError:
            self._connected = False


_FILES = (
    ("stdin", os.O_RDONLY),
    ("stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ("stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
)


def main() -> None:
    """Serve the socket that is the standard input."""
    os.setsid()
    os.chdir("/")
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # Handlers, not SIG_IGN: a process that is started must not inherit deafness. The ends of the jobs of a service
    # that is being stopped are still recorded.
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    Keeper(socket.socket(fileno=0)).run()


if __name__ == "__main__":
    main()
