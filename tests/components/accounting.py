"""Slurm's accounting: `slurmdbd` and a MariaDB of our own beside a cluster, so that `sacct` answers."""

import getpass
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.components.requirements import UnavailableError, component_folder
from tests.components.slurm import SlurmCluster
from tests.support import Daemon, find_program, free_ports

__all__ = ["Accounting", "running_accounted_slurm"]

REMEDY = "Install it (Debian: apt-get install slurmdbd mariadb-server-core)."
SYSTEM_TABLES = tuple(Path("/usr/share") / name / "mysql_system_tables.sql" for name in ("mysql", "mariadb"))
START_TIMEOUT = 60.0
FORGETS_AFTER = 2
"""Seconds after which the controller forgets a job that has ended; then only the accounting knows it."""

CONFIGURATION = """\
AuthType=auth/munge
AuthInfo=socket={munge}/sock
DbdHost=localhost
DbdPort={port}
SlurmUser={user}
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StorageLoc=slurm_acct_db
"""


def program(name: str) -> str:
    """The path of one of the programs."""
    path = find_program(name)
    if path is None:
        raise UnavailableError("slurmdbd", f"there is no {name} here.", REMEDY)
    return path


class Accounting:
    """A database, which only this machine reaches, and the daemon through which a cluster writes into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._slurmdbd, self._mariadbd = program("slurmdbd"), program("mariadbd")
        self._port, self._database_port = free_ports(2)
        self._daemons: list[Daemon] = []

    def settings(self, munge: Path) -> dict[str, str | int]:
        """What the configuration of its cluster says of it."""
        return {
            "AccountingStorageType": "accounting_storage/slurmdbd",
            "AccountingStorageHost": "localhost",
            "AccountingStoragePort": self._port,
            "AccountingStoragePass": str(munge / "sock"),
            "MinJobAge": FORGETS_AFTER,
        }

    def start(self, cluster: SlurmCluster) -> None:
        """Starts both, and makes a cluster known to them whose controller does not run yet."""
        self._start_database()
        file = cluster.folder / "slurmdbd.conf"
        file.touch(mode=0o600)
        places = {"folder": self.folder, "munge": cluster.folder / "munge"}
        ports = {"port": self._port, "database_port": self._database_port}
        file.write_text(CONFIGURATION.format(user=getpass.getuser(), **places, **ports))
        daemon = Daemon([self._slurmdbd, "-D"], self.folder / "slurmdbd.log", env=cluster.environment)
        self._daemons.append(daemon)
        add = ("sacctmgr", "-i", "-Q", "add", "cluster", "whatsnext")
        self._wait(lambda: cluster.run(*add, check=False).returncode == 0, daemon)

    def _start_database(self) -> None:
        tables = next((file for file in SYSTEM_TABLES if file.exists()), None)
        if tables is None:
            raise UnavailableError("slurmdbd", f"there is no {' or '.join(map(str, SYSTEM_TABLES))} here.", REMEDY)
        argv = [self._mariadbd, "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={self.folder / 'data'}"]
        argv += ["--skip-grant-tables", "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0"]
        (self.folder / "data").mkdir()
        made = subprocess.run(
            [*argv, "--bootstrap"],
            input=f"CREATE DATABASE mysql;\nUSE mysql;\n{tables.read_text()}",
            capture_output=True,
            text=True,
            check=False,
            timeout=START_TIMEOUT,
        )
        if made.returncode:
            raise UnavailableError("slurmdbd", f"no database could be made:\n{made.stderr[-1500:]}\n", REMEDY)
        argv += [f"--socket={self.folder}/sock", "--bind-address=127.0.0.1", f"--port={self._database_port}"]
        daemon = Daemon([*argv, f"--pid-file={self.folder}/mariadbd.pid"], self.folder / "mariadbd.log")
        self._daemons.append(daemon)
        self._wait(lambda: "ready for connections" in daemon.tail(), daemon)

    def _wait(self, condition: Callable[[], bool], daemon: Daemon) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not condition():
            if not daemon.alive() or time.monotonic() > deadline:
                raise UnavailableError("slurmdbd", f"{daemon.argv[0]} did not start:\n{daemon.tail()}\n", REMEDY)
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends both, the one that uses the other first."""
        for daemon in reversed(self._daemons):
            daemon.stop()


@contextmanager
def running_accounted_slurm() -> Iterator[SlurmCluster]:
    """A running cluster of one node with accounting, which are stopped and removed afterwards."""
    with component_folder("slurmdbd") as place, component_folder("slurm") as folder:
        accounting = Accounting(place)
        cluster = SlurmCluster(folder, nodes=1, gpus=1, settings=accounting.settings(folder / "munge"))
        cluster.configure()
        try:
            cluster.start_munge()
            accounting.start(cluster)
            cluster.start_nodes()
            yield cluster
        finally:
            cluster.stop()
            accounting.stop()
