"""Connections: one that writes and several that read, each set up so that a commit survives a power cut."""

from __future__ import annotations

import sqlite3
import time
from functools import partial
from importlib.util import find_spec
from typing import Any

from attrs import frozen
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from whatsnext_core.errors import StorageError
from whatsnext_storage_sql.config import SQLConfig
from whatsnext_storage_sql.connection.direct import WIRE, Channel, Order

_BEGIN = Order("BEGIN")


@frozen(kw_only=True)
class Engines:
    """The two engines of one database."""

    write: Engine
    """For transactions that may write."""
    read: Engine
    """For consistent views."""
    place: str
    """What messages call the database: its file, or its URL without a password."""
    patience: float = 0.0
    """Seconds that a transaction waits for another process which writes to the same SQLite file."""

    def close(self) -> None:
        """Close all connections."""
        self.write.dispose()
        self.read.dispose()


def open_engines(url: URL, config: SQLConfig) -> Engines:
    """Return the engines for a database URL; nothing is connected yet."""
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(url, config)
    return _open_postgresql(url, config)


def place_of(url: URL) -> str:
    """Return what messages call the database at a URL: nothing secret is in it."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)


def _open_sqlite(url: URL, config: SQLConfig) -> Engines:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise StorageError(
            f"The database URL {url.render_as_string()} names no file; use sqlite:///relative/path.db or "
            f"sqlite:////absolute/path.db, or memory:// for a queue that is lost when the server ends."
        )
    arguments = {"timeout": config.busy_timeout}
    write = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=config.busy_timeout, connect_args=arguments)
    read = create_engine(url, pool_size=config.readers, max_overflow=config.readers, connect_args=arguments)
    event.listen(write, "connect", partial(_set_up_sqlite, 64))
    event.listen(write, "connect", _refuse_to_wait)
    event.listen(write, "begin", partial(_begin_to_write, config.busy_timeout))
    event.listen(read, "connect", partial(_set_up_sqlite, 8))
    event.listen(read, "begin", _begin_to_read)
    return Engines(write=write, read=read, place=place_of(url), patience=config.busy_timeout)


def _begin_to_read(connection: Connection) -> None:
    """Begin a transaction in so many words: the driver itself would wait for the first write, and spoil savepoints."""
    Channel(connection).run((_BEGIN,))


def _begin_to_write(patience: float, connection: Connection) -> None:
    """Begin a transaction that writes, unless it was begun straight at the driver."""
    driver: Any = connection.connection.driver_connection
    if not driver.in_transaction:
        Channel(connection).begin(patience)


def _refuse_to_wait(connection: sqlite3.Connection, _: Any) -> None:
    """Let SQLite say at once that another process writes: how long to wait for that is decided by who begins."""
    connection.execute("PRAGMA busy_timeout = 0").close()


def _set_up_sqlite(cache: int, connection: sqlite3.Connection, _: Any) -> None:
    """Set a new connection up; ``cache`` is in MiB."""
    connection.isolation_level = None
    for setting in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "temp_store = MEMORY",
        f"cache_size = {-1024 * cache}",
        "journal_size_limit = 67108864",
    ):
        connection.execute(f"PRAGMA {setting}").close()


def _open_postgresql(url: URL, config: SQLConfig) -> Engines:
    place = place_of(url)
    if url.drivername not in {"postgresql", "postgresql+psycopg"}:
        raise StorageError(
            f"The database URL {place} asks for the driver {url.drivername}; only psycopg 3 is supported: write "
            f"postgresql:// or postgresql+psycopg://."
        )
    if find_spec("psycopg") is None:
        raise StorageError(
            f"The database {place} needs psycopg 3, which is not installed; "
            f"run `pip install 'whatsnext-storage-sql[postgresql]'`."
        )
    arguments = {"connect_timeout": 10, "application_name": "whatsnext", "client_encoding": "utf8"} | dict(url.query)
    url = url.set(drivername="postgresql+psycopg", query={})
    write = create_engine(url, pool_size=1, max_overflow=0, connect_args=arguments)
    read = create_engine(
        url,
        pool_size=config.readers,
        max_overflow=config.readers,
        isolation_level="REPEATABLE READ",
        connect_args=arguments,
    )
    event.listen(write, "connect", _set_up_postgresql)
    event.listen(read, "connect", _set_up_reading)
    for engine in (write, read):
        event.listen(engine, "connect", _wire_up)
        event.listen(engine, "checkin", _note_rest)
        event.listen(engine, "checkout", partial(_check_after_rest, config.check_after))
    return Engines(write=write, read=read, place=place)


def _wire_up(connection: Any, record: ConnectionPoolEntry) -> None:
    from whatsnext_storage_sql.connection.wire import Wire

    record.info[WIRE] = Wire(connection)


def _set_up_postgresql(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        # A server that was stopped in the middle of a transaction does not hold up the others for ever.
        cursor.execute("SET idle_in_transaction_session_timeout = '60s'")
        # Rows are found by their keys, one index search each, also if there are hundreds. Else a plan that was made
        # while a table was small, and is kept, goes through all of the table when it has grown.
        cursor.execute("SET enable_hashjoin = off")
        cursor.execute("SET enable_mergejoin = off")
        # Nor is a table gone through that was empty when the database last looked, and no time is spent on compiling.
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("SET jit = off")
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
    connection.commit()


def _set_up_reading(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        # Where the database takes many rows for few, it would fetch and sort them all rather than go along an index.
        cursor.execute("SET enable_bitmapscan = off")
    connection.commit()


def _note_rest(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["resting_since"] = time.monotonic()


def _check_after_rest(seconds: float, connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
    """Make the pool connect anew if a connection that was not used for a while is broken."""
    if time.monotonic() - record.info.get("resting_since", time.monotonic()) < seconds:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except connection.OperationalError as error:
        raise DisconnectionError from error
