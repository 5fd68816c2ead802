"""A server for all tests of the command line, and a person with a project of their own for each."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shell import Shell
from tests.support.server import ServerProcess


@pytest.fixture(scope="session")
def cli_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server on SQLite."""
    with ServerProcess(tmp_path_factory.mktemp("cli-server")) as server:
        yield server


@pytest.fixture
def nobody(cli_server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A person whose project does not exist yet."""
    for name in [name for name in os.environ if name.startswith("WHATSNEXT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Shell(folder=tmp_path, server=cli_server, project=f"project-{os.urandom(4).hex()}")


@pytest.fixture
def shell(nobody: Shell) -> Shell:
    """A person whose project has one task, ``say``."""
    nobody.call("projects", "create", nobody.project)
    nobody.call("tasks", "create", "say", "--command", "echo {text}")
    return nobody
