"""What the machine itself can do, measured in the same run as what is compared with it."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from tests.components.postgresql import PostgreSQLServer, binaries

_PLAIN = "CREATE TABLE IF NOT EXISTS plain (id INTEGER PRIMARY KEY, text TEXT)"
_WIDE = """
CREATE TABLE wide (
    id BIGINT PRIMARY KEY, project_id BIGINT, task_id BIGINT, submission_id BIGINT, class_id BIGINT, status TEXT,
    priority BIGINT, unmet BIGINT, impossible BIGINT, created_at BIGINT, updated_at BIGINT, timeout DOUBLE PRECISION,
    name TEXT, parameters TEXT
)
"""
_INSERT = "INSERT INTO wide VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def xargs(jobs: int) -> float:
    """Seconds for so many `true` by `xargs -P2`."""
    begin = time.perf_counter()
    subprocess.run(["xargs", "-P2", "-I{}", "true"], input="x\n" * jobs, text=True, check=True)
    return time.perf_counter() - begin


def sqlite_commits(path: Path, commits: int) -> float:
    """One-row commits a second of SQLite itself, in WAL mode with synchronous=FULL: each waits for the disk."""
    with closing(_sqlite(path)) as connection:
        connection.execute(_PLAIN)
        begin = time.perf_counter()
        for _ in range(commits):
            connection.execute("INSERT INTO plain (text) VALUES ('x')")
        return commits / (time.perf_counter() - begin)


def pgbench(server: PostgreSQLServer, folder: Path, *, clients: int, seconds: int) -> float:
    """One-row commits a second of a durable PostgreSQL, by so many connections."""
    database = server.create_database()
    try:
        with psycopg.connect(server.url(database), autocommit=True) as connection:
            connection.execute("CREATE TABLE plain (id BIGSERIAL PRIMARY KEY, text TEXT)")
        script = folder / "insert.sql"
        script.write_text("INSERT INTO plain (text) VALUES ('x');\n")
        argv = [str(binaries() / "pgbench"), "-n", "-f", str(script), "-c", str(clients), "-j", "1", "-T", str(seconds)]
        argv += ["-h", "127.0.0.1", "-p", str(server.port), "-U", server.user, database]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        found = re.search(r"tps = ([\d.]+)", done.stdout)
        assert found, done.stdout
        return float(found[1])
    finally:
        server.drop_database(database)


def executemany(path: Path, rows: Sequence[tuple[Any, ...]]) -> float:
    """Rows a second that SQLite takes in by one `executemany`, in one transaction that waits for the disk."""
    with closing(_sqlite(path)) as connection:
        connection.execute("DROP TABLE IF EXISTS wide")
        connection.execute(_WIDE)
        begin = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_INSERT, rows)
        connection.execute("COMMIT")
        return len(rows) / (time.perf_counter() - begin)


def copy(url: str, rows: Iterable[tuple[Any, ...]], number: int) -> float:
    """Rows a second that PostgreSQL takes in by one COPY, in one transaction that waits for the disk."""
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS wide")
        connection.execute(_WIDE)
        connection.commit()
        begin = time.perf_counter()
        with connection.cursor() as cursor, cursor.copy("COPY wide FROM STDIN") as stream:
            for row in rows:
                stream.write_row(row)
        connection.commit()
        return number / (time.perf_counter() - begin)


def rows(number: int) -> Iterator[tuple[Any, ...]]:
    """The rows that submissions write into the table of jobs alone, without its other indexes and tables."""
    now = 1_767_225_600_000_000
    return (
        (place, 1, 1, 0, 1, "PENDING", 0, 0, 0, now, now, None, "idle", f'{{"number":{place}}}')
        for place in range(number)
    )


def _sqlite(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection
