"""What the chaos kit is told to start here: our server, our worker, and a database."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.components.postgresql import running_postgresql
from tests.support.server import clean_environment
from whatsnext_core.testing.chaos import Database, Installation

PROGRAMS = Path(sys.executable).parent
LEASE = 2.5
CPUS = 4


def installed(
    url: str, *, servers: int = 1, processes: int = 1, workers: int = 4, database: Database | None = None
) -> Installation:
    """Our programs on a database; each server is so many processes."""

    def server(port: int) -> list[str]:
        return [
            str(PROGRAMS / "whatsnext-server"), "run", "--host", "127.0.0.1", "--port", str(port), "--database", url,
            "--processes", str(processes), "--upgrade", "--lease-seconds", str(LEASE), "--renew-seconds", "0.5",
            "--reap-seconds", "0.2",
        ]  # fmt: skip

    def worker(address: str, name: str, state: Path, project: str) -> list[str]:
        return [
            str(PROGRAMS / "whatsnext"), "worker", "--forever", "--server", address, "--project", project,
            "--name", name, "--entity", "chaos", "--cpus", str(CPUS), "--state-dir", str(state),
        ]  # fmt: skip

    return Installation(
        server=server,
        worker=worker,
        lease=LEASE,
        environment=clean_environment(WHATSNEXT_RETRY_FOR="60"),
        servers=servers,
        workers=workers,
        database=database,
    )


@contextmanager
def on_sqlite(folder: Path, *, workers: int) -> Iterator[Installation]:
    """One server on SQLite."""
    yield installed(f"sqlite:///{folder / 'queue.db'}", workers=workers)


@contextmanager
def on_postgresql(*, workers: int, processes: int = 1) -> Iterator[Installation]:
    """Two servers on a PostgreSQL of their own, which may be killed; or one, if it is several processes."""
    with running_postgresql(durable=True) as server, server.database() as url:
        servers = 2 if processes == 1 else 1
        yield installed(url, servers=servers, processes=processes, workers=workers, database=server)
