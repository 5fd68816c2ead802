"""The warm process: imports a function once, and calls it for one job after the other.

The formatter runs this file as a program, with the interpreter of the jobs' own environment. So it uses nothing but
the standard library, and nothing of WhatsNext. There are two ways to run it::

    python warm.py call package.module:function '{"lr": 0.1}'    # once, as a person would
    python warm.py serve SOCKET NAME FIRST                       # for a client that listens there

A server of jobs connects, tells its name as ``{"hello": NAME}``, and runs the job that is described in the file FIRST,
beside the ``limits`` of the process. From then on each line that comes is a further job: ``{"id", "function",
"parameters", "env", "stdout", "stderr", "record", "handle"}``. That a job has begun is noted in its file ``record``,
and so is its end, which is also sent: ``{"id", "code", "cpu", "peak", "worn", "trouble"}``. A process that is ``worn``
takes no more jobs. If the source of an imported module has changed, it takes no more either, and answers ``{"id",
"stale"}``. When the client has gone, it ends after the job that it runs.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

RESULT = "WHATSNEXT_RESULT"
MAX_RESULT = 64 * 1024
"""Bytes of a result, at most; the worker refuses more."""
CHUNK = 1 << 16
OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
RECORD = os.O_WRONLY | os.O_CREAT | os.O_APPEND
OWN_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
"""The signals whose handlers a job may change for itself."""
MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in the unit of ``ru_maxrss``."""


# -- one call ----------------------------------------------------------------------------------------------------------


def find(name: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` names; dots behind the colon lead into classes."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{name} is {type(found).__name__} and cannot be called")
    return found  # type: ignore[no-any-return]  # whatever can be called


def call(name: str, parameters: dict[str, Any]) -> int:
    """Call the function, write what it returns where the job's result goes, and return an exit code.

    An exception is shown on the standard error, as the interpreter does at the end of a program.
    """
    try:
        write_result(find(name)(**parameters), name)
    except SystemExit as error:
        return exit_code(error)
    except KeyboardInterrupt:
        traceback.print_exc()
        return -signal.SIGINT
    except BaseException:  # noqa: BLE001 - it is the job's own, and its end
        traceback.print_exc()
        return 1
    return 0


def exit_code(error: SystemExit) -> int:
    """Return the exit code of a program that ends with this exception."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    sys.stderr.write(f"{error.code}\n")
    return 1


def write_result(value: Any, name: str) -> None:
    """Write what a function returned as JSON into the file for the job's result; None is no result.

    Numbers and arrays of other libraries are written as what their ``item`` or ``tolist`` gives.
    """
    path = os.environ.get(RESULT)
    if value is None or not path:
        return
    try:
        text = json.dumps(value, default=plain, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{name} returned {type(value).__name__}, which is no JSON value: {error}") from error
    if len(text) > MAX_RESULT:
        raise ValueError(f"{name} returned {len(text)} bytes of JSON; a result has at most {MAX_RESULT}")
    with open(path, "wb") as stream:  # noqa: PTH123 - pathlib costs more than the call
        stream.write(text)


def plain(value: Any) -> Any:
    """Return what stands for a value that JSON does not know."""
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


# -- one after the other -----------------------------------------------------------------------------------------------


class Sources:
    """The files of the modules that are the user's own: neither the interpreter's nor installed packages."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}
        self._seen = 0

    def changed(self) -> str:
        """Return the name of a module whose source was changed since it was imported; "" if there is none."""
        for name, then in self._times.items():
            if modified(name) != then:
                return name
        return ""

    def note(self) -> None:
        """Take in the modules that were imported meanwhile."""
        if len(sys.modules) == self._seen:
            return
        self._seen = len(sys.modules)
        for module in list(sys.modules.values()):
            name = source_of(module)
            if name and name not in self._times:
                self._times[name] = modified(name)


def source_of(module: ModuleType) -> str:
    """Return the source file of a module of the user's own; "" for any other."""
    name = getattr(module, "__file__", None) or ""
    installed = "site-packages" in name or "dist-packages" in name or name.startswith((sys.prefix, sys.base_prefix))
    return "" if installed or name == __file__ or not name.endswith(".py") else name


def modified(name: str) -> int:
    """Return when a file was changed last, in nanoseconds; 0 if it is gone."""
    try:
        return os.stat(name).st_mtime_ns  # noqa: PTH116 - pathlib costs more than the call
    except OSError:
        return 0


class Surroundings:
    """What a job may change of the process, and the next one must find as it was."""

    def __init__(self) -> None:
        self._environ = dict(os.environb)
        self._folder = os.open(".", os.O_RDONLY)
        self._handlers = {number: signal.getsignal(number) for number in OWN_SIGNALS}
        self._output = (os.dup(1), os.dup(2))
        self._threads = threading.active_count()

    def enter(self, job: dict[str, Any]) -> None:
        """Give the job its variables and its files."""
        os.environ.update(job["env"])
        for number, name in ((1, job["stdout"]), (2, job["stderr"])):
            file = os.open(name, OUTPUT, 0o666)
            os.dup2(file, number)
            os.close(file)
        sys.argv = [job["function"]]

    def leave(self) -> str:
        """Restore what can be restored; return what cannot, "" if all of it could."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        for number, kept in zip((1, 2), self._output):  # noqa: B905 - older interpreters know no strict
            os.dup2(kept, number)
        now = dict(os.environb)
        if now != self._environ:
            for name in now.keys() - self._environ.keys():
                del os.environb[name]
            os.environb.update(pair for pair in self._environ.items() if now.get(pair[0]) != pair[1])
        os.fchdir(self._folder)
        for number, handler in self._handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if threading.active_count() > self._threads:
            return "threads go on"
        return "processes go on" if has_children() else ""


def has_children() -> bool:
    """Return whether a process that this one started still runs, as far as the system says so."""
    with suppress(OSError):
        for task in os.listdir("/proc/self/task"):  # noqa: PTH208 - pathlib costs more than the call
            with open(f"/proc/self/task/{task}/children", encoding="ascii") as stream:  # noqa: PTH123
                if stream.read().strip():
                    return True
    return False


class Meter:
    """What one job uses."""

    def __init__(self) -> None:
        self._cpu = cpu_seconds()
        with suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as stream:  # noqa: PTH123
            stream.write("5")  # the kernel measures the peak anew

    def read(self) -> tuple[float, int | None, int]:
        """Return the CPU time since the beginning, ended children included, the largest resident memory, and that now.

        Seconds and bytes. Where the largest since the beginning cannot be told, it is None, and the last is the largest
        ever.
        """
        cpu = round(cpu_seconds() - self._cpu, 6)
        with suppress(OSError), open("/proc/self/status", encoding="ascii", errors="replace") as stream:  # noqa: PTH123
            sizes = {line[:6]: int(line.split()[1]) * 1024 for line in stream if line.startswith(("VmHWM:", "VmRSS:"))}
            return cpu, sizes["VmHWM:"], sizes["VmRSS:"]
        return cpu, None, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MEMORY_UNIT


def cpu_seconds() -> float:
    """Return the CPU time of this process and its ended children."""
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


class Warm:
    """A process that serves jobs until it is worn, idle for long, or its client has gone."""

    def __init__(self, channel: socket.socket, limits: dict[str, float]) -> None:
        self._channel = channel
        self._inbox = b""
        self._limits = limits
        self._sources = Sources()
        self._surroundings = Surroundings()
        self._jobs = 0
        self._first_size = 0

    def serve(self, job: dict[str, Any] | None) -> None:
        """Run this job, and then those that come."""
        while job is not None:
            stale = self._sources.changed()
            if stale:
                self._send({"id": job["id"], "stale": stale})
                return
            end = self._run(job)
            if not self._send(end) or end["worn"]:
                return
            job = self._receive()

    def _run(self, job: dict[str, Any]) -> dict[str, Any]:
        record(job["record"], {"id": job["id"], "handle": job.get("handle")})
        meter = Meter()
        try:
            self._surroundings.enter(job)
        except OSError as error:
            code, trouble = 1, f"its output cannot be written: {error}"
        else:
            code, trouble = call(job["function"], job["parameters"]), ""
        worn = self._surroundings.leave()
        self._sources.note()
        self._jobs += 1
        cpu, peak, size = meter.read()
        worn = worn or self._worn(size)
        end = {"code": code, "cpu": cpu, "peak": peak, "worn": worn, "trouble": trouble}
        record(job["record"], {"id": job["id"], **end})
        return {"id": job["id"], **end}

    def _worn(self, size: int) -> str:
        """Return why the process takes no more jobs; "" if it does."""
        self._first_size = self._first_size or size
        if self._jobs >= self._limits["jobs"]:
            return f"it has run {self._jobs} jobs"
        grown = size - self._first_size
        return f"it has grown by {grown} bytes" if grown > self._limits["growth"] else ""

    def _receive(self) -> dict[str, Any] | None:
        """Return the next request; None when there is none for long, or the client has gone."""
        while b"\n" not in self._inbox:
            try:
                ready, _, _ = select.select([self._channel], [], [], self._limits["idle"])
                received = self._channel.recv(CHUNK) if ready else b""
            except OSError:
                received = b""
            if not received:
                return None
            self._inbox += received
        line, _, self._inbox = self._inbox.partition(b"\n")
        request: dict[str, Any] = json.loads(line)
        return request

    def _send(self, message: dict[str, Any]) -> bool:
        """Tell the client something, and return whether it is still there."""
        try:
            self._channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            return False
        return True


def record(name: str, line: dict[str, Any]) -> None:
    """Write one line in one piece; a folder that is gone wants no record."""
    with suppress(OSError):
        file = os.open(name, RECORD, 0o666)
        try:
            os.write(file, json.dumps(line).encode() + b"\n")
        finally:
            os.close(file)


def main(argv: list[str]) -> int:
    """Do what the arguments say, and return the exit code."""
    if sys.path and sys.path[0] == os.path.dirname(os.path.abspath(__file__)):  # noqa: PTH100, PTH120
        del sys.path[0]
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - modules are found from the working directory, as by `python -m`
    if argv[:1] == ["call"]:
        return call(argv[1], json.loads(argv[2]))
    with open(argv[3], encoding="utf-8") as stream:  # noqa: PTH123
        first = json.load(stream)
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(argv[1])
    channel.sendall(json.dumps({"hello": argv[2]}).encode() + b"\n")
    Warm(channel, first["limits"]).serve(first["job"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
