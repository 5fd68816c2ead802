"""What a storage says to its database: the statements, and how the database goes about them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from attrs import define, field
from sqlalchemy import Connection, Engine, event

ASIDE = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "EXPLAIN", "COPY")


@define
class Spy:
    """The statements that ran, and a line of the plan of each for every table that it went through."""

    statements: list[str] = field(factory=list)
    plans: dict[str, list[str]] = field(factory=dict)
    parameters: dict[str, Any] = field(factory=dict)

    def hear(self, connection: Connection, statement: str, parameters: Any, many: bool) -> None:
        """Take in a statement before it runs."""
        self.statements.append(statement)
        if statement in self.plans or statement.lstrip().startswith(ASIDE):
            return
        first = self.parameters[statement] = parameters[0] if many else parameters
        words = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
        cursor = connection.connection.cursor()
        cursor.execute(f"{words} {statement}", first)
        self.plans[statement] = [str(row[-1]) for row in cursor.fetchall()]
        cursor.close()

    def scans(self, *tables: str) -> list[tuple[str, str]]:
        """The statements that go through all rows of one of the tables, each with the line of its plan."""
        signs = [sign for table in tables for sign in (f"SCAN {table}", f"Seq Scan on {table}")]
        return [
            (statement, line)
            for statement, lines in self.plans.items()
            for line in lines
            for sign in signs
            if line.strip().removeprefix("->").strip().startswith(sign) and not line.strip().startswith(f"{sign}_")
        ]


@contextmanager
def hearing(hear: Callable[[Connection, str, Any, bool], None]) -> Iterator[None]:
    """Calls with each statement that this thread runs; a server that other tests left open here is not heard.

    The last argument is whether it runs with many parameters.
    """
    thread = get_ident()

    def watch(
        connection: Connection, _cursor: object, statement: str, parameters: Any, _context: object, many: bool
    ) -> None:
        if get_ident() == thread:
            hear(connection, statement, parameters, many)

    event.listen(Engine, "before_cursor_execute", watch)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", watch)


@contextmanager
def spying() -> Iterator[Spy]:
    """A spy on what this thread runs."""
    spy = Spy()
    with hearing(spy.hear):
        yield spy


def instructions(act: Callable[[], object]) -> int:
    """How many tens of instructions SQLite's machine runs meanwhile."""
    ran = 0

    def count_one() -> int:
        nonlocal ran
        ran += 1
        return 0

    def watch(connection: Connection, *_: object) -> None:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(count_one, 10)

    with hearing(watch):
        act()
    return ran


def blocks(act: Callable[[], object]) -> int:
    """How many blocks PostgreSQL looks at for what is read meanwhile."""
    found = 0

    def watch(connection: Connection, statement: str, parameters: Any, _many: bool) -> None:
        nonlocal found
        if statement.lstrip().startswith("SELECT"):
            cursor = connection.connection.cursor()
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
            (((told,),),) = cursor.fetchall()
            found += told["Plan"]["Shared Hit Blocks"] + told["Plan"]["Shared Read Blocks"]
            cursor.close()

    with hearing(watch):
        act()
    return found


def is_of_many(statement: str) -> bool:
    """Whether a statement is one for many rows that are given to it."""
    return "unnest(%s" in statement or "= ANY (%s" in statement
