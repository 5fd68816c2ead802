"""Statements that go straight to the driver, several at once where the database is a network away.

SQLAlchemy takes several times as long for a statement as SQLite does, most of it for what is the same each time. Here a
query is compiled once for each kind of database. Whoever listens to SQLAlchemy's statements hears these as well.

On PostgreSQL statements of which none needs the answer of another travel together: one wait instead of one for each.
"""

from __future__ import annotations

import sqlite3
import time
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from attrs import field, frozen
from sqlalchemy import Connection, Dialect, SelectBase, TextClause, exc

if TYPE_CHECKING:
    from whatsnext_storage_sql.connection.wire import Wire

WIRE: Final = "wire"
"""Under which name what SQLAlchemy knows of a connection to PostgreSQL holds its ``Wire``."""

Step: TypeAlias = tuple[str, Sequence[Any]]
"""A statement, and tuples or mappings of its parameters: it runs for each."""
_Process: TypeAlias = Callable[[Any], Any]


@frozen(eq=False)
class Query:
    """A query that commands ask again and again; its parameters have the names that it gives them."""

    statement: SelectBase | TextClause
    by_column: bool = field(default=False, kw_only=True)
    """Whether it is answered with its columns, each a tuple with a value for each row, or with nothing without rows."""
    _plans: dict[str, _Plan] = field(factory=dict, init=False)

    def plan(self, dialect: Dialect) -> _Plan:
        """Return how it is asked of one kind of database."""
        if dialect.name not in self._plans:
            self._plans[dialect.name] = _Plan(self.statement, dialect, by_column=self.by_column)
        return self._plans[dialect.name]


Question: TypeAlias = tuple[Query, Mapping[str, Any]]
"""A query and its parameters."""


class _Plan:
    """The text of a query, and how its parameters and rows become what the driver and the caller want."""

    def __init__(self, statement: SelectBase | TextClause, dialect: Dialect, *, by_column: bool) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self._order: Sequence[str] | None = compiled.positiontup
        self._fixed: dict[str, Any] = {}
        self._binds: dict[str, _Process] = {}
        for name, bind in compiled.binds.items():
            process = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if not bind.required:
                self._fixed[name] = process(bind.value) if process else bind.value
            if process is not None:
                self._binds[name] = process
        columns = () if isinstance(statement, TextClause) else statement.selected_columns
        self._types = [column.type.dialect_impl(dialect) for column in columns]
        self._results: list[tuple[int, _Process]] = []
        self._row: _Process | None = None
        self._dialect = dialect
        self.answer = self._columns if by_column else self._rows
        """Returns what the driver has found, as Python's values."""

    def parameters(self, given: Mapping[str, Any]) -> Any:
        """Return the parameters as the driver wants them."""
        if self._fixed or self._binds:
            values = {**self._fixed, **given}
            for name, process in self._binds.items():
                if name in given:
                    values[name] = process(given[name])
            given = values
        return given if self._order is None else [given[name] for name in self._order]

    def _columns(self, cursor: Any) -> list[Any]:
        """Return the columns of what the driver has."""
        rows: list[Any] = cursor.fetchall()
        if not rows:
            return rows
        if self._row is None:
            self._learn(cursor.description)
        return self._understood(rows)

    def _understood(self, rows: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return the columns of rows of the driver, as Python's values."""
        columns = list(zip(*rows, strict=True))
        for place, process in self._results:
            column = columns[place]
            is_alike = column.count(column[0]) == len(column)  # as the times of most of a batch are
            columns[place] = (process(column[0]),) * len(column) if is_alike else tuple(map(process, column))
        return columns

    def _rows(self, cursor: Any) -> list[Any]:
        """Return the rows that the driver has, as named tuples of Python's values."""
        rows: list[Any] = cursor.fetchall()
        if not rows:
            return rows
        make = self._row or self._learn(cursor.description)
        if self._results and len(rows) == 1:
            values = list(rows[0])
            for place, process in self._results:
                values[place] = process(values[place])
            return [make(values)]
        if self._results:
            return list(map(make, zip(*self._understood(rows), strict=True)))
        return list(map(make, rows))

    def _learn(self, description: Sequence[Any]) -> _Process:
        """Return what makes rows, from what the driver calls the columns and which types it gives them."""
        found = [
            kind.result_processor(self._dialect, column[1])
            for kind, column in zip(self._types, description, strict=False)
        ]
        self._results = [(place, process) for place, process in enumerate(found) if process is not None]
        names = [column[0] for column in description]
        row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024  # of the statement's names
        make: _Process = partial(tuple.__new__, row)
        self._row = make  # last: other threads may be here, too
        return make


class Order(NamedTuple):
    """A statement that changes rows: once for each of several tuples of parameters, or by itself."""

    text: str
    rows: Sequence[Any] = ((),)
    types: Sequence[str] = ()
    """The types of the columns, if the rows are sent as a stream (COPY), which nothing else travels with."""


_BEGIN = Order("BEGIN IMMEDIATE")
SHORTEST_PAUSE = 0.001
LONGEST_PAUSE = 0.05
"""Seconds between two looks whether another process still writes."""


class Channel:
    """The way from one transaction to the driver; what stays the same until its end is looked up once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect
        self._driver: Any = connection.connection.driver_connection
        self._error: type[Exception] = connection.dialect.loaded_dbapi.Error
        self._execute = _execute_heard if _is_heard(connection) else _execute

    def begin(self, patience: float) -> None:
        """Begin to write to SQLite, and wait so many seconds for another process to end that."""
        until, pause = time.monotonic() + patience, SHORTEST_PAUSE
        while True:
            try:
                self.run((_BEGIN,))
            except exc.OperationalError as error:
                if time.monotonic() >= until or not _is_taken(error.orig):
                    raise
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                return

    def run(self, orders: Sequence[Order], asked: Sequence[Question] = (), *, commit: bool = False) -> list[list[Any]]:  # noqa: ARG002  # nobody is waited for
        """Run statements in this order and return the answer to each query: its rows, if it does not say columns.

        ``commit`` says that nothing comes after them but ``commit``, which may go with them.
        """
        execute, connection, found = self._execute, self._connection, []
        statement: str | None = None
        try:
            cursor = self._driver.cursor()
            for statement, rows, _ in orders:
                execute(connection, cursor, statement, rows)
            for query, given in asked:
                plan = query.plan(self._dialect)
                statement = plan.text
                execute(connection, cursor, statement, (plan.parameters(given),))
                found.append(plan.answer(cursor))
        except self._error as error:
            raise _wrapped(connection, statement, error) from error
        return found

    def check(self) -> None:
        """Raise what SQLAlchemy would raise for a connection that is broken, as far as that is known."""

    def commit(self) -> None:
        """Commit what was begun here, and what of it went through SQLAlchemy."""
        if self._connection.in_transaction():
            self._connection.commit()
            return
        for hear in self._connection.dispatch.commit:
            hear(self._connection)
        try:
            self._driver.commit()
        except self._error as error:
            raise _wrapped(self._connection, "COMMIT", error) from error


class _Far(Channel):
    """The way to PostgreSQL: what need not be waited for travels together."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._wire: Wire = connection.info[WIRE]

    def begin(self, patience: float) -> None:
        """A transaction begins with its first statement."""

    def run(self, orders: Sequence[Order], asked: Sequence[Question] = (), *, commit: bool = False) -> list[list[Any]]:
        """Run statements in this order and return the rows of each query; the commit goes with the last, if it may."""
        start = 0
        for place, order in enumerate(orders):
            if order.types:
                self._run(orders[start:place], (), commit=False)
                self._copy(order)
                start = place + 1
        return self._run(orders[start:], asked, commit=commit)

    def check(self) -> None:
        """Raise what SQLAlchemy would raise for a connection that is broken, as far as that is known."""
        try:
            self._wire.check()
        except self._error as error:
            raise _wrapped(self._connection, None, error) from error

    def _run(self, orders: Sequence[Order], asked: Sequence[Question], *, commit: bool) -> list[list[Any]]:
        plans = [query.plan(self._dialect) for query, _ in asked]
        steps = [(statement, rows) for statement, rows, _ in orders]
        steps += [(plan.text, (plan.parameters(given),)) for plan, (_, given) in zip(plans, asked, strict=True)]
        if not steps:
            return []
        hearing = self._connection.dispatch
        self._hear(hearing.before_cursor_execute, steps)
        try:
            answers = self._wire.run(steps, commit=commit)
            asked_for = answers[len(answers) - len(plans) :]
            found = [plan.answer(answer) for plan, answer in zip(plans, asked_for, strict=True)]
        except self._error as error:
            raise _wrapped(self._connection, None, error) from error
        self._hear(hearing.after_cursor_execute, steps)
        return found

    def _hear(self, listeners: Iterable[Callable[..., object]], steps: Sequence[Step]) -> None:
        for hear in listeners:
            for statement, rows in steps:
                many = len(rows) > 1
                hear(self._connection, self._driver.cursor(), statement, rows if many else rows[0], None, many)

    def _copy(self, order: Order) -> None:
        cursor: Any = self._driver.cursor()
        try:
            with cursor, cursor.copy(order.text) as copy:
                copy.set_types(order.types)  # they travel as PostgreSQL keeps them: a third of the time for text
                for row in order.rows:
                    copy.write_row(row)
        except self._error as error:
            raise _wrapped(self._connection, order.text, error) from error


def channel(connection: Connection) -> Channel:
    """Return the way from a transaction on a connection to the driver."""
    return Channel(connection) if connection.dialect.name == "sqlite" else _Far(connection)


def _is_taken(error: BaseException | None) -> bool:
    """Whether an error of SQLite says that another process writes."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY  # its other bits say how it came to that


def _is_heard(connection: Connection) -> bool:
    """Whether somebody listens to the statements."""
    dispatch = connection.dispatch
    return bool(dispatch.before_cursor_execute) or bool(dispatch.after_cursor_execute)


def _execute(_: Connection, cursor: Any, statement: str, rows: Sequence[Any]) -> None:
    if len(rows) > 1:
        cursor.executemany(statement, rows)
    else:
        cursor.execute(statement, rows[0])


def _execute_heard(connection: Connection, cursor: Any, statement: str, rows: Sequence[Any]) -> None:
    many = len(rows) > 1
    parameters = rows if many else rows[0]
    for hear in connection.dispatch.before_cursor_execute:
        hear(connection, cursor, statement, parameters, None, many)
    _execute(connection, cursor, statement, rows)
    for hear in connection.dispatch.after_cursor_execute:
        hear(connection, cursor, statement, parameters, None, many)


def _wrapped(connection: Connection, statement: str | None, error: Any) -> exc.DBAPIError:
    """Return what SQLAlchemy would raise for an error of the driver, and do with a broken connection what it would."""
    dialect = connection.dialect
    broken = dialect.is_disconnect(error, connection.connection, None)
    wrapped: Any = exc.DBAPIError.instance(
        statement, None, error, dialect.loaded_dbapi.Error, connection_invalidated=broken, dialect=dialect
    )
    if broken:
        connection.invalidate(error)
    return wrapped  # type: ignore[no-any-return]  # is one of its classes
