"""How statements travel to PostgreSQL: each is prepared once, and those that nobody waits between go in one piece.

A cursor of psycopg takes several times as long for a statement as PostgreSQL does, and sends each of a pipeline by
itself. Here libpq gets all at once, by the functions that psycopg offers of it. Cursors of the same connection may be
used in between.
"""

from __future__ import annotations

import re
import select
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

from psycopg import Connection, DataError, OperationalError
from psycopg.adapt import Transformer
from psycopg.errors import FeatureNotSupported, InvalidSqlStatementName, error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult

from whatsnext_storage_sql.connection.direct import Step

KEPT: Final = 256
"""Statements that stay prepared on a connection; before there are more, all are forgotten."""

_Sent: TypeAlias = tuple[Sequence[bytes | None], Sequence[int] | None]
"""Parameters as libpq wants them, and their formats; None if all are text."""

_NOTHING: Final[Sequence[_Sent]] = (((), None),)
_PLACEHOLDER: Final = re.compile(r"%(?:%|s|\((\w+)\)s)")
_IDLE, _BROKEN = int(TransactionStatus.IDLE), int(ConnStatus.BAD)
_FAILED, _END = int(ExecStatus.FATAL_ERROR), int(ExecStatus.PIPELINE_SYNC)
_TEXT, _BINARY = int(Format.TEXT), int(Format.BINARY)


class Answer:
    """What a statement gave, as a cursor would show it."""

    def __init__(self, loader: Any, result: PGresult) -> None:
        self._loader = loader
        self._result = result

    def fetchall(self) -> list[Any]:
        """Return the rows, as tuples."""
        self._loader.set_pgresult(self._result)
        rows: list[Any] = self._loader.load_rows(0, self._result.ntuples, tuple)
        return rows

    @property
    def description(self) -> list[tuple[str, int]]:
        """Name and type of each column."""
        result = self._result
        return [((result.fname(place) or b"").decode(), result.ftype(place)) for place in range(result.nfields)]


class Wire:
    """A connection, and what is prepared on it; cursors prepare nothing there."""

    def __init__(self, driver: Connection[Any]) -> None:
        driver.prepare_threshold = None
        self._driver = driver
        self._libpq = driver.pgconn
        self._loader = Transformer(driver)
        self._names: dict[str, bytes] = {}
        self._last_name = 0
        self._is_stale = False
        """Whether what is prepared fits no more, or is not there."""
        self._readable, self._usable = select.poll(), select.poll()
        self._readable.register(self._libpq.socket, select.POLLIN)
        self._usable.register(self._libpq.socket, select.POLLIN | select.POLLOUT)

    def run(self, steps: Sequence[Step], *, commit: bool = False) -> list[Answer]:
        """Run statements in this order, in a transaction that begins with them unless there is one.

        ``commit`` says that it ends with them. There is an answer for each time that a statement ran.

        Raises:
            psycopg.Error: what PostgreSQL or the connection had against it; no later statement was run.
        """
        sent = [(text, _parameters(text, rows)) for text, rows in steps]
        begins = self._libpq.transaction_status == _IDLE
        if begins:
            sent.insert(0, (self._begin(), _NOTHING))
        if commit:
            sent.append(("COMMIT", _NOTHING))
        try:
            prepared = self._send(sent)
            received = self._receive()
        except BaseException:
            self._driver.close()  # what still comes would be taken for the answer to something else
            raise
        answers = []
        for new, result in zip(prepared, received, strict=True):
            if result.status == _FAILED:
                error = error_from_result(result)
                self._is_stale = isinstance(error, FeatureNotSupported | InvalidSqlStatementName)
                raise error
            if new is None:
                answers.append(Answer(self._loader, result))
            else:
                self._names.update(new)
        return answers[begins : len(answers) - commit]

    def check(self) -> None:
        """Raise psycopg.OperationalError if PostgreSQL has broken the connection since it answered last."""
        while self._readable.poll(0):
            self._libpq.consume_input()

    def _begin(self) -> str:
        level = self._driver.isolation_level
        return "BEGIN" if level is None else f"BEGIN ISOLATION LEVEL {level.name.replace('_', ' ')}"

    def _send(self, steps: Sequence[tuple[str, Sequence[_Sent]]]) -> list[Mapping[str, bytes] | None]:
        """Send statements; return for each answer that is to come the name of what it prepares, or None."""
        libpq, awaited = self._libpq, list[Mapping[str, bytes] | None]()
        libpq.enter_pipeline_mode()
        if self._is_stale or len(self._names) + len(steps) > KEPT:
            self._is_stale = False
            self._names.clear()
            libpq.send_query_params(b"DEALLOCATE ALL", None)
            awaited.append({})
        names = self._names
        for text, rows in steps:
            name = names.get(text)
            if name is None:
                self._last_name += 1
                name = b"w%d" % self._last_name
                names = {**names, text: name}
                libpq.send_prepare(name, _numbered(text)[0])
                awaited.append({text: name})
            for values, formats in rows:
                libpq.send_query_prepared(name, values, formats, _BINARY)
                awaited.append(None)
        libpq.pipeline_sync()
        while libpq.flush():
            self._usable.poll()
            libpq.consume_input()
        return awaited

    def _receive(self) -> list[PGresult]:
        libpq, found = self._libpq, list[PGresult]()
        while True:
            while libpq.is_busy():
                self._readable.poll()
                libpq.consume_input()
            result = libpq.get_result()
            if result is None:  # what one statement gives ends so, and everything once the connection is broken
                if libpq.status == _BROKEN:
                    raise OperationalError(libpq.get_error_message())
            elif result.status == _END:
                libpq.exit_pipeline_mode()
                return found
            else:
                found.append(result)


@lru_cache(maxsize=1024)
def _numbered(text: str) -> tuple[bytes, Sequence[str]]:
    """Return a statement as PostgreSQL wants it, ``$1`` for its first parameter, and the names of its parameters."""
    names: list[str] = []
    count = 0

    def number(found: re.Match[str]) -> str:
        nonlocal count
        if found[0] == "%%":
            return "%"
        name = found[1]
        if name is None:
            count += 1
            return f"${count}"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _PLACEHOLDER.sub(number, text).encode(), names


def _parameters(text: str, rows: Sequence[Any]) -> Sequence[_Sent]:
    names = _numbered(text)[1]
    return [_sent([row[name] for name in names] if names else row) for row in rows]


def _sent(row: Sequence[Any]) -> _Sent:
    values = [None if value is None else _WRITERS[type(value)](value) for value in row]
    formats = [_BINARY if type(value) is bytes else _TEXT for value in row] if bytes in map(type, row) else None
    return values, formats


def _text(value: str) -> bytes:
    if "\0" in value:  # libpq would take it for the end
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return value.encode()


def _number(value: float) -> bytes:
    return repr(value).encode()


_WRITERS: Final[Mapping[type, Callable[[Any], bytes]]] = {
    str: _text,
    int: b"%d".__mod__,
    float: _number,
    bool: {False: b"f", True: b"t"}.__getitem__,
    bytes: bytes,
}
"""How values of a type are written; those of no other type are stored."""
