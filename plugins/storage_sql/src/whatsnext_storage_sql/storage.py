"""The storage: a database that is open for use by several threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime

from sqlalchemy import URL, Connection, Engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from whatsnext_core.errors import StorageError, TransientStorageError, UncertainStorageError, UnreachableStorageError
from whatsnext_storage_sql.config import SQLConfig
from whatsnext_storage_sql.connection.clock import SharedClock
from whatsnext_storage_sql.connection.engines import Engines, open_engines
from whatsnext_storage_sql.connection.errors import Translated, has_gone, translate
from whatsnext_storage_sql.connection.reaching import may_come
from whatsnext_storage_sql.connection.schema import prepare, upgrade
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.models.types import from_micros
from whatsnext_storage_sql.queue.recall import Recall
from whatsnext_storage_sql.reader import SQLReader
from whatsnext_storage_sql.writer import SQLWriter

_NOW = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")
_ANY_PROJECT = text("SELECT id FROM project LIMIT 1")


def open_storage(url: str, config: SQLConfig | None = None) -> SQLStorage:
    """Return the storage at a database URL.

    Raises:
        UnreachableStorageError: it cannot be reached, or admits nobody yet; it may help to wait and try again.
        StorageError: it cannot be opened for another reason, or its schema is another one.
    """
    config = config or SQLConfig()
    parts = parse_url(url)
    engines = open_engines(parts, config)
    try:
        with _reaching(parts, engines):
            prepare(engines, upgrade=config.upgrade)
    except BaseException:
        engines.close()
        raise
    return SQLiteStorage(engines) if engines.write.dialect.name == "sqlite" else SQLStorage(engines)


def upgrade_storage(url: str, config: SQLConfig | None = None) -> str:
    """Bring the schema at a database URL up to date and return what was done, in a line; raises as `open_storage`."""
    parts = parse_url(url)
    engines = open_engines(parts, config or SQLConfig())
    try:
        with _reaching(parts, engines):
            return upgrade(engines)
    finally:
        engines.close()


@contextmanager
def _reaching(url: URL, engines: Engines) -> Iterator[None]:
    """Turn what the driver raises inside the block into errors that say whether it helps to wait."""
    with Translated(engines.place):
        try:
            yield
        except DBAPIError as error:
            if may_come(engines.read, url, error):
                raise UnreachableStorageError(str(translate(error, engines.place))) from error
            raise


def parse_url(url: str) -> URL:
    """Return a database URL in parts; StorageError if it is none."""
    try:
        return make_url(url)
    except ArgumentError as error:
        raise StorageError(
            "The database URL cannot be read; write sqlite:///path/to/file.db or "
            "postgresql://user:password@host:5432/database, with special characters of the password as %XX."
        ) from error


class SQLStorage:
    """Jobs in SQLite or PostgreSQL.

    Writing blocks of one process take turns; on PostgreSQL those of several servers go on at the same time. Reading
    blocks wait for nobody.
    """

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._turn = threading.Lock()
        self._writer: int | None = None
        self._closed = False
        is_sqlite = engines.read.dialect.name == "sqlite"
        self._recall = Recall(is_alone=is_sqlite)
        self._clock = SharedClock(_local_time if is_sqlite else self._ask_time)

    @contextmanager
    def read(self) -> Iterator[SQLReader]:
        """Return a block with a consistent view."""
        with self._begin(self._engines.read) as connection:
            yield SQLReader(Transaction(connection, self._engines.place))

    def write(self) -> AbstractContextManager[SQLWriter]:
        """Return a block that is one transaction, durable once it ended well."""
        return self._write(at_once=False)

    @contextmanager
    def _write(self, *, at_once: bool) -> Iterator[SQLWriter]:
        me = threading.get_ident()
        if self._writer == me:
            raise StorageError(
                "This thread writes to the storage already; end its write block before it begins another."
            )
        if not self._turn.acquire(blocking=not at_once):
            raise TransientStorageError(f"Another thread writes to {self._engines.place}; try again.")
        self._writer = me
        is_committing = False
        try:
            with self._begin_writing(0.0 if at_once else self._engines.patience) as transaction:
                yield SQLWriter(transaction)
                is_committing = transaction.is_postgresql
                transaction.flush(commit=True)
        except BaseException as error:
            self._recall.forget()
            if is_committing:
                self._doubt(error)
            raise
        finally:
            self._writer = None
            self._turn.release()

    def clock(self) -> datetime:
        """Return the time: the database's own on PostgreSQL, this machine's for SQLite."""
        self._check_open()
        return self._clock.now()

    def check(self) -> None:
        """Raise StorageError unless the database answers."""
        with self._begin(self._engines.read) as connection:
            connection.execute(_ANY_PROJECT).all()

    def close(self) -> None:
        """Close all connections."""
        self._closed = True
        self._engines.close()

    @contextmanager
    def _begin(self, engine: Engine) -> Iterator[Connection]:
        self._check_open()
        with Translated(self._engines.place), engine.begin() as connection:
            yield connection

    @contextmanager
    def _begin_writing(self, patience: float) -> Iterator[Transaction]:  # noqa: ARG002  # of SQLite
        """Begin a writing transaction."""
        with self._begin(self._engines.write) as connection:
            yield Transaction(connection, self._engines.place, self._recall)

    def _doubt(self, error: BaseException) -> None:
        """Raise UncertainStorageError for an error of a commit that PostgreSQL may have made before it went away."""
        if isinstance(error, StorageError) and not isinstance(error, TransientStorageError) and has_gone(error):
            raise UncertainStorageError(
                f"The connection to {self._engines.place} broke during a commit, and it is unknown whether that was "
                f"kept. Look before you do it again."
            ) from error

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError(f"The storage {self._engines.place} is closed; open it anew.")

    def _ask_time(self) -> datetime:
        with self._begin(self._engines.read) as connection:
            return from_micros(connection.execute(_NOW).scalar_one())


class SQLiteStorage(SQLStorage):
    """Jobs in a file of SQLite."""

    def __init__(self, engines: Engines) -> None:
        super().__init__(engines)
        self._kept: Connection | None = None
        """The connection of the last writing block: to take one from the pool takes three times as long as to begin."""

    def write_at_once(self) -> AbstractContextManager[SQLWriter]:
        """Return a block as ``write`` does; TransientStorageError at its beginning if somebody else writes now."""
        return self._write(at_once=True)

    def close(self) -> None:
        """Close all connections."""
        self._closed = True
        if self._turn.acquire(blocking=False):  # else somebody writes still
            self._let_go()
            self._turn.release()
        super().close()

    @contextmanager
    def _begin_writing(self, patience: float) -> Iterator[Transaction]:
        self._check_open()
        try:
            with Translated(self._engines.place):
                self._kept = self._kept or self._engines.write.connect()
                transaction = Transaction(self._kept, self._engines.place, self._recall)
                transaction.begin(patience)
                yield transaction
                transaction.commit()
        except BaseException:
            self._let_go()
            raise

    def _let_go(self) -> None:
        """Give the kept connection back to its pool, which leaves nothing of a transaction."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()


def _local_time() -> datetime:
    return datetime.now(UTC)
