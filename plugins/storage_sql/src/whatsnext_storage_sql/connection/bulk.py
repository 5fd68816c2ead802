"""Many rows at once, by the shortest way that the driver has.

SQLAlchemy's own way takes several microseconds for each parameter of each row. Here the statement is a plain text of
names of our own, and values are what the database stores: times as microseconds, JSON as text.

On PostgreSQL a statement for each row would cost more than the row: from a few rows on there is one statement for all
of them, with an array for each column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import lru_cache
from itertools import repeat
from typing import Any

from sqlalchemy import Dialect, Table
from sqlalchemy.dialects import postgresql

from whatsnext_storage_sql.connection.direct import Order
from whatsnext_storage_sql.connection.spans import condition, walk
from whatsnext_storage_sql.models.types import to_micros

ARRAYS_FROM = 4
"""Rows from which one statement over arrays is quicker on PostgreSQL than a statement for each row."""
COPY_FROM = 20
"""Rows from which COPY is quicker still."""
ALIKE_UP_TO, FEW = 1_000, 2
"""Rows up to which it is not, if they differ in so few columns: to copy is to wait for an answer of its own."""

BYTES = "BYTEA"
"""PostgreSQL's name of bytes, which do not stand in an array."""

_COPIED: Mapping[str, str] = {
    "BIGINT": "int8",
    "FLOAT(53)": "float8",
    "BOOLEAN": "bool",
    "TEXT": "text",
    BYTES: "bytea",
}
"""What psycopg calls the types of columns."""

Rows = Sequence[tuple[Any, ...]]


def plain(value: Any) -> Any:
    """Return a value as the database stores it: a time as microseconds, an enumeration as its value."""
    if isinstance(value, datetime):
        return to_micros(value)
    return value._value_ if isinstance(value, Enum) else value


def inserting(dialect: Dialect, table: Table, columns: Sequence[str], rows: Rows, conflict: str = "") -> Order | None:
    """Return what inserts rows, none of them twice; ``conflict`` says what to do about a row that is there already."""
    if not _has_arrays(dialect, rows):
        return Order(_insert(table.name, tuple(columns), _mark(dialect)) + conflict, list(rows)) if rows else None
    types = _types(table, tuple(columns))
    if len(rows) <= ALIKE_UP_TO and not conflict and BYTES not in types:
        values = list(zip(*rows, strict=True))
        alike = tuple(map(_is_alike, values))
        if 0 < alike.count(False) <= FEW:
            once = [column[0] for column, same in zip(values, alike, strict=True) if same]
            way = walk(values)
            if way is not None:
                return Order(_insert_on_way(table.name, tuple(columns), types, way.place), way.rows)
            return Order(
                _insert_alike(table.name, tuple(columns), types, alike), [(*once, *_arrays(types, values, alike))]
            )
    if (len(rows) >= COPY_FROM and not conflict) or BYTES in types:
        return Order(_copy(table.name, tuple(columns)), list(rows), [_COPIED[name] for name in types])
    return Order(_insert_all(table.name, tuple(columns), types) + conflict, [_arrays(types, zip(*rows, strict=True))])


def updating(dialect: Dialect, table: Table, columns: Sequence[str], keys: Sequence[str], rows: Rows) -> Order | None:
    """Return what sets columns of rows that are found by their keys; each row gives first the values, then the keys.

    If a key comes more than once, the last row counts.
    """
    if len(rows) < ARRAYS_FROM:
        return Order(_update(table.name, tuple(columns), tuple(keys), _mark(dialect)), list(rows)) if rows else None
    values = list(zip(*rows, strict=True))
    if len(set(zip(*values[len(columns) :], strict=True))) < len(rows):
        last = {row[len(columns) :]: row for row in rows}
        values = list(zip(*last.values(), strict=True))
    alike = tuple(map(_is_alike, values[: len(columns)]))
    once = [column[0] for column, same in zip(values, alike, strict=False) if same]
    way = walk(values[len(columns) :]) if all(alike) else None
    if way is not None:
        marks = _marks(dialect, table, (*columns, *keys))
        text = _update_on_way(table.name, tuple(columns), tuple(keys), marks, way.place)
        return Order(text, [(*once, *row) for row in way.rows])
    if not _has_arrays(dialect, rows):
        return Order(_update(table.name, tuple(columns), tuple(keys), _mark(dialect)), list(rows))
    types = _types(table, (*columns, *keys))
    if all(alike) and _differ_in_first(values[len(columns) :]) and BYTES not in types:
        return Order(
            _update_alike(table.name, tuple(columns), tuple(keys), types),
            [(*once, *_in_first(types[len(columns) :], values[len(columns) :]))],
        )
    arrays = _arrays(types, values, (*alike, *(False for _ in keys)))
    return Order(_update_all(table.name, tuple(columns), tuple(keys), types, alike), [(*once, *arrays)])


def deleting(dialect: Dialect, table: Table, keys: Sequence[str], rows: Rows) -> Order | None:
    """Return what deletes rows that are found by their keys."""
    if len(rows) < ARRAYS_FROM:
        return Order(_delete(table.name, tuple(keys), _mark(dialect)), list(rows)) if rows else None
    values = list(zip(*rows, strict=True))
    way = walk(values)
    if way is not None:
        marks = _marks(dialect, table, tuple(keys))
        return Order(_delete_on_way(table.name, tuple(keys), marks, way.place), way.rows)
    if not _has_arrays(dialect, rows):
        return Order(_delete(table.name, tuple(keys), _mark(dialect)), list(rows))
    types = _types(table, tuple(keys))
    if _differ_in_first(values):
        return Order(_delete_alike(table.name, tuple(keys), types), [_in_first(types, values)])
    return Order(_delete_all(table.name, tuple(keys), types), [_arrays(types, values)])


def selecting(table: Table, columns: Sequence[str], rows: Rows) -> tuple[str, tuple[str, ...]]:
    """Return rows as PostgreSQL selects from them under the names of their columns, and the parameters of that."""
    types = _types(table, tuple(columns))
    return f"{_unnest(types)} AS given ({_quoted(columns)})", _arrays(types, zip(*rows, strict=True))


def _has_arrays(dialect: Dialect, rows: Rows) -> bool:
    return len(rows) >= ARRAYS_FROM and dialect.name == "postgresql"


def _quoted(columns: Sequence[str]) -> str:
    """Return the names of columns, one of which is a word of SQL (``offset``)."""
    return ", ".join(f'"{column}"' for column in columns)


def _mark(dialect: Dialect) -> str:
    return "%s" if dialect.name == "postgresql" else "?"


# -- a statement for each row ------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _insert(table: str, columns: tuple[str, ...], mark: str) -> str:
    marks = ", ".join([mark] * len(columns))
    return f"INSERT INTO {table} ({_quoted(columns)}) VALUES ({marks})"  # noqa: S608  # only names of our own


@lru_cache(maxsize=512)
def _update(table: str, columns: tuple[str, ...], keys: tuple[str, ...], mark: str) -> str:
    sets = ", ".join(f"{column} = {mark}" for column in columns)
    return f"UPDATE {table} SET {sets} WHERE {_where(keys, mark)}"  # noqa: S608  # only names of our own


@lru_cache(maxsize=512)
def _delete(table: str, keys: tuple[str, ...], mark: str) -> str:
    return f"DELETE FROM {table} WHERE {_where(keys, mark)}"  # noqa: S608  # only names of our own


def _where(keys: tuple[str, ...], mark: str) -> str:
    return " AND ".join(f"{key} = {mark}" for key in keys)


# -- a statement for rows that follow one another ----------------------------------------------------------------------


def _marks(dialect: Dialect, table: Table, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return how parameters stand for values of columns."""
    if dialect.name != "postgresql":
        return ("?",) * len(columns)
    return tuple(f"%s::{kind}" for kind in _types(table, columns))


@lru_cache(maxsize=512)
def _insert_on_way(table: str, columns: tuple[str, ...], types: tuple[str, ...], place: int) -> str:
    own = columns[place]
    once = {column: kind for column, kind in zip(columns, types, strict=True) if column != own}
    values = ", ".join((*(f"%s::{kind}" for kind in once.values()), "given"))
    given = "generate_series(%s::BIGINT, %s::BIGINT) AS given"
    return f"INSERT INTO {table} ({_quoted((*once, own))}) SELECT {values} FROM {given}"  # noqa: S608  # as above


@lru_cache(maxsize=512)
def _update_on_way(
    table: str, columns: tuple[str, ...], keys: tuple[str, ...], marks: tuple[str, ...], place: int
) -> str:
    sets = ", ".join(f"{column} = {mark}" for column, mark in zip(columns, marks, strict=False))
    return f"UPDATE {table} SET {sets} WHERE {condition(keys, marks[len(columns) :], place)}"  # noqa: S608  # as above


@lru_cache(maxsize=512)
def _delete_on_way(table: str, keys: tuple[str, ...], marks: tuple[str, ...], place: int) -> str:
    return f"DELETE FROM {table} WHERE {condition(keys, marks, place)}"  # noqa: S608  # as above


# -- a statement for all rows ------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _types(table: Table, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return PostgreSQL's names of the types of columns."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # of SQLAlchemy
    return tuple(table.c[column].type.compile(dialect) for column in columns)


def _arrays(
    types: Sequence[str], columns: Iterable[Sequence[Any]], left_out: Iterable[bool] = repeat(False)
) -> tuple[str, ...]:
    """Return columns of rows, each as PostgreSQL writes an array."""
    if BYTES in types:
        raise TypeError("Bytes are inserted, and never found or changed in bulk.")
    return tuple(
        f"{{{','.join(_written(_WRITERS.get(kind, _value), column))}}}"
        for kind, column, is_out in zip(types, columns, left_out, strict=False)
        if not is_out
    )


def _is_alike(column: Sequence[Any]) -> bool:
    """Return whether a column has the same value in all rows."""
    return column.count(column[0]) == len(column)


def _differ_in_first(keys: Sequence[Sequence[Any]]) -> bool:
    """Return whether rows share all of their keys but the first, so that one search with a list of these finds them.

    With a list of others PostgreSQL may go through all rows that share the first keys, to look for each in the list.
    """
    return all(map(_is_alike, keys[1:]))


def _in_first(types: Sequence[str], keys: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    """Return the parameters of ``_where_alike``: the first keys as an array, and the others once."""
    return (*_arrays(types[:1], keys[:1]), *(column[0] for column in keys[1:]))


def _written(write: Callable[[Any], str], column: Sequence[Any]) -> Iterable[str]:
    """Return how values stand in an array; one that all rows share is written once."""
    if _is_alike(column):
        return repeat(write(column[0]), len(column))
    return map(str if write is _value and None not in column else write, column)


def _value(value: float | None) -> str:
    return "NULL" if value is None else str(value)


def text_in_array(value: str | None) -> str:
    """Return a text as it stands in an array of PostgreSQL."""
    if value is None:
        return "NULL"
    if "\\" in value or '"' in value:
        value = value.replace("\\", r"\\").replace('"', r"\"")
    return f'"{value}"'


_WRITERS: Mapping[str, Callable[[Any], str]] = {"TEXT": text_in_array}
"""How a value of a type stands in an array; ``_value`` writes numbers and booleans."""


@lru_cache(maxsize=512)
def _copy(table: str, columns: tuple[str, ...]) -> str:
    return f"COPY {table} ({_quoted(columns)}) FROM STDIN (FORMAT BINARY)"


@lru_cache(maxsize=512)
def _insert_all(table: str, columns: tuple[str, ...], types: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({_quoted(columns)}) SELECT * FROM {_unnest(types)}"  # noqa: S608  # as above


@lru_cache(maxsize=512)
def _insert_alike(table: str, columns: tuple[str, ...], types: tuple[str, ...], alike: tuple[bool, ...]) -> str:
    """Return the statement; of the columns that are ``alike`` in all rows the value comes once, before the arrays."""
    kinds = list(zip(columns, types, alike, strict=True))
    once = {column: kind for column, kind, same in kinds if same}
    own = {column: kind for column, kind, same in kinds if not same}
    given = f"{_unnest(tuple(own.values()))} AS given"
    values = ", ".join((*(f"%s::{kind}" for kind in once.values()), "given.*"))
    return f"INSERT INTO {table} ({_quoted((*once, *own))}) SELECT {values} FROM {given}"  # noqa: S608  # as above


@lru_cache(maxsize=512)
def _update_all(
    table: str, columns: tuple[str, ...], keys: tuple[str, ...], types: tuple[str, ...], alike: tuple[bool, ...]
) -> str:
    """Return the statement; of the columns that are ``alike`` in all rows the value comes once, before the arrays."""
    olds = [f"old_{key}" for key in keys]
    sets = ", ".join(
        f"{column} = %s::{kind}" if same else f"{column} = new_{column}"
        for column, kind, same in zip(columns, types, alike, strict=False)
    )
    news = {f"new_{column}": kind for column, kind, same in zip(columns, types, alike, strict=False) if not same}
    given = f"{_unnest((*news.values(), *types[len(columns) :]))} AS given ({', '.join((*news, *olds))})"
    return f"UPDATE {table} SET {sets} FROM {given} WHERE {_joined(keys, olds)}"  # noqa: S608  # as above


@lru_cache(maxsize=512)
def _update_alike(table: str, columns: tuple[str, ...], keys: tuple[str, ...], types: tuple[str, ...]) -> str:
    sets = ", ".join(f"{column} = %s::{kind}" for column, kind in zip(columns, types, strict=False))
    return f"UPDATE {table} SET {sets} WHERE {_where_alike(keys, types[len(columns) :])}"  # noqa: S608  # as above


@lru_cache(maxsize=512)
def _delete_alike(table: str, keys: tuple[str, ...], types: tuple[str, ...]) -> str:
    return f"DELETE FROM {table} WHERE {_where_alike(keys, types)}"  # noqa: S608  # as above


def _where_alike(keys: Sequence[str], types: Sequence[str]) -> str:
    others = (f"{key} = %s::{kind}" for key, kind in zip(keys[1:], types[1:], strict=True))
    return " AND ".join((f"{keys[0]} = ANY (%s::{types[0]}[])", *others))


@lru_cache(maxsize=512)
def _delete_all(table: str, keys: tuple[str, ...], types: tuple[str, ...]) -> str:
    olds = [f"old_{key}" for key in keys]
    given = f"{_unnest(types)} AS given ({', '.join(olds)})"
    return f"DELETE FROM {table} USING {given} WHERE {_joined(keys, olds)}"  # noqa: S608  # as above


def _unnest(types: tuple[str, ...]) -> str:
    return f"unnest({', '.join(f'%s::{name}[]' for name in types)})"


def _joined(keys: Sequence[str], olds: Sequence[str]) -> str:
    """Return the condition that keys are those given, the first in other words, so that no plan turns the search round.

    Where all were said to be equal, PostgreSQL would walk through all of a table that was empty when it last looked, to
    compare each row with all that was given.
    """
    others = (f"{key} = {old}" for key, old in zip(keys[1:], olds[1:], strict=True))
    return " AND ".join((f"{keys[0]} = ANY (ARRAY[{olds[0]}])", *others))
