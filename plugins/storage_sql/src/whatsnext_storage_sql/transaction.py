"""One transaction: what runs its statements, and what it holds back until the moment before its commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import Enum, auto
from typing import Any

from attrs import define
from sqlalchemy import Connection, CursorResult, Executable, Table, exc, select, text

from whatsnext_core.errors import InvalidError, TransientStorageError
from whatsnext_core.model import EventKind
from whatsnext_storage_sql.bulk import Bulk, Rows
from whatsnext_storage_sql.dialects import among
from whatsnext_storage_sql.errors import UNFIT, UniquenessError, translate
from whatsnext_storage_sql.models.types import to_micros, write_json
from whatsnext_storage_sql.recall import Recall
from whatsnext_storage_sql.statements import Record, Statement
from whatsnext_storage_sql.tables import EVENT, SUBMISSION

COUNTER_LOCK = 7_308_332_044
"""The advisory lock of PostgreSQL under which counters change and events get their numbers, just before a commit."""

CountKey = tuple[int, int, int, str]
"""Project, submission (0 unless staged), task and status."""

_COUNT = Statement(
    text(
        "INSERT INTO counter (project_id, submission_id, task_id, status, number) VALUES (:p, :b, :t, :s, :n) "
        "ON CONFLICT (project_id, submission_id, task_id, status) "
        "DO UPDATE SET number = counter.number + excluded.number"
    )
)
_LOCK = Statement(text(f"SELECT pg_advisory_xact_lock({COUNTER_LOCK})"))
_SUBMISSIONS = Statement(
    select(SUBMISSION.c.id, SUBMISSION.c.state, SUBMISSION.c.cursor).where(among(SUBMISSION.c.id, "ids"))
)
_EVENT_COLUMNS = ("project_id", "job_id", "kind", "at", "data")


class Batch(Enum):
    """How far a job's batch has come with it."""

    HIDDEN = auto()
    """Nobody may see it yet, or ever."""
    PUBLISHED = auto()
    """It is seen, as PENDING, but not yet in the queue."""
    ADMITTED = auto()
    """It is in the queue, or came with no batch."""


@define(init=False)
class Transaction:
    """A transaction on one connection.

    Counters and events are written in one go at the end: two servers on one PostgreSQL then wait for each other's
    counters only for the moment of a commit, and events become visible in the order of their numbers.
    """

    connection: Connection
    place: str
    """What messages call the database."""
    recall: Recall | None
    """What this server remembers of the lines on PostgreSQL; None for SQLite, where nothing dead lies in the way."""
    is_postgresql: bool
    """Whether this is PostgreSQL, where other servers may write at the same time."""
    graph_locked: bool
    """Whether no other server tells children of their parents before this transaction ends."""
    _bulk: Bulk
    _errors: tuple[type[Exception], ...]
    _counts: list[tuple[CountKey, int]]
    _events: list[tuple[Any, ...]]
    _settled: set[int]
    """Batches that have no row any more; they never get one again."""
    _savepoints: int
    _doom: TransientStorageError | None

    def __init__(self, connection: Connection, place: str, recall: Recall | None = None) -> None:
        driver = connection.connection.driver_connection
        is_postgresql = connection.dialect.name == "postgresql"
        raw_errors = connection.dialect.loaded_dbapi.Error  # type: ignore[attr-defined]  # a module of the DB-API has it
        self.__attrs_init__(  # type: ignore[attr-defined]  # attrs makes it
            connection=connection,
            place=place,
            recall=recall,
            is_postgresql=is_postgresql,
            graph_locked=False,
            bulk=Bulk(driver, is_postgresql),
            errors=(exc.DBAPIError, raw_errors),
            counts=[],
            events=[],
            settled=set(),
            savepoints=0,
            doom=None,
        )

    # -- statements ----------------------------------------------------------------------------------------------------

    def query(self, statement: Executable) -> CursorResult[Any]:
        """Run a statement that was made for this occasion, by way of SQLAlchemy."""
        with self._translated():
            return self.connection.execute(statement)

    def all(self, statement: Statement, **parameters: Any) -> Sequence[Record]:
        """Return all rows of a statement."""
        said = statement.on(self.connection.dialect)
        with self._translated():
            return said.read(self._bulk.driver.execute(said.sql, said.bind(parameters)).fetchall())

    def first(self, statement: Statement, **parameters: Any) -> Record | None:
        """Return the first row of a statement, or None."""
        found = self.all(statement, **parameters)
        return found[0] if found else None

    def scalar(self, statement: Statement, **parameters: Any) -> Any:
        """Return the first value of the first row of a statement, or None."""
        found = self.all(statement, **parameters)
        return found[0][0] if found else None

    def run(self, statement: Statement, **parameters: Any) -> None:
        """Run a statement that returns nothing."""
        said = statement.on(self.connection.dialect)
        with self._translated():
            self._bulk.driver.execute(said.sql, said.bind(parameters))

    def repeat(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement that returns nothing once for each row of parameters."""
        if rows:
            said = statement.on(self.connection.dialect)
            with self._translated():
                self._bulk.repeat(said.sql, [said.bind(row) for row in rows])

    def insert(self, table: Table, columns: Sequence[str], rows: Rows) -> None:
        """Insert rows of plain values."""
        with self._translated():
            self._bulk.insert(table, columns, rows)

    def update(self, table: Table, columns: Sequence[str], keys: Sequence[str], rows: Rows) -> None:
        """Set columns of rows that are found by their keys; each row gives first the values, then the keys, plain."""
        with self._translated():
            self._bulk.update(table, columns, keys, rows)

    def delete(self, table: Table, keys: Sequence[str], rows: Rows) -> None:
        """Delete rows that are found by their keys, given as plain values."""
        with self._translated():
            self._bulk.delete(table, keys, rows)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        if self._doom is not None:
            raise self._doom
        try:
            yield
        except self._errors as error:
            found = translate(error, self.place)
            if getattr(self._bulk.driver, "broken", False):
                self.connection.invalidate(error)
                found = TransientStorageError(
                    f"The connection to {self.place} broke before anything was written; run the transaction again."
                )
            if isinstance(found, TransientStorageError):
                self._doom = found
            raise found from error
        except UNFIT as error:
            raise InvalidError(f"A value cannot be stored in {self.place}: {error}.") from error

    # -- savepoints ----------------------------------------------------------------------------------------------------

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Return a block whose writes are undone if it raises."""
        counts, events, locked = len(self._counts), len(self._events), self.graph_locked
        self._savepoints += 1
        name = f"savepoint_{self._savepoints}"
        self._say(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            del self._counts[counts:], self._events[events:]
            self._settled.clear()
            if self.recall is not None:
                self.recall.forget()
            self.graph_locked = locked
            if self._doom is None:
                self._say(f"ROLLBACK TO SAVEPOINT {name}")
                self._say(f"RELEASE SAVEPOINT {name}")
            raise
        self._say(f"RELEASE SAVEPOINT {name}")

    def _say(self, words: str) -> None:
        with self._translated():
            self._bulk.driver.execute(words)

    @contextmanager
    def unique(self, error: Exception) -> Iterator[None]:
        """Return a block that raises ``error`` if a row with the same key exists, and then leaves nothing behind."""
        try:
            with self.savepoint():
                yield
        except UniquenessError as cause:
            raise error from cause

    # -- what waits for the end ----------------------------------------------------------------------------------------

    def count(self, key: CountKey, change: int) -> None:
        """Change a counter by so many jobs."""
        self._counts.append((key, change))

    def uncounted(self, project_id: int | None) -> Iterator[tuple[CountKey, int]]:
        """Come to each change of a project's counters (None for all projects) that is not written yet."""
        return ((key, change) for key, change in self._counts if project_id in {None, key[0]})

    def stop_counting(self, project_id: int, *, submission_id: int | None = None, task_id: int | None = None) -> None:
        """Drop what is not written yet of counters that go away: of a project, or one batch or task of it."""
        self._counts[:] = [
            (key, change)
            for key, change in self._counts
            if key[0] != project_id
            or (submission_id is not None and key[1] != submission_id)
            or (task_id is not None and key[2] != task_id)
        ]

    @property
    def holds_back(self) -> bool:
        """Whether counters or events are not written yet."""
        return bool(self._counts or self._events)

    def tell(self, project_id: int, job_id: int, kind: EventKind, at: datetime, data: Mapping[str, Any]) -> None:
        """Write an event."""
        self._events.append((project_id, job_id, kind.value, to_micros(at), write_json(data)))

    def flush(self) -> None:
        """Write the counters and events that were held back."""
        if self._doom is not None:
            raise self._doom
        if not self._counts and not self._events:
            return
        if self.is_postgresql:
            self.run(_LOCK)
        changes: Counter[CountKey] = Counter()
        for key, change in self._counts:
            changes[key] += change
        if any(changes.values()):
            rows = [{"p": p, "b": b, "t": t, "s": s, "n": n} for (p, b, t, s), n in sorted(changes.items()) if n]
            self.repeat(_COUNT, rows)
        self.insert(EVENT, _EVENT_COLUMNS, self._events)
        self._counts.clear()
        self._events.clear()

    # -- batches that are not in the queue -----------------------------------------------------------------------------

    def batches(self, submission_ids: Collection[int]) -> Mapping[int, Record]:
        """Return those batches that still have a row: not all of their jobs are in the queue."""
        wanted = [number for number in submission_ids if number not in self._settled]
        if not wanted:
            return {}
        found = {row.id: row for row in self.all(_SUBMISSIONS, ids=wanted)}
        self._settled.update(number for number in wanted if number not in found)
        return found


def batch_of(job_id: int, row: Record | None) -> Batch:
    """Return how far a batch has come with a job; without a row it came to its end, or there is none."""
    if row is None or job_id <= row.cursor:
        return Batch.ADMITTED
    return Batch.PUBLISHED if row.state == "published" else Batch.HIDDEN
