"""The few things that SQLite and PostgreSQL say differently, as elements that statements are built of."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, BindParameter, ColumnElement, Dialect, Select, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from whatsnext_storage_sql.connection.bulk import text_in_array


def _as_array(ids: Sequence[int] | None) -> str:
    """Return numbers as PostgreSQL writes an array."""
    return f"{{{','.join(map(str, ids or ()))}}}"


def _as_json(ids: Sequence[int] | None) -> str:
    """Return numbers as a list in JSON; the standard library takes five times as long."""
    return f"[{','.join(map(str, ids or ()))}]"


def _as_texts(texts: Sequence[str] | None) -> str:
    return f"{{{','.join(map(text_in_array, texts or ()))}}}"


class _Ids(TypeDecorator[Sequence[int]]):
    """A list of numbers as one parameter, so that a statement is the same however long the list is."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(BigInteger()) if dialect.name == "postgresql" else Text())

    def bind_processor(self, dialect: Dialect) -> Callable[[Sequence[int] | None], str]:
        return _as_array if dialect.name == "postgresql" else _as_json


class _Texts(TypeDecorator[Sequence[str]]):
    """A list of texts as one parameter."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(Text()) if dialect.name == "postgresql" else Text())

    def bind_processor(self, dialect: Dialect) -> Callable[[Sequence[str] | None], str]:
        return _as_texts if dialect.name == "postgresql" else json.dumps


class _Among(FunctionElement[bool]):
    # Not typed as a boolean: SQLAlchemy would write "... = 1" on SQLite, which then searches no index.
    inherit_cache = True


@compiles(_Among, "sqlite")
def _among_sqlite(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({ids}))"  # noqa: S608  # both are clauses that SQLAlchemy wrote


@compiles(_Among, "postgresql")
def _among_postgresql(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY ({ids})"


class _AmongFound(FunctionElement[bool]):
    inherit_cache = True


@compiles(_AmongFound, "sqlite")
def _among_found_sqlite(element: _AmongFound, compiler: SQLCompiler, **options: Any) -> str:
    column, found = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN {found}"


@compiles(_AmongFound, "postgresql")
def _among_found_postgresql(element: _AmongFound, compiler: SQLCompiler, **options: Any) -> str:
    column, found = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY (ARRAY {found})"


def among(column: ColumnElement[int], name: str) -> ColumnElement[bool]:
    """Return the condition that a column is among the numbers of the parameter ``name``, a list."""
    return _Among(column, numbers(name))


def numbers(name: str) -> BindParameter[Sequence[int]]:
    """Return the parameter ``name``, a list of numbers."""
    return bindparam(name, type_=_Ids())


def among_texts(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Return the condition that a column is among the texts of the parameter ``name``, a list."""
    return _Among(column, bindparam(name, type_=_Texts()))


def among_found(column: ColumnElement[int], found: Select[tuple[int]]) -> ColumnElement[bool]:
    """Return the condition that a column is among the few numbers that a statement finds, which is run first.

    On PostgreSQL in words that no planner turns into a walk through the whole table of the column.
    """
    return _AmongFound(column, found.scalar_subquery())
