"""The command line as a test calls it: in this process for breadth, as a program for what only a program does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen
from click.testing import CliRunner, Result

from tests.support import Daemon, wait_until
from tests.support.server import ServerProcess, clean_environment
from whatsnext_client.cli import cli

PROGRAM = str(Path(sys.executable).with_name("whatsnext"))


@frozen(kw_only=True)
class Shell:
    """A person at a terminal: a folder of their own, settings in the environment, and one server."""

    folder: Path
    """The working directory."""
    server: ServerProcess
    """The server that they talk to."""
    project: str
    """The project that they work in."""

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that are theirs."""
        return {
            "WHATSNEXT_PORT": str(self.server.port),
            "WHATSNEXT_PROJECT": self.project,
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / ".config"),
            "XDG_STATE_HOME": str(self.folder / ".state"),
            "XDG_DATA_HOME": str(self.folder / ".data"),
            "COLUMNS": "100",
            "NO_COLOR": "1",
        }

    def call(
        self,
        *arguments: str,
        code: int = 0,
        stdin: str | bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """What a call printed, once its exit code was checked."""
        done = CliRunner().invoke(cli, list(arguments), input=stdin, env={**self.settings, **(env or {})})
        assert done.exit_code == code, (
            f"{arguments}: {done.exit_code}\n{done.stdout}\n{done.stderr}\n{done.exception!r}"
        )
        return done

    def json(self, *arguments: str, code: int = 0, stdin: str | bytes | None = None) -> Any:
        """The one document that a call printed with ``--json``."""
        return json.loads(self.call(*arguments, "--json", code=code, stdin=stdin).stdout)

    def refused(self, *arguments: str, code: int = 1, stdin: str | bytes | None = None) -> str:
        """What a call complained of, when it printed nothing else."""
        done = self.call(*arguments, code=code, stdin=stdin)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        return done.stderr

    def add(self, *arguments: str) -> int:
        """The id of a new job."""
        return int(self.json("jobs", "add", *arguments)["job_ids"][0])

    def status(self, job_id: int) -> str:
        """Where a job stands."""
        return str(self.json("jobs", "show", str(job_id))["status"])

    def run(self, *arguments: str, stdin: bytes | None = None, **settings: str) -> subprocess.CompletedProcess[bytes]:
        """What the program did."""
        return subprocess.run(
            [PROGRAM, *arguments], input=stdin, capture_output=True, check=False, cwd=self.folder, timeout=120,
            env={**clean_environment(), **self.settings, **settings},
        )  # fmt: skip

    def work(self, *options: str) -> None:
        """Lets a worker do all that it can do now."""
        done = self.run("worker", "--once", "--cpus", "2", *options)
        assert done.returncode == 0, done.stderr.decode()

    @contextmanager
    def worker(self, *options: str) -> Iterator[Daemon]:
        """A worker that stays, once the server knows it."""
        name = f"worker-{os.urandom(4).hex()}"
        argv = [PROGRAM, "worker", "--forever", "--cpus", "2", "--id", name, *options]
        with Daemon(
            argv, self.folder / f"{name}.log", cwd=self.folder, env={**clean_environment(), **self.settings}
        ) as daemon:
            wait_until(
                lambda: name in self.call("clients", "ls").stdout or not daemon.alive(), 60, f"{name} has registered"
            )
            assert daemon.alive(), daemon.tail()
            yield daemon
