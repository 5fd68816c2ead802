"""A server, and workers when a figure needs them, as processes of their own in a folder that is thrown away."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.waiting import until_counted
from tests.components.postgresql import PostgreSQLServer, running_postgresql
from tests.support import Daemon, wait_until
from whatsnext.api.client import Project, Server

PROGRAMS = Path(sys.executable).parent
PROCESSES = 2
"""Processes of a server on PostgreSQL, where one would leave a CPU idle."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is thrown away."""
    with TemporaryDirectory(prefix="whatsnext-bench-") as name:
        yield Path(name)


@contextmanager
def serving(
    database: str | None = None, *, log_level: str = "info", processes: int = 1
) -> Iterator[tuple[Server, Path]]:
    """A server on a durable database, SQLite if none is named, and the folder that it lies in."""
    with scratch() as folder, serving_in(folder, database, log_level=log_level, processes=processes) as server:
        yield server, folder


@contextmanager
def serving_in(
    folder: Path, database: str | None = None, *, log_level: str = "info", processes: int = 1
) -> Iterator[Server]:
    """A server that keeps its files in a folder."""
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    argv = [str(PROGRAMS / "whatsnext-server"), "run", "--port", "0", "--port-file", str(port_file)]
    argv += ["--database", database or sqlite_url(folder), "--log-level", log_level, "--upgrade"]
    argv += ["--processes", str(processes)]
    with Daemon(argv, folder / "server.log", cwd=folder) as daemon:
        wait_until(lambda: port_file.exists() or not daemon.alive(), timeout=60, why="the server listens")
        assert daemon.alive(), daemon.tail()
        yield Server("127.0.0.1", int(port_file.read_text()))


def sqlite_url(folder: Path) -> str:
    """The database in a folder."""
    return f"sqlite:///{folder / 'queue.db'}"


@contextmanager
def postgresql() -> Iterator[PostgreSQLServer]:
    """A durable PostgreSQL: what it acknowledged survives a power cut."""
    with running_postgresql(durable=True) as server:
        yield server


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
    """Wait until this many jobs of the project are COMPLETED, and return when that was seen, by `time.perf_counter`."""
    return until_counted(lambda: project.rest.counts(project.id)["COMPLETED"], jobs)
