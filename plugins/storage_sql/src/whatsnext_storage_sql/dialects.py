"""The few things that SQLite and PostgreSQL say differently, as elements that statements are built of."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Boolean, ColumnElement, Connection, Dialect, Table, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

COPY_FROM = 20
"""Rows from which COPY is quicker than statements on PostgreSQL."""


def _as_list(ids: Sequence[int] | None) -> list[int]:
    return list(ids or ())


class _Ids(TypeDecorator[Sequence[int]]):
    """A list of numbers as one parameter, so that a statement is the same however long the list is."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(BigInteger()) if dialect.name == "postgresql" else Text())

    def bind_processor(self, dialect: Dialect) -> Callable[[Sequence[int] | None], Any]:
        return _as_list if dialect.name == "postgresql" else json.dumps


class _Among(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True


@compiles(_Among, "sqlite")
def _among_sqlite(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({ids}))"  # noqa: S608  # both are clauses that SQLAlchemy wrote


@compiles(_Among, "postgresql")
def _among_postgresql(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY ({ids})"


def among(column: ColumnElement[int], name: str) -> ColumnElement[bool]:
    """Return the condition that a column is among the numbers of the parameter ``name``, a list."""
    return _Among(column, bindparam(name, type_=_Ids()))


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows of plain values (times as microseconds, JSON as text) the quickest way the database has."""
    if not rows:
        return
    names = ", ".join(columns)
    if connection.dialect.name == "postgresql":
        if len(rows) >= COPY_FROM:
            cursor: Any = connection.connection.cursor()
            with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.close()
            return
        marks = ", ".join(["%s"] * len(columns))
    else:
        marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608  # only names of our own
    connection.exec_driver_sql(statement, list(rows))
