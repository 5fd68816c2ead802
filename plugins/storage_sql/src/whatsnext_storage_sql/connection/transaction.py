"""One transaction: what runs its statements, and what it holds back until the moment before its commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import Enum, auto
from typing import Any

from attrs import define, field
from sqlalchemy import Connection, CursorResult, Executable, Row, Table, exc, select

from whatsnext_core.errors import InvalidError, StorageError, TransientStorageError
from whatsnext_core.model import EventKind
from whatsnext_storage_sql.connection.bulk import Rows, deleting, inserting, updating
from whatsnext_storage_sql.connection.dialects import among
from whatsnext_storage_sql.connection.direct import Channel, Order, Query, Question, channel
from whatsnext_storage_sql.connection.errors import UniquenessError, translate
from whatsnext_storage_sql.events.runs import EventRow, inserting_events
from whatsnext_storage_sql.models.types import to_micros
from whatsnext_storage_sql.queue.recall import Recall
from whatsnext_storage_sql.tables import COUNTER, SUBMISSION

COUNTER_LOCK = 7_308_332_044
"""The advisory lock of PostgreSQL under which counters change and events get their numbers, just before a commit."""

CountKey = tuple[int, int, int, str]
"""Project, submission (0 unless staged), task (`ALL_TASKS` for the project's total alone) and status."""
ALL_TASKS = 0
"""The task of counters of all tasks."""

_COUNT_COLUMNS = ("project_id", "submission_id", "task_id", "status", "number")
_COUNT_CONFLICT = (
    " ON CONFLICT (project_id, submission_id, task_id, status) DO UPDATE SET number = counter.number + excluded.number"
)
_LOCK = Order(f"SELECT pg_advisory_xact_lock({COUNTER_LOCK})")
_SUBMISSIONS = Query(
    select(SUBMISSION.c.id, SUBMISSION.c.state, SUBMISSION.c.cursor).where(among(SUBMISSION.c.id, "ids"))
)
_FAILURES = (exc.DBAPIError, OverflowError, UnicodeEncodeError)
"""What a statement fails with."""


class Batch(Enum):
    """How far a job's batch has come with it."""

    HIDDEN = auto()
    """Nobody may see it yet, or ever."""
    PUBLISHED = auto()
    """It is seen, as PENDING, but not yet in the queue."""
    ADMITTED = auto()
    """It is in the queue, or came with no batch."""


@define
class Transaction:
    """A transaction on one connection.

    Counters and events are written in one go at the end: two servers on one PostgreSQL then wait for each other's
    counters only for the moment of a commit, and events become visible in the order of their numbers.
    """

    connection: Connection
    place: str
    """What messages call the database."""
    recall: Recall = field(factory=Recall)
    """What the storage remembers of the lines of ready jobs."""
    graph_locked: bool = False
    """Whether no other server tells children of their parents before this transaction ends."""
    is_postgresql: bool = field(init=False)
    """Whether this is PostgreSQL, where other servers may write at the same time."""
    _channel: Channel = field(init=False)
    _counts: list[tuple[CountKey, int]] = field(factory=list)
    _events: list[EventRow] = field(factory=list)
    _tellers: list[Order] = field(factory=list)
    """Statements that write events."""
    _orders: list[Order] = field(factory=list)
    """What is to be written before anything is read, or the transaction ends: it travels together."""
    _settled: set[int] = field(factory=set)
    """Batches that have no row any more; they never get one again."""
    _doom: StorageError | None = None
    """What everything fails with, once the database undid all of the transaction."""

    def __attrs_post_init__(self) -> None:
        self.is_postgresql = self.connection.dialect.name == "postgresql"
        self._channel = channel(self.connection)

    def begin(self, patience: float) -> None:
        """Begin to write to SQLite, and wait so many seconds for another process to end that."""
        self._channel.begin(patience)

    def commit(self) -> None:
        """Commit it, after ``flush``."""
        self._channel.commit()

    # -- statements ----------------------------------------------------------------------------------------------------

    def run(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Run a statement; with a list of parameters, once for each."""
        self.send()
        with self._translated():
            return self.connection.execute(statement, parameters)

    def ask(self, *asked: Question, commit: bool = False) -> list[list[Any]]:
        """Return the answers to several queries, of which none needs that of another: rows, if they do not say columns.

        ``commit`` says that nothing comes after them but ``commit``, which may go with them.
        """
        self._check()
        orders, self._orders = self._orders, []
        try:
            return self._channel.run(orders, asked, commit=commit)
        except _FAILURES as error:
            raise self._translate(error, commit=commit) from error

    def all(self, statement: Executable | Query, **parameters: Any) -> Sequence[Any]:
        """Return all rows of a statement."""
        if isinstance(statement, Query):
            return self.ask((statement, parameters))[0]
        self.send()
        with self._translated():
            return self.connection.execute(statement, parameters).all()

    def first(self, statement: Executable | Query, **parameters: Any) -> Row[Any] | None:
        """Return the first row of a statement, or None."""
        if isinstance(statement, Query):
            return next(iter(self.ask((statement, parameters))[0]), None)
        self.send()
        with self._translated():
            return self.connection.execute(statement, parameters).first()

    def scalar(self, statement: Executable | Query, **parameters: Any) -> Any:
        """Return the first value of the first row of a statement, or None."""
        row = self.first(statement, **parameters)
        return None if row is None else row[0]

    def insert(self, table: Table, columns: Sequence[str], rows: Rows, conflict: str = "") -> None:
        """Insert rows of plain values; ``conflict`` says what to do about a row that is there already."""
        if rows:
            self._note(inserting(self.connection.dialect, table, columns, rows, conflict))

    def update(self, table: Table, columns: Sequence[str], keys: Sequence[str], rows: Rows) -> None:
        """Set columns of rows that are found by their keys; each row gives first the values, then the keys, plain."""
        if rows:
            self._note(updating(self.connection.dialect, table, columns, keys, rows))

    def delete(self, table: Table, keys: Sequence[str], rows: Rows) -> None:
        """Delete rows that are found by their keys, given as plain values."""
        if rows:
            self._note(deleting(self.connection.dialect, table, keys, rows))

    def note(self, query: Query, **parameters: Any) -> None:
        """Run a statement that changes rows, with what else is to be written."""
        self._note(self._order(query, parameters))

    def send(self) -> None:
        """Run what was noted to be written; nothing is read before."""
        if self._orders:
            self.ask()

    def _order(self, query: Query, parameters: Mapping[str, Any]) -> Order:
        plan = query.plan(self.connection.dialect)
        return Order(plan.text, [plan.parameters(parameters)])

    def _note(self, order: Order | None) -> None:
        self._check()
        if order is not None:
            self._orders.append(order)

    def _check(self) -> None:
        """Raise what everything fails with, once the database undid all of the transaction."""
        if self._doom is not None:
            raise self._doom

    @contextmanager
    def _translated(self) -> Iterator[None]:
        self._check()
        try:
            yield
        except _FAILURES as error:
            raise self._translate(error) from error

    def _translate(self, error: Exception, *, commit: bool = False) -> Exception:
        """Return the error that a user of the storage gets for that of a statement, with which the commit may go."""
        if not isinstance(error, exc.DBAPIError):
            return InvalidError(f"A value cannot be stored in {self.place}: {error}.")
        found = translate(error, self.place)
        if error.connection_invalidated and not commit:
            found = TransientStorageError(
                f"The connection to {self.place} broke before anything was written; run the transaction again."
            )
        if isinstance(found, TransientStorageError) or (isinstance(found, StorageError) and self._is_undone()):
            self._doom = found
        return found

    def _is_undone(self) -> bool:
        """Return whether SQLite has undone all of the transaction by itself, as it does when the disk is full."""
        if self.is_postgresql:
            return False
        driver: Any = self.connection.connection.driver_connection
        return not driver.in_transaction

    # -- savepoints ----------------------------------------------------------------------------------------------------

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Return a block whose writes are undone if it raises."""
        counts, events, tellers = len(self._counts), len(self._events), len(self._tellers)
        locked = self.graph_locked
        self.send()
        nested = self.connection.begin_nested()
        try:
            yield
            self.send()
        except BaseException:
            del self._counts[counts:], self._events[events:], self._tellers[tellers:]
            self._orders.clear()
            self._settled.clear()
            self.recall.forget()
            self.graph_locked = locked
            if self._doom is None:
                nested.rollback()
            raise
        nested.commit()

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
        return bool(self._counts or self._events or self._tellers)

    def tell(self, events: Iterable[EventRow]) -> None:
        """Write events."""
        self._events += events

    def tell_of_all(
        self, project_id: int, job_ids: Iterable[int], kind: EventKind, at: datetime, text: str | None
    ) -> None:
        """Write the same event of each of these jobs; ``text`` is its data as JSON."""
        rest = (kind._value_, to_micros(at), text)
        self._events += [(project_id, job_id, *rest) for job_id in job_ids]

    def tell_by(self, query: Query, **parameters: Any) -> None:
        """Let a statement write the first events of jobs; it is run before other events are written."""
        self._tellers.append(self._order(query, parameters))

    def before_rows_go(self) -> None:
        """Write what statements tell of rows while these are there."""
        if self._tellers:
            self.flush()

    def flush(self, *, commit: bool = False) -> None:
        """Write all that was held back, the counters and events last; the commit may go with it."""
        self._check()
        if self.holds_back:
            if self.is_postgresql:
                self._note(_LOCK)
            changes: Counter[CountKey] = Counter()
            for key, change in self._counts:
                project_id, submission_id, task_id, status = key
                changes[key] += change
                if task_id != ALL_TASKS:
                    changes[project_id, submission_id, ALL_TASKS, status] += change
            rows = [(*key, number) for key, number in sorted(changes.items()) if number]
            self.insert(COUNTER, _COUNT_COLUMNS, rows, _COUNT_CONFLICT)
            self._orders += self._tellers
            self._note(inserting_events(self.connection.dialect, self._events))
        if commit:
            with self._translated():
                self._channel.check()
        if self._orders:
            self.ask(commit=commit)
        self._counts.clear()
        self._events.clear()
        self._tellers.clear()

    # -- batches that are not in the queue -----------------------------------------------------------------------------

    def batches(self, submission_ids: Collection[int]) -> Mapping[int, Row[Any]]:
        """Return those batches that still have a row: not all of their jobs are in the queue."""
        wanted = [number for number in submission_ids if number not in self._settled]
        if not wanted:
            return {}
        found = {row.id: row for row in self.all(_SUBMISSIONS, ids=wanted)}
        self._settled.update(number for number in wanted if number not in found)
        return found


def batch_of(job_id: int, row: Row[Any] | None) -> Batch:
    """Return how far a batch has come with a job; without a row it came to its end, or there is none."""
    if row is None or job_id <= row.cursor:
        return Batch.ADMITTED
    return Batch.PUBLISHED if row.state == "published" else Batch.HIDDEN
