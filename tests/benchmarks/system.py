"""A server, and workers when a figure needs them, as processes of their own in a folder that is thrown away."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import Daemon, wait_until
from whatsnext.api.client import Project, Server

PROGRAMS = Path(sys.executable).parent


@contextmanager
def serving() -> Iterator[tuple[Server, Path]]:
    """A server on a durable SQLite database, and the folder that it lies in."""
    with TemporaryDirectory(prefix="whatsnext-bench-") as name:
        folder = Path(name)
        port_file = folder / "port"
        database = f"sqlite:///{folder / 'queue.db'}"
        argv = [str(PROGRAMS / "whatsnext-server"), "run", "--port", "0", "--port-file", str(port_file)]
        with Daemon([*argv, "--database", database], folder / "server.log", cwd=folder) as daemon:
            wait_until(lambda: port_file.exists() or not daemon.alive(), timeout=60, why="the server listens")
            yield Server("127.0.0.1", int(port_file.read_text())), folder


@contextmanager
def working(server: Server, folder: Path, project: str, cpus: int) -> Iterator[Daemon]:
    """A worker for one project, with this many CPUs; it is ready when it has registered."""
    port = (folder / "port").read_text().strip()
    argv = [str(PROGRAMS / "whatsnext"), "worker", "--forever", "--project", project, "--cpus", str(cpus)]
    argv += ["--port", port, "--state-dir", str(folder / "state")]
    with Daemon(argv, folder / "worker.log", cwd=folder) as daemon:
        wait_until(
            lambda: any(server.rest.clients()) or not daemon.alive(), timeout=60, why="the worker has registered"
        )
        yield daemon


def until_completed(project: Project, jobs: int) -> float:
    """Wait until this many jobs of the project are COMPLETED, and give the time of day when that was seen."""
    while project.rest.counts(project.id)["COMPLETED"] < jobs:
        time.sleep(0.05)
    return time.perf_counter()
