"""A server on this machine, as a process of our own: started, waited for, and stopped with us."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from whatsnext_core.errors import ConfigurationError, WhatsNextError

PROGRAM: Final = "whatsnext-server"
GUARD: Final = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""Runs a program that Linux asks to end (SIGTERM) when its parent has died, however that came."""
START_PATIENCE: Final = 120.0
"""Seconds that a server may take to open its database, for which it waits a while itself, and listen."""
STOP_PATIENCE: Final = 30.0
"""Seconds that it may take to answer what is waiting and end."""


class LocalServerError(WhatsNextError):
    """A server on this machine did not start, or ended by itself."""


class LocalServer:
    """A server that listens on the loopback interface while the context is entered.

    It runs in a session of its own, so that Ctrl-C on our terminal reaches only us, and we can end our worker first.

    Args:
        port: The port to listen on; 0 for a free one.
        options: Further options of ``whatsnext-server run``.

    Raises:
        ConfigurationError: the server's package is not installed.
        LocalServerError: it did not start; its own words went to stderr.
    """

    def __init__(self, port: int, options: Sequence[str] = ()) -> None:
        program = find_program()
        self._folder = tempfile.TemporaryDirectory(prefix="whatsnext-")
        self._port_file = Path(self._folder.name) / "port"
        self._argv = [program, "run", "--host", "127.0.0.1", "--port", str(port), "--port-file", str(self._port_file)]
        self._argv += ["--processes", "1", *options]
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port
        """The port that it listens on; known once the context is entered."""

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        guard = [sys.executable, "-I", "-S", "-c", GUARD, str(os.getpid())] if sys.platform == "linux" else []
        self._process = subprocess.Popen(
            [*guard, *self._argv],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            start_new_session=True,
            close_fds=True,
        )
        try:
            self.port = self._wait_for_port(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends it: by its signal, and by force when it does not heed that."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()

    def _wait_for_port(self, process: subprocess.Popen[bytes]) -> int:
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline:
            if self._port_file.exists():
                return int(self._port_file.read_text(encoding="utf-8"))
            if process.poll() is not None:
                raise LocalServerError(
                    f"The server did not start (exit code {process.returncode}); see its message above."
                )
            time.sleep(0.02)
        raise LocalServerError(f"The server did not listen within {START_PATIENCE:g} seconds.")


def find_program() -> str:
    """Return the path of the server's program: the one beside our own Python, or else the one on PATH."""
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = shutil.which(PROGRAM, path=folders)
    if found is None:
        raise ConfigurationError(
            "The server is not installed here. Install it with: pip install whatsnext-server. Or start only a worker "
            "for a server elsewhere: whatsnext --server HOST worker"
        )
    return found
