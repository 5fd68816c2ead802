"""Databases that begin empty, made in no time."""

import psycopg
from psycopg import sql

from whatsnext_storage_sql.models import Base

TOUCHED = """
SELECT relname FROM pg_class
WHERE oid = ANY(%s::regclass[]) AND (pg_relation_size(oid) > 0 OR reltuples >= 0)
"""
"""Those of some tables that were written since they were made or truncated, be it in vain, or that were analyzed."""

RESTART = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
FROM pg_sequences WHERE last_value IS NOT NULL
"""


def empty(url: str) -> None:
    """Empty all tables of a PostgreSQL database and begin all numbers anew.

    Making a database of its own for each test takes a second or two, which is longer than most of them. Truncating
    gives a table and its indexes new files; so what no test has touched is left as it is.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        names = [sql.Identifier(table.name).as_string(connection) for table in Base.metadata.sorted_tables]
        touched = [sql.Identifier(name) for (name,) in connection.execute(TOUCHED, [names])]
        if touched:
            connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(touched)))
        connection.execute(RESTART)
