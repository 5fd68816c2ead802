"""Many rows at once, by the shortest way that the driver has.

SQLAlchemy's own way takes several microseconds for each parameter of each row. Here the statement is a plain text of
names of our own, and values are what the database stores: times as microseconds, JSON as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table

from whatsnext_storage_sql.models.types import to_micros

COPY_FROM = 20
"""Rows from which COPY is quicker than statements on PostgreSQL."""

Rows = Sequence[tuple[Any, ...]]


def plain(value: Any) -> Any:
    """Return a value as the database stores it: a time as microseconds, an enumeration as its value."""
    if isinstance(value, datetime):
        return to_micros(value)
    return value.value if isinstance(value, Enum) else value


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Rows) -> None:
    """Insert rows."""
    if connection.dialect.name == "postgresql" and len(rows) >= COPY_FROM:
        cursor: Any = connection.connection.cursor()
        with cursor, cursor.copy(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    elif rows:
        connection.exec_driver_sql(_insert(table.name, tuple(columns), _mark(connection)), list(rows))


def update_rows(connection: Connection, table: Table, columns: Sequence[str], keys: Sequence[str], rows: Rows) -> None:
    """Set columns of rows that are found by their keys; each row gives first the values, then the keys."""
    if rows:
        connection.exec_driver_sql(_update(table.name, tuple(columns), tuple(keys), _mark(connection)), list(rows))


def delete_rows(connection: Connection, table: Table, keys: Sequence[str], rows: Rows) -> None:
    """Delete rows that are found by their keys."""
    if rows:
        connection.exec_driver_sql(_delete(table.name, tuple(keys), _mark(connection)), list(rows))


def _mark(connection: Connection) -> str:
    return "%s" if connection.dialect.name == "postgresql" else "?"


@lru_cache(maxsize=512)
def _insert(table: str, columns: tuple[str, ...], mark: str) -> str:
    marks = ", ".join([mark] * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608  # only names of our own


@lru_cache(maxsize=512)
def _update(table: str, columns: tuple[str, ...], keys: tuple[str, ...], mark: str) -> str:
    sets = ", ".join(f"{column} = {mark}" for column in columns)
    return f"UPDATE {table} SET {sets} WHERE {_where(keys, mark)}"  # noqa: S608  # only names of our own


@lru_cache(maxsize=512)
def _delete(table: str, keys: tuple[str, ...], mark: str) -> str:
    return f"DELETE FROM {table} WHERE {_where(keys, mark)}"  # noqa: S608  # only names of our own


def _where(keys: tuple[str, ...], mark: str) -> str:
    return " AND ".join(f"{key} = {mark}" for key in keys)
