"""A WhatsNext server as a process of its own, that a test may kill and start again."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import requests

from tests.support.network import free_port
from tests.support.processes import Daemon
from tests.support.waiting import wait_until

__all__ = ["RunningServer", "ServerProcess", "clean_environment", "command", "running_server", "running_worker"]


class ServerProcess:
    """``whatsnext-server run`` on a free port of 127.0.0.1, with all that it keeps in one folder.

    A restarted one has the same port and, unless its database is in memory, the same content.
    """

    def __init__(
        self, folder: Path, *, database: str | None = None, port: int | None = None, **settings: object
    ) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = database or f"sqlite:///{folder / 'queue.db'}"
        self.port = port or free_port()
        self.settings = settings
        self._daemon: Daemon | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def daemon(self) -> Daemon:
        """Its process."""
        assert self._daemon is not None, "the server was not started"
        return self._daemon

    def start(self) -> Self:
        """Starts it, and waits until it answers."""
        options = []
        for name, value in self.settings.items():
            option = f"--{name.replace('_', '-')}"
            options += [option] if value is True else [option, str(value)]
        self._daemon = Daemon(
            [
                str(Path(sys.executable).with_name("whatsnext-server")), "run",
                "--host", "127.0.0.1", "--port", str(self.port), "--database", self.database, *options,
            ],
            self.folder / "server.log",
            env=clean_environment(),
            cwd=self.folder,
        )  # fmt: skip
        wait_until(self.answers, 30, f"the server answers on port {self.port}; its log: {self.folder / 'server.log'}")
        return self

    def answers(self) -> bool:
        """Whether it answers now."""
        assert self.daemon.alive(), self.daemon.tail()
        try:
            return requests.get(f"{self.url}/checkdb", timeout=5).ok
        except requests.ConnectionError:
            return False

    def stop(self) -> int:
        """Asks it to end, and gives its exit status."""
        return self.daemon.stop()

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.daemon.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._daemon is not None:
            self._daemon.stop()


RunningServer: TypeAlias = ServerProcess


@contextmanager
def running_server(folder: Path, database: str | None = None, **settings: Any) -> Iterator[ServerProcess]:
    """A server with this database, SQLite in the folder by default, stopped at the end."""
    with ServerProcess(folder, database=database, **settings) as server:
        yield server


def running_worker(server: ServerProcess, folder: Path, *options: str, project: str) -> Daemon:
    """``whatsnext worker --forever`` for a project, with its state and its messages in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    argv = command(
        "worker", "--forever", "--project", project, "--server", server.url, "--state-dir", str(folder / "state"),
        *options,
    )  # fmt: skip
    return Daemon(argv, folder / "worker.log", env=clean_environment(), cwd=folder)


def command(*arguments: str) -> list[str]:
    """The command line of ``whatsnext`` with these arguments."""
    return [str(Path(sys.executable).with_name("whatsnext")), *arguments]


def clean_environment(**extra: str) -> Mapping[str, str]:
    """The environment of this process without any setting of ours, with what is given instead."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WHATSNEXT_")} | extra
