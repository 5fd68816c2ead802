"""A short run of the chaos kit on each database; `make chaos` makes a long one."""

from pathlib import Path

import pytest

from tests.chaos.installing import installed
from tests.components import PostgreSQLServer
from whatsnext_core.testing.chaos import ChaosConformance, Installation


class TestOneServerOnSQLite(ChaosConformance):
    """A server, four workers, and their kills."""

    @pytest.fixture
    def installation(self, tmp_path: Path) -> Installation:
        """One server on SQLite."""
        return installed(f"sqlite:///{tmp_path / 'queue.db'}")


class TestTwoServersOnPostgreSQL(ChaosConformance):
    """The same with two servers, and a database that is killed, too."""

    @pytest.fixture
    def installation(self, durable_postgresql: PostgreSQLServer, durable_postgresql_url: str) -> Installation:
        """Two servers on a PostgreSQL that may be killed."""
        return installed(durable_postgresql_url, servers=2, database=durable_postgresql)


class TestServerOfTwoProcessesOnPostgreSQL(ChaosConformance):
    """The same with one server of two processes, of which one is killed, or the one that leads them."""

    @pytest.fixture
    def installation(self, durable_postgresql: PostgreSQLServer, durable_postgresql_url: str) -> Installation:
        """One server of two processes on a PostgreSQL that may be killed."""
        return installed(durable_postgresql_url, processes=2, database=durable_postgresql)
