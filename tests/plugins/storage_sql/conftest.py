"""Databases for the tests: each test has one of its own, copied from one that was migrated once."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.components import PostgreSQLServer
from tests.plugins.storage_sql.databases import empty
from whatsnext_storage_sql.config import SQLConfig
from whatsnext_storage_sql.storage import SQLStorage, open_storage, upgrade_storage


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and nothing in them."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    open_storage(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of an empty, migrated SQLite file."""
    path = tmp_path / "queue.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def shared_postgresql_url(postgresql: PostgreSQLServer) -> str:
    """The URL of a migrated PostgreSQL database for tests that use it one after the other."""
    url = postgresql.url(postgresql.create_database())
    upgrade_storage(url)
    return url


@pytest.fixture
def migrated_postgresql_url(shared_postgresql_url: str) -> str:
    """The URL of an empty, migrated PostgreSQL database."""
    empty(shared_postgresql_url)
    return shared_postgresql_url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def sql_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty, migrated database, of each kind in turn."""
    name = "sqlite_url" if request.param == "sqlite" else "migrated_postgresql_url"
    url = request.getfixturevalue(name)
    assert isinstance(url, str)
    return url


@pytest.fixture
def open_url() -> Iterator[Callable[[str], SQLStorage]]:
    """What opens a URL; all that it opened is closed after the test."""
    opened: list[SQLStorage] = []

    def open_one(url: str) -> SQLStorage:
        opened.append(open_storage(url, SQLConfig(readers=4)))
        return opened[-1]

    yield open_one
    for storage in opened:
        storage.close()


@pytest.fixture
def storage(sql_url: str, open_url: Callable[[str], SQLStorage]) -> SQLStorage:
    """An open, empty storage, of each kind in turn."""
    return open_url(sql_url)
