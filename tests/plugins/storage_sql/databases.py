"""Databases that begin empty, made in no time."""

import psycopg
from psycopg import sql

from whatsnext_storage_sql.models import Base


def empty(url: str) -> None:
    """Empty all tables of a PostgreSQL database and begin all numbers anew.

    Making a database of its own for each test takes a second or two, which is longer than most of them.
    """
    names = sql.SQL(", ").join(sql.Identifier(table.name) for table in Base.metadata.sorted_tables)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(names))
        connection.execute("ALTER SEQUENCE job_id RESTART")
