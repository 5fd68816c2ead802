"""A PostgreSQL cluster of our own."""

import os
import pwd
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg
from psycopg import sql

from tests.components.requirements import UnavailableError, component_folder
from tests.support import Daemon, find_program, free_port

__all__ = ["PostgreSQLServer", "running_postgresql"]

REMEDY = "Install it (Debian: apt-get install postgresql; macOS: brew install postgresql) or put its `bin` on PATH."
START_TIMEOUT = 60.0
ATTEMPTS = 3

COMMON = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_min_messages": "warning",
}
FORGETFUL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "autovacuum_naptime": "10s",
}


def binaries() -> Path:
    """The folder with `initdb` and `postgres`, of the newest version: on PATH, or where Debian keeps them."""
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        if not entry:
            continue
        prefix = Path(entry).parent
        versions = sorted(
            prefix.glob("lib/postgresql/*/bin/postgres"),
            key=lambda path: [int(number) for number in re.findall(r"\d+", path.parts[-3])],
        )
        if versions:
            return versions[-1].parent
    found = find_program("postgres")
    if found and (Path(found).resolve().parent / "initdb").exists():
        return Path(found).resolve().parent
    raise UnavailableError("postgresql", "there is no `initdb` and `postgres` here.", REMEDY)


def owner() -> pwd.struct_passwd | None:
    """The user that runs the cluster; None stands for ourselves. PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise UnavailableError("postgresql", "it refuses to run as root, and there is no user postgres or nobody.", REMEDY)


class PostgreSQLServer:
    """One cluster on a free port of the loopback interface, with databases made on demand.

    A `durable` one keeps what it acknowledged through a kill; the other one is quicker and promises nothing.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder = folder
        self.durable = durable
        self.port = 0
        self.daemon: Daemon | None = None
        self._bin = binaries()
        self._owner = owner()
        self._data = folder / "data"

    @property
    def user(self) -> str:
        """The database's superuser; it needs no password on the loopback interface."""
        return "postgres"

    def url(self, database: str = "postgres") -> str:
        """The address of one database, as libpq and SQLAlchemy read it."""
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        """Makes the empty cluster."""
        self._data.mkdir()
        if self._owner:
            os.chown(self._data, self._owner.pw_uid, self._owner.pw_gid)
        argv = [str(self._bin / "initdb"), "--pgdata", str(self._data), "--username", self.user, "--auth", "trust"]
        argv += ["--encoding", "UTF8", "--locale", "C", "--no-instructions", "--no-sync"]
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=self._owner.pw_uid if self._owner else None,
            group=self._owner.pw_gid if self._owner else None,
            extra_groups=[] if self._owner else None,
        )
        if done.returncode != 0:
            raise UnavailableError("postgresql", f"initdb failed: {done.stderr.strip() or done.stdout.strip()}", REMEDY)

    def start(self) -> None:
        """Starts the server and returns when it answers; after a kill or a stop, on the same port as before."""
        if self.port:
            self._start_on(self.port)
            return
        for attempt in range(ATTEMPTS):
            port = free_port()
            try:
                self._start_on(port)
            except UnavailableError:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                return

    def start_recovering(self) -> None:
        """Starts a server that was stopped, on the same port: it recovers, and admits nobody, until `recovered`."""
        signal_file = self._data / "standby.signal"
        signal_file.touch()
        if self._owner:
            os.chown(signal_file, self._owner.pw_uid, self._owner.pw_gid)
        self.daemon = self._launch(self.port, {"hot_standby": "off"})

    def recovered(self) -> None:
        """Lets a server that recovers come to an end with it; it admits connections soon."""
        argv = [str(self._bin / "pg_ctl"), "promote", "--no-wait", "--pgdata", str(self._data)]
        uid, gid = (self._owner.pw_uid, self._owner.pw_gid) if self._owner else (None, None)
        subprocess.run(argv, check=True, capture_output=True, cwd="/", user=uid, group=gid)

    def _launch(self, port: int, more: Mapping[str, str]) -> Daemon:
        settings = {**COMMON, "port": str(port), **({} if self.durable else FORGETFUL), **more}
        argv = [str(self._bin / "postgres"), "-D", str(self._data)]
        for key, value in settings.items():
            argv += ["-c", f"{key}={value}"]
        return Daemon(
            argv,
            self.folder / "log",
            cwd=Path("/"),
            user=self._owner.pw_uid if self._owner else None,
            group=self._owner.pw_gid if self._owner else None,
        )

    def _start_on(self, port: int) -> None:
        self.daemon = daemon = self._launch(port, {})
        self.port = port
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            if not daemon.alive() or time.monotonic() > deadline:
                daemon.kill()
                self.port = 0
                raise UnavailableError("postgresql", f"the server did not start: {daemon.tail().strip()}", REMEDY)
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Shuts the server down: connections are closed, everything is written."""
        if self.daemon:
            self.daemon.stop(signal.SIGINT)
            self.daemon = None

    def kill(self) -> None:
        """Ends the server and its backends as a crash does; `start` then recovers from the log."""
        if self.daemon:
            backends = psutil.Process(self.daemon.pid).children(recursive=True)
            self.daemon.kill()
            for backend in backends:
                with suppress(psutil.NoSuchProcess):
                    backend.kill()
            psutil.wait_procs(backends, START_TIMEOUT)
            self.daemon = None

    def create_database(self, name: str | None = None) -> str:
        """Makes an empty database and gives its name."""
        name = name or f"test_{uuid4().hex[:12]}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def drop_database(self, name: str) -> None:
        """Removes a database, whoever is still connected to it."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of an empty database that is gone afterwards."""
        name = self.create_database()
        try:
            yield self.url(name)
        finally:
            self.drop_database(name)


@contextmanager
def running_postgresql(*, durable: bool = False) -> Iterator[PostgreSQLServer]:
    """A running cluster that is stopped and removed afterwards."""
    with component_folder("postgresql") as folder:
        server = PostgreSQLServer(folder, durable=durable)
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop()
