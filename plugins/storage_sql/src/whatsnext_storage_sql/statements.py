"""Statements that run often: written with SQLAlchemy, compiled once, and handed to the driver as they are.

A statement of SQLAlchemy Core costs some fifty microseconds each time beside what the database does, the driver itself
about five; a claim runs fifteen of them.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import define, field, frozen
from sqlalchemy import Dialect, Executable
from sqlalchemy.sql.compiler import SQLCompiler

Record: TypeAlias = Any
"""A row of a result: a named tuple, or a row of SQLAlchemy; both give their columns by name and by position."""
Convert: TypeAlias = Callable[[Any], Any]


@frozen
class Compiled:
    """A statement in the words of one dialect, and how values go in and come out."""

    sql: str
    defaults: Mapping[str, Any]
    """Values of parameters that nobody gives."""
    order: Sequence[str] | None
    """The names of the parameters in their order, if the driver takes them so."""
    writers: Mapping[str, Convert]
    readers: Sequence[tuple[int, Convert]]
    record: Callable[[Sequence[Any]], Record] | None
    """Makes the named tuple of a row; None for a text, whose columns are known when it first ran."""

    def bind(self, parameters: Mapping[str, Any]) -> Any:
        """Return the parameters as the driver takes them."""
        values = {**self.defaults, **parameters}
        for name, write in self.writers.items():
            values[name] = write(values[name])
        return values if self.order is None else tuple([values[name] for name in self.order])

    def read(self, rows: Sequence[Sequence[Any]]) -> Sequence[Record]:
        """Return rows of the driver as records."""
        make = self.record
        if make is None:
            return rows
        if not self.readers:
            return [make(row) for row in rows]
        found = []
        for row in rows:
            values = list(row)
            for place, read in self.readers:
                values[place] = read(values[place])
            found.append(make(values))
        return found


@define(eq=False)
class Statement:
    """A statement of SQLAlchemy Core, with the names of its columns if it is a text that returns rows."""

    core: Executable
    columns: Sequence[str] | None = None
    _compiled: dict[str, Compiled] = field(factory=dict)

    def on(self, dialect: Dialect) -> Compiled:
        """Return the statement as it is said in a dialect."""
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = _compile(self.core, self.columns, dialect)
        return found


def _compile(core: Executable, columns: Sequence[str] | None, dialect: Dialect) -> Compiled:
    compiled = core.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})  # type: ignore[attr-defined]  # every statement has it
    assert isinstance(compiled, SQLCompiler)
    writers: dict[str, Convert] = {}
    for name, parameter in compiled.binds.items():
        write = parameter.type.dialect_impl(dialect).bind_processor(dialect)
        if write is not None:
            writers[name] = write
    selected = [] if columns is not None else list(getattr(core, "exported_columns", ()))
    readers = []
    for place, column in enumerate(selected):
        read = column.type.dialect_impl(dialect).result_processor(dialect, None)
        if read is not None:
            readers.append((place, read))
    names = columns if columns is not None else [str(column.key) for column in selected]
    return Compiled(
        sql=str(compiled),
        defaults=compiled.params,
        order=compiled.positiontup,
        writers=writers,
        readers=readers,
        record=_record(names) if names else None,
    )


def _record(names: Sequence[str]) -> Callable[[Sequence[Any]], Record]:
    kind: Any = namedtuple("Record", names, rename=True)  # noqa: PYI024  # the names are known only now
    make: Callable[[Sequence[Any]], Record] = kind._make
    return make
