"""What the tests of the client share: one server for a session, a project for each test, workers that are closed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.client.support import Echo, unique
from tests.support.server import ServerProcess
from whatsnext.api.client import Client, Project, Server

MakeClient: TypeAlias = Callable[..., Client]


@pytest.fixture(scope="session")
def server_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that all tests of the session use, and none of them stops."""
    with ServerProcess(tmp_path_factory.mktemp("client-server")) as process:
        yield process


@pytest.fixture
def server(server_process: ServerProcess) -> Iterator[Server]:
    """A connection to it."""
    with Server("127.0.0.1", server_process.port) as connection:
        yield connection


@pytest.fixture
def project(server: Server) -> Project:
    """A project that no other test has."""
    return server.append_project(unique("project"))


@pytest.fixture
def make_client(tmp_path: Path, project: Project) -> Iterator[MakeClient]:
    """Makes workers of the project, each with its state in the folder of the test."""
    with ExitStack() as stack:

        def make(**options: Any) -> Client:
            defaults = {"entity": "tests", "name": "worker", "project": project, "formatter": Echo()}
            return stack.enter_context(Client(**{**defaults, "state_dir": tmp_path / "state", **options}))

        yield make


@pytest.fixture(autouse=True)
def _no_settings_of_the_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the settings of whoever runs the tests out of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg-state"))
