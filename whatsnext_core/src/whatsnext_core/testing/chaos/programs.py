"""The programs of a run: real processes that are killed, frozen, and started again."""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import psutil

from whatsnext_core.formatting.family import all_processes

MARK: Final = "WHATSNEXT_CHAOS_MACHINE"
"""The variable by which whatever a program started is known to belong to it."""
PATIENCE: Final = 20.0
"""Seconds that a program gets to end when it is asked to."""


class Program:
    """A program that runs until it is killed, with all output in one file.

    Args:
        name: What reports call it.
        argv: Its command.
        folder: Where it runs, and where its output is.
        environment: Its environment.
    """

    def __init__(self, name: str, argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.wanted = False
        """Whether it should run now."""
        self._argv = list(argv)
        self._folder = folder
        self._mark = f"{name}-{secrets.token_hex(6)}"
        self._environment = {**environment, MARK: self._mark}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> Path:
        """The file with its output."""
        return self._folder / f"{self.name}.log"

    def start(self) -> None:
        """Start it, if it does not run."""
        self.wanted = True
        if self.runs():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._folder,
                start_new_session=True,
            )

    def runs(self) -> bool:
        """Return whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End the process as a power cut would; what it started goes on."""
        self.wanted = False
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def kill_one(self, number: int) -> None:
        """End the process, or one of those that it started, by number."""
        with suppress(psutil.Error):
            started = psutil.Process(self._process.pid).children() if self._process is not None else []
            place = number % (len(started) + 1)
            if place:
                started[place - 1].kill()
                return
        self.kill()

    def kill_all(self) -> None:
        """End the process and all that it started, all at one moment: none sees another one's end."""
        self.wanted = False
        self.freeze()
        while family := self._family():
            for act in (psutil.Process.suspend, psutil.Process.kill):
                for process in family:
                    with suppress(psutil.Error):
                        act(process)
            psutil.wait_procs(family, PATIENCE)
        self.kill()

    def freeze(self) -> None:
        """Stop the process where it is."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def ask_to_end(self) -> None:
        """Ask the process to end."""
        self.wanted = False
        self.thaw()
        self._send(signal.SIGTERM)

    def wait(self) -> None:
        """Wait until it has ended, and kill it if that takes long."""
        if self._process is not None:
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()

    def remains(self, within: float = PATIENCE / 4) -> list[str]:
        """Return what of all that it started is still there after so many seconds, in words."""
        _, alive = psutil.wait_procs(self._family(), within)
        found = []
        for process in alive:
            with suppress(psutil.Error):
                found.append(f"process {process.pid}: {' '.join(process.cmdline())[:200]}")
        return found

    def tail(self, size: int = 3000) -> str:
        """Return the last that it wrote."""
        return self.output.read_text(errors="replace")[-size:] if self.output.exists() else ""

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self.runs():
            self._process.send_signal(number)

    def _family(self) -> list[psutil.Process]:
        found = []
        for process in all_processes():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


def free_ports(count: int) -> list[int]:
    """Return so many ports of 127.0.0.1 that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
