"""A server that starts together with its database waits for it; what waiting does not mend ends it at once."""

import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner
from psycopg.pq import PGconn, Ping

from tests.components import PostgreSQLServer, available
from tests.components.postgresql import running_postgresql
from tests.server.serving import Program
from tests.server.storages import upgraded
from tests.support import Daemon, free_port, wait_until
from whatsnext_server.cli import main

EVER: Final = "86400"
"""Seconds to wait, for a test that would hang if they had to pass."""
WAITS: Final = "Waiting up to"


@pytest.fixture(scope="module")
def own_postgresql() -> Iterator[PostgreSQLServer]:
    """A PostgreSQL that each test may stop and start."""
    with available(running_postgresql()) as running:
        yield running


@pytest.fixture
def url(own_postgresql: PostgreSQLServer) -> Iterator[str]:
    """The address of a database with the tables, on a server that is stopped."""
    url = upgraded(own_postgresql.url(own_postgresql.create_database()))
    own_postgresql.stop()
    try:
        yield url
    finally:
        own_postgresql.stop()
        own_postgresql.start()


@contextmanager
def starting(folder: Path, database: str, *options: str) -> Iterator[Daemon]:
    """The program that starts and may never listen."""
    argv = [sys.executable, "-m", "whatsnext_server", "run", "--port", "0", "--database", database, *options]
    env = {name: value for name, value in os.environ.items() if not name.startswith("WHATSNEXT_")}
    with Daemon(argv, folder / "log", cwd=folder, env={**env, "HOME": str(folder)}) as daemon:
        yield daemon


def log(folder: Path) -> str:
    """What the program wrote until now."""
    path = folder / "log"
    return path.read_text() if path.exists() else ""


def waits(folder: Path) -> None:
    """Return when the program waits."""
    wait_until(lambda: WAITS in log(folder), 60, why="the program waits")


@pytest.mark.parametrize("how", ["is stopped", "recovers"])
def test_database_that_comes_is_waited_for(
    tmp_path: Path, own_postgresql: PostgreSQLServer, url: str, how: str
) -> None:
    if how == "recovers":
        own_postgresql.start_recovering()
        wait_until(lambda: PGconn.ping(url.encode()) == Ping.REJECT, 30, why="it recovers")
    with ThreadPoolExecutor(1) as threads:
        begun = threads.submit(Program, tmp_path, url, "--database-wait-seconds", EVER)
        waits(tmp_path)
        assert not begun.done()
        if how == "recovers":
            own_postgresql.recovered()
        else:
            own_postgresql.start()
        running = begun.result()
    try:
        running.api.project()
    finally:
        assert running.stop() == 0
    (line,) = [line for line in log(tmp_path).splitlines() if WAITS in line]
    assert f"127.0.0.1:{own_postgresql.port}/" in line
    assert f"Waiting up to {EVER} s for it." in line
    assert re.search("Connection refused" if how == "is stopped" else "starting up|not accepting connections", line)


def test_database_that_does_not_come_is_given_up(tmp_path: Path, url: str) -> None:
    with starting(tmp_path, url, "--database-wait-seconds", "0.7") as daemon:
        assert daemon.process.wait(60) == 1
    first, *rest = log(tmp_path).splitlines()
    assert "Waiting up to 0.7 s" in first
    assert rest[0].startswith("Error: The database postgresql://")
    assert "Connection refused" in rest[0]
    assert WAITS not in "".join(rest)


def test_nothing_is_waited_for_if_so_told(tmp_path: Path, url: str) -> None:
    with starting(tmp_path, url, "--database-wait-seconds", "0") as daemon:
        assert daemon.process.wait(60) == 1
    assert log(tmp_path).startswith("Error: The database postgresql://")


@pytest.mark.postgresql
def test_host_whose_name_is_not_known_yet_is_waited_for(tmp_path: Path) -> None:
    with starting(tmp_path, "postgresql://me:secret@database.invalid/q", "--database-wait-seconds", EVER) as daemon:
        waits(tmp_path)
        assert daemon.stop() == 0
    assert "secret" not in log(tmp_path)


def test_signal_ends_the_wait(tmp_path: Path, url: str) -> None:
    with starting(tmp_path, url, "--database-wait-seconds", EVER) as daemon:
        waits(tmp_path)
        assert daemon.stop() == 0
    assert "Traceback" not in log(tmp_path)


def test_signal_ends_the_wait_below_another_web_server(tmp_path: Path, url: str) -> None:
    argv = [sys.executable, "-m", "uvicorn", "--port", str(free_port()), "whatsnext.api.server.main:app"]
    env = {"HOME": str(tmp_path), "WHATSNEXT_DATABASE": url, "WHATSNEXT_DATABASE_WAIT_SECONDS": EVER}
    with Daemon(argv, tmp_path / "log", cwd=tmp_path, env={**os.environ, **env}) as daemon:
        waits(tmp_path)
        assert daemon.stop() > 0  # it was not killed
    assert "Error: The database postgresql://" in log(tmp_path)
    assert "Traceback" not in log(tmp_path)


def test_database_that_is_unknown_ends_it_at_once(tmp_path: Path, own_postgresql: PostgreSQLServer) -> None:
    with starting(tmp_path, own_postgresql.url("nix"), "--database-wait-seconds", EVER) as daemon:
        assert daemon.process.wait(60) == 1
    assert 'database "nix" does not exist' in log(tmp_path)
    assert WAITS not in log(tmp_path)


def test_database_that_came_and_is_the_wrong_one_ends_it(
    tmp_path: Path, own_postgresql: PostgreSQLServer, url: str
) -> None:
    with starting(tmp_path, url.rpartition("/")[0] + "/nix", "--database-wait-seconds", EVER) as daemon:
        waits(tmp_path)
        own_postgresql.start()
        assert daemon.process.wait(60) == 1
    assert "Error: The database postgresql://" in log(tmp_path)
    assert 'database "nix" does not exist' in log(tmp_path)


@pytest.mark.parametrize("command", ["check", "upgrade"])
def test_commands_tell_at_once(url: str, command: str, caplog: pytest.LogCaptureFixture) -> None:
    result = CliRunner().invoke(main, ["db", command, "--database", url], env={"WHATSNEXT_DATABASE_WAIT_SECONDS": EVER})
    assert (result.exit_code, "Connection refused" in result.output) == (1, True)
    assert WAITS not in result.output + caplog.text
