"""Both databases pass the conformance kit, and SQLite that of storages which can write at once."""

from collections.abc import Callable

import pytest

from whatsnext_core.storage import Storage
from whatsnext_core.testing.storage import NearStorageConformance, StorageConformance
from whatsnext_storage_sql.storage import SQLStorage


class SQLFixtures:
    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError  # each database gives its own

    @pytest.fixture
    def storage(self, url: str, open_url: Callable[[str], SQLStorage]) -> Storage:
        return open_url(url)

    @pytest.fixture
    def reopen(self, url: str, storage: Storage, open_url: Callable[[str], SQLStorage]) -> Callable[[], Storage]:
        def close_and_open() -> Storage:
            storage.close()
            return open_url(url)

        return close_and_open


class SQLiteFixtures(SQLFixtures):
    @pytest.fixture
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestSQLite(SQLiteFixtures, StorageConformance):
    pass


class TestSQLiteAtOnce(SQLiteFixtures, NearStorageConformance):
    pass


@pytest.mark.postgresql
class TestPostgreSQL(SQLFixtures, StorageConformance):
    @pytest.fixture
    def url(self, migrated_postgresql_url: str) -> str:
        return migrated_postgresql_url
