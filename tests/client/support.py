"""Formatters, workers as programs, and other things that several tests of the client use."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import psutil

from tests.support import Daemon, wait_until
from tests.support.server import ServerProcess, clean_environment
from whatsnext.api.client import Client, Formatter
from whatsnext_core.formatting.family import all_processes

__all__ = ["Echo", "Python", "processes_with", "run_python", "unique", "until", "worker_program", "working"]


def unique(stem: str) -> str:
    """A name that nobody has used on the server."""
    return f"{stem}-{os.urandom(6).hex()}"


class Echo(Formatter):
    """Prints the task and the parameters."""

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:
        return ["echo", task, *(f"{key}={value}" for key, value in parameters.items())]


class Python(Formatter):
    """Runs the parameter ``code`` as a Python program."""

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:  # noqa: ARG002 - one for all tasks
        return [sys.executable, "-c", parameters["code"]]


@contextmanager
def working(client: Client, **options: Any) -> Iterator[Thread]:
    """A client that works in a thread, and is stopped with its jobs at the end."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            client.work(run_forever=True, **options)
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            errors.append(error)

    thread = Thread(target=work)
    thread.start()
    wait_until(lambda: client.is_working or errors)
    try:
        yield thread
    finally:
        client.stop(jobs_too=True)
        thread.join(60)
        assert not thread.is_alive(), "the worker did not stop"
    if errors:
        raise errors[0]


def worker_program(
    server: ServerProcess, project: str, folder: Path, *, name: str = "worker", cpus: int = 2, forever: bool = True
) -> Daemon:
    """A worker as a process of its own, which a test may kill; one of the same name in the same folder is its heir."""
    folder.mkdir(parents=True, exist_ok=True)
    code = (
        "import logging, sys; logging.basicConfig(level='INFO', format='%(asctime)s %(name)s %(message)s')\n"
        "logging.getLogger('urllib3').setLevel('WARNING')\n"
        "from whatsnext.api.client import CLIFormatter, Client, Server\n"
        f"project = Server({server.url!r}, wait_for=30).get_project({project!r})\n"
        f"client = Client(entity='tests', name={name!r}, project=project, formatter=CLIFormatter(),"
        f" available_cpu={cpus}, state_dir={str(folder / 'state')!r})\n"
        f"print('executed', client.work(run_forever={forever}), flush=True)\n"
    )
    return Daemon([sys.executable, "-c", code], folder / f"{name}.log", env=clean_environment(), cwd=folder)


def until(file: Path) -> str:
    """The lines of a Python program that wait for a file."""
    return f"import os, time\nwhile not os.path.exists({str(file)!r}): time.sleep(0.01)\n"


def processes_with(argument: str) -> list[int]:
    """The processes that have this among their arguments, the keeper of processes and this one apart."""
    found = []
    for process in all_processes():
        with suppress(psutil.Error):
            if argument in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def remembered(state: Path) -> dict[str, dict[str, Any]]:
    """What the journals under a folder still say of attempts, by key."""
    found: dict[str, Any] = {}
    for journal in state.rglob("journal"):
        for line in journal.read_text().splitlines():
            for key, record in json.loads(line).items():
                found[key] = record and {**(found.get(key) or {}), **record}
    return {key: record for key, record in found.items() if record is not None}


def run_python(code: str, *, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """What a Python program does in a folder."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
