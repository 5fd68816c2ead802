"""Statements that go straight to the driver, several at once where the database is a network away.

SQLAlchemy takes several times as long for a statement as SQLite does, most of it for what is the same each time. Here a
query is compiled once for each kind of database. Whoever listens to SQLAlchemy's statements hears these as well.

On PostgreSQL statements of which none needs the answer of another travel together: one wait instead of one for each.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

from attrs import field, frozen
from sqlalchemy import Connection, Dialect, SelectBase, TextClause, exc

_Process: TypeAlias = Callable[[Any], Any]
_AT_ONCE: AbstractContextManager[None] = nullcontext()


@frozen(eq=False)
class Query:
    """A query that commands ask again and again; its parameters have the names that it gives them."""

    statement: SelectBase | TextClause
    _plans: dict[str, _Plan] = field(factory=dict, init=False)

    def plan(self, dialect: Dialect) -> _Plan:
        """Return how it is asked of one kind of database."""
        if dialect.name not in self._plans:
            self._plans[dialect.name] = _Plan(self.statement, dialect)
        return self._plans[dialect.name]


Question: TypeAlias = tuple[Query, Mapping[str, Any]]
"""A query and its parameters."""


class _Plan:
    """The text of a query, and how its parameters and rows become what the driver and the caller want."""

    def __init__(self, statement: SelectBase | TextClause, dialect: Dialect) -> None:
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

    def parameters(self, given: Mapping[str, Any]) -> Any:
        """Return the parameters as the driver wants them."""
        values = {**self._fixed, **given}
        for name, process in self._binds.items():
            if name in given:
                values[name] = process(given[name])
        return values if self._order is None else [values[name] for name in self._order]

    def rows(self, cursor: Any) -> list[Any]:
        """Return the rows that the driver has, as named tuples of Python's values."""
        rows = cursor.fetchall()
        if not rows:
            return []
        make = self._row or self._learn(cursor.description)
        if self._results:
            columns = list(zip(*rows, strict=True))
            for place, process in self._results:
                columns[place] = tuple(map(process, columns[place]))
            rows = zip(*columns, strict=True)
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
        make: _Process = row._make
        self._row = make  # last: other threads may be here, too
        return make


@frozen
class Order:
    """A statement that changes rows: once for each of several tuples of parameters, or by itself."""

    text: str
    rows: Sequence[Any] = ((),)
    types: Sequence[str] = ()
    """The types of the columns, if the rows are sent as a stream (COPY), which nothing else travels with."""


def run(connection: Connection, orders: Sequence[Order], asked: Sequence[Question] = ()) -> Any:
    """Run statements in this order and return the rows of each query."""
    start = 0
    for place, order in enumerate(orders):
        if order.types:
            _run(connection, orders[start:place], ())
            _copy(connection, order)
            start = place + 1
    return _run(connection, orders[start:], asked)


def _run(connection: Connection, orders: Sequence[Order], asked: Sequence[Question]) -> list[list[Any]]:
    driver: Any = connection.connection.driver_connection
    statements = [(order.text, order.rows) for order in orders]
    plans = [query.plan(connection.dialect) for query, _ in asked]
    statements += [(plan.text, (plan.parameters(given),)) for plan, (_, given) in zip(plans, asked, strict=True)]
    execute = _execute_heard if _is_heard(connection) else _execute
    cursors: list[Any] = []
    try:
        with _pipeline(connection, driver, len(statements)):
            for statement, rows in statements:
                cursors.append(driver.cursor())
                execute(connection, cursors[-1], statement, rows)
        return [plan.rows(cursor) for plan, cursor in zip(plans, cursors[len(orders) :], strict=True)]
    except connection.dialect.loaded_dbapi.Error as error:
        failed: str | None = statements[len(cursors) - 1][0] if cursors else None
        raise _wrapped(connection, failed, error) from error


def _pipeline(connection: Connection, driver: Any, number: int) -> AbstractContextManager[Any]:
    """Return a block in which PostgreSQL is not waited for before its end; SQLite is never waited for."""
    if number < 2 or connection.dialect.name == "sqlite":  # noqa: PLR2004  # one statement travels alone
        return _AT_ONCE
    pipelines: Any = getattr(connection.dialect.loaded_dbapi, "Pipeline", None)
    if pipelines is None or not pipelines.is_supported():
        return _AT_ONCE
    begun: AbstractContextManager[Any] = driver.pipeline()
    return begun


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


def _copy(connection: Connection, order: Order) -> None:
    cursor: Any = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]  # it is open
    try:
        with cursor, cursor.copy(order.text) as copy:
            copy.set_types(order.types)  # so they travel as PostgreSQL keeps them: a third of the time to write text
            for row in order.rows:
                copy.write_row(row)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _wrapped(connection, order.text, error) from error


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
