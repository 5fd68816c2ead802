"""What travels to PostgreSQL arrives, and what comes back is understood, whatever happens on the way."""

import math
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.pq import PipelineStatus

from whatsnext_storage_sql.connection.wire import KEPT, Wire

pytestmark = pytest.mark.postgresql


@pytest.fixture
def connection(shared_postgresql_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection with a table of its own."""
    with psycopg.connect(shared_postgresql_url) as found:
        found.execute("CREATE TEMPORARY TABLE thing (id bigint PRIMARY KEY, note text)")
        found.commit()
        yield found


def values(wire: Wire, statement: str, *rows: Any) -> list[Any]:
    """The rows that a statement gives, each time that it runs."""
    return [row for answer in wire.run([(statement, rows or [()])]) for row in answer.fetchall()]


def state(connection: psycopg.Connection[Any]) -> str:
    """How far the connection is with its transaction."""
    return connection.info.transaction_status.name


def prepared(connection: psycopg.Connection[Any]) -> int:
    """How many statements the connection has prepared."""
    row = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    assert row is not None
    return int(row[0])


def test_values_come_back_as_they_were_sent(connection: psycopg.Connection[Any]) -> None:
    row = (-(2**63), 2**63 - 1, 0.1, math.inf, True, False, None, "ä \\ \" ' {} %s \u2028", "", b"\0\xff'", b"")
    kinds = ("bigint", "bigint", "float8", "float8", "bool", "bool", "text", "text", "text", "bytea", "bytea")
    wire = Wire(connection)
    assert values(wire, f"SELECT {', '.join(f'%s::{kind}' for kind in kinds)}", row, row) == [row, row]


def test_parameters_are_found_by_place_or_by_name(connection: psycopg.Connection[Any]) -> None:
    wire = Wire(connection)
    assert values(wire, "SELECT '%%s', %s::int - %s::int", (5, 3)) == [("%s", 2)]
    named = {"a": 1, "class": 20, "unused": 300}
    assert values(wire, "SELECT %(class)s::int, %(a)s::int, %(class)s::int + 1", named) == [(20, 1, 21)]


def test_columns_have_their_names(connection: psycopg.Connection[Any]) -> None:
    wire = Wire(connection)
    (answer,) = wire.run([("SELECT 1::int8 AS one, 'x'::text AS other", [()])])
    assert [name for name, _ in answer.description] == ["one", "other"]


def test_first_statement_begins_a_transaction_and_the_last_may_end_it(connection: psycopg.Connection[Any]) -> None:
    wire = Wire(connection)
    insert = "INSERT INTO thing VALUES (%s, %s)"
    assert len(wire.run([(insert, [(1, "a"), (2, "b")])])) == 2
    assert state(connection) == "INTRANS"
    connection.rollback()
    assert len(wire.run([(insert, [(3, "c")]), (insert, [(4, "d")])], commit=True)) == 2
    assert state(connection) == "IDLE"
    assert connection.execute("SELECT id FROM thing ORDER BY id").fetchall() == [(3,), (4,)]


def test_transaction_begins_as_its_connection_is_set_up(connection: psycopg.Connection[Any]) -> None:
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    assert values(Wire(connection), "SHOW transaction_isolation") == [("repeatable read",)]


def test_nothing_after_a_failure_is_run_and_the_connection_goes_on(connection: psycopg.Connection[Any]) -> None:
    wire = Wire(connection)
    insert, more = "INSERT INTO thing VALUES (%s, %s)", "UPDATE thing SET note = %s WHERE id = %s"
    with pytest.raises(psycopg.errors.UniqueViolation):
        wire.run([(insert, [(1, "a"), (1, "b"), (2, "c")]), (more, [("z", 1)])], commit=True)
    assert state(connection) == "INERROR"
    assert connection.pgconn.pipeline_status == PipelineStatus.OFF
    connection.rollback()
    wire.run([(insert, [(1, "a")]), (more, [("z", 1)])], commit=True)
    assert values(wire, "SELECT id, note FROM thing") == [(1, "z")]


def test_statement_is_prepared_once_whatever_was_undone(connection: psycopg.Connection[Any]) -> None:
    wire = Wire(connection)
    for _ in range(7):
        assert values(wire, "SELECT %s::int", (1,), (2,)) == [(1,), (2,)]
        connection.rollback()
    assert prepared(connection) == 2  # the other one begins the transaction


def test_statement_that_cannot_be_prepared_fails_each_time(connection: psycopg.Connection[Any]) -> None:
    wire = Wire(connection)
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            wire.run([("SELECT 1", [()]), ("SELECT * FROM nowhere", [()])])
        connection.rollback()


@pytest.mark.parametrize("change", ["ALTER TABLE thing ADD COLUMN more int", "DEALLOCATE ALL"])
def test_statement_that_a_change_made_stale_fails_once(connection: psycopg.Connection[Any], change: str) -> None:
    wire = Wire(connection)
    assert values(wire, "SELECT * FROM thing") == []
    connection.commit()
    connection.execute(change)
    connection.commit()
    with pytest.raises(psycopg.Error):
        values(wire, "SELECT * FROM thing")
    connection.rollback()
    for _ in range(2):
        assert values(wire, "SELECT * FROM thing") == []
        connection.commit()


def test_more_statements_than_stay_prepared_run_all_the_same(connection: psycopg.Connection[Any]) -> None:
    wire = Wire(connection)
    for number in range(2 * KEPT):
        assert values(wire, f"SELECT {number}") == [(number,)]
        connection.commit()
    assert prepared(connection) <= KEPT
    many = [(f"SELECT {number}, 1", [()]) for number in range(KEPT + 1)]
    assert len(wire.run(many)) == KEPT + 1


def test_much_may_travel_both_ways_at_once(connection: psycopg.Connection[Any]) -> None:
    text = "x" * 1_000_000
    assert values(Wire(connection), "SELECT %s::text", *[(text,)] * 20) == [(text,)] * 20


@pytest.mark.parametrize(("value", "error"), [("a\0b", psycopg.DataError), ("\ud800", UnicodeEncodeError)])
def test_text_that_cannot_be_stored_is_refused_before_anything_is_sent(
    connection: psycopg.Connection[Any], value: str, error: type[Exception]
) -> None:
    wire = Wire(connection)
    with pytest.raises(error):
        wire.run([("SELECT %s::text", [("good",), (value,)])])
    assert state(connection) == "IDLE"
    assert values(wire, "SELECT 1") == [(1,)]


def test_connection_that_was_broken_is_told_before_anything_is_sent(
    connection: psycopg.Connection[Any], shared_postgresql_url: str
) -> None:
    wire = Wire(connection)
    wire.check()
    with psycopg.connect(shared_postgresql_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [connection.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        wire.check()
    assert connection.broken


def test_connection_that_breaks_meanwhile_is_closed(connection: psycopg.Connection[Any]) -> None:
    wire = Wire(connection)
    with pytest.raises(psycopg.OperationalError):
        wire.run([("SELECT pg_terminate_backend(pg_backend_pid())", [()]), ("SELECT 1", [()])])
    assert connection.closed
