"""Databases that are copies of a template."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.components import PostgreSQLServer


@contextmanager
def copied_database(server: PostgreSQLServer, template: str) -> Iterator[str]:
    """The URL of a copy of a database, gone afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        names = (sql.Identifier(name), sql.Identifier(template))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
    try:
        yield server.url(name)
    finally:
        server.drop_database(name)
