"""Fixtures of the server's tests: one server for each storage, shared by the tests of a session."""

from collections.abc import Iterator

import pytest

from tests.server.serving import Api, serving
from tests.server.storages import opened
from whatsnext_core.memory import MemoryStorage


@pytest.fixture(scope="session", params=["memory", "sqlite"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server on each of the embedded storages."""
    with opened(request.param, tmp_path_factory.mktemp("server")) as storage, serving(storage) as running:
        yield running


@pytest.fixture(scope="session")
def memory_api() -> Iterator[Api]:
    """A server that keeps everything in memory, for what does not depend on the storage."""
    with serving(MemoryStorage()) as running:
        yield running


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop of tests that are coroutines."""
    return "asyncio"
