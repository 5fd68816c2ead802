"""Many rows at once: the same rows come out whichever way they go to the database."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, Table, exc, select

from tests.plugins.storage_sql.spying import spying
from whatsnext_storage_sql.connection.bulk import (
    ALIKE_UP_TO,
    ARRAYS_FROM,
    COPY_FROM,
    Rows,
    deleting,
    inserting,
    updating,
)
from whatsnext_storage_sql.connection.direct import Order, channel
from whatsnext_storage_sql.connection.errors import UniquenessError, translate
from whatsnext_storage_sql.database import get_engine
from whatsnext_storage_sql.tables import ATTEMPT, EVENT, LEASE, LOG_CHUNK

COLUMNS = ("job_id", "fence", "status", "client_id", "allocation", "claimed_at", "exit_code", "cpu_seconds", "message")
CHANGED = ("status", "client_id", "exit_code", "cpu_seconds", "message")
KEYS = ("job_id", "fence")
TEXTS = (
    "",
    "NULL",
    "null",
    "{}",
    '{"a":"b,c"}',
    r"back\slash",
    r"\\",
    '"',
    "a, b",
    " spaces ",
    "two\nlines",
    "ä€😀",
    "'%s'",
)
MANY = 500


def send(connection: Connection, order: Order | None) -> None:
    """Run what changes rows."""
    assert order is not None
    channel(connection).run([order])


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Rows) -> None:
    send(connection, inserting(connection.dialect, table, columns, rows))


def update_rows(connection: Connection, table: Table, columns: Sequence[str], keys: Sequence[str], rows: Rows) -> None:
    send(connection, updating(connection.dialect, table, columns, keys, rows))


def delete_rows(connection: Connection, table: Table, keys: Sequence[str], rows: Rows) -> None:
    send(connection, deleting(connection.dialect, table, keys, rows))


@pytest.fixture
def connection(sql_url: str) -> Iterator[Connection]:
    """A connection to an empty database; nothing on it is committed."""
    engine = get_engine(sql_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def attempts(number: int) -> list[tuple[Any, ...]]:
    """Rows with all kinds of values, and with none where none may be."""
    return [
        (
            place,
            1,
            TEXTS[place % len(TEXTS)],
            None if place % 3 else TEXTS[-place % len(TEXTS)],
            "{}",
            2**62 + place,
            None if place % 4 else -place,
            None if place % 5 else place if place % 2 else place / 7,
            TEXTS[place // 2 % len(TEXTS)],
        )
        for place in range(number)
    ]


def stored(connection: Connection) -> list[tuple[Any, ...]]:
    """All rows in the order of their keys, as the database stores them."""
    columns = ", ".join(COLUMNS)
    rows = connection.exec_driver_sql(f"SELECT {columns} FROM attempt ORDER BY job_id, fence")  # noqa: S608  # names
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("number", [1, ARRAYS_FROM - 1, ARRAYS_FROM, COPY_FROM - 1, COPY_FROM, MANY])
def test_rows_come_out_as_they_went_in(connection: Connection, number: int) -> None:
    rows = attempts(number)
    insert_rows(connection, ATTEMPT, COLUMNS, rows)
    assert stored(connection) == rows


@pytest.mark.parametrize("number", [1, ARRAYS_FROM - 1, ARRAYS_FROM, MANY])
def test_rows_take_the_values_that_they_are_given(connection: Connection, number: int) -> None:
    insert_rows(
        connection, ATTEMPT, COLUMNS, [(place, 1, "old", "c", "{}", 7, 3, 1.5, "m") for place in range(number + 2)]
    )
    new = attempts(number)
    changes = [tuple(row[COLUMNS.index(name)] for name in (*CHANGED, *KEYS)) for row in new]
    missing: Rows = [("lost", None, 1, 1.0, "", place, 2) for place in range(number)]
    update_rows(connection, ATTEMPT, CHANGED, KEYS, [*changes, *missing])
    kept = {"allocation": "{}", "claimed_at": 7}
    wanted = [tuple(kept.get(name, value) for name, value in zip(COLUMNS, row, strict=True)) for row in new]
    assert stored(connection) == [
        *wanted,
        *((number + place, 1, "old", "c", "{}", 7, 3, 1.5, "m") for place in range(2)),
    ]


@pytest.mark.parametrize("number", [2, MANY])
def test_the_last_of_several_changes_of_a_row_counts(connection: Connection, number: int) -> None:
    insert_rows(connection, LEASE, (*KEYS, "expires_at"), [(1, 1, None), (2, 1, None)])
    update_rows(connection, LEASE, ("expires_at",), ("job_id",), [(place, 1) for place in range(number)])
    assert connection.exec_driver_sql("SELECT expires_at FROM lease ORDER BY job_id").all() == [(number - 1,), (None,)]


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("number", [1, ARRAYS_FROM, MANY])
def test_rows_with_all_of_their_keys_go(connection: Connection, number: int, step: int) -> None:
    insert_rows(connection, ATTEMPT, COLUMNS, attempts(step * number + 1))
    delete_rows(connection, ATTEMPT, KEYS, [(step * place, 1) for place in range(number)])
    delete_rows(connection, ATTEMPT, KEYS, [(place, 2) for place in range(2 * number)])
    last = step * number
    assert [row[0] for row in stored(connection)] == [
        place for place in range(last + 1) if place % step or place == last
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_rows_that_follow_one_another_are_walked_through_and_no_others(connection: Connection, order: int) -> None:
    gap = range(20, 25)
    places = [place for place in range(5, 60) if place not in gap][::order]
    rows = [(place, fence, "old", "c", "{}", 7, None, 1.5, "m") for place in range(MANY) for fence in (1, 2)]
    insert_rows(connection, ATTEMPT, COLUMNS, rows)
    with spying() as spy:
        update_rows(connection, ATTEMPT, ("status", "exit_code"), KEYS, [("new", 3, place, 1) for place in places])
    assert len(spy.statements) in {1, 2}
    assert all("job_id <=" in statement for statement in spy.statements)
    new = [(*row[:2], "new", *row[3:6], 3, *row[7:]) if row[0] in places and row[1] == 1 else row for row in rows]
    assert stored(connection) == new
    with spying() as spy:
        delete_rows(connection, ATTEMPT, KEYS, [(place, 2) for place in places])
    assert all("job_id <=" in statement for statement in spy.statements)
    assert stored(connection) == [row for row in new if row[0] not in places or row[1] == 1]


@pytest.mark.parametrize("number", [ARRAYS_FROM, MANY])
def test_rows_that_are_named_twice_go_once_and_no_others(connection: Connection, number: int) -> None:
    insert_rows(connection, ATTEMPT, COLUMNS, attempts(number))
    delete_rows(connection, ATTEMPT, KEYS, [(0, 1), (0, 1), *((place, 1) for place in range(2, number))])
    assert [row[0] for row in stored(connection)] == [1]


@pytest.mark.parametrize("sql_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_postgresql_gets_one_statement_for_many_rows(connection: Connection) -> None:
    with spying() as spy:
        insert_rows(connection, ATTEMPT, COLUMNS, attempts(COPY_FROM - 1))
        update_rows(connection, ATTEMPT, ("message",), KEYS, [("", 2 * place, 1) for place in range(ARRAYS_FROM)])
        delete_rows(connection, ATTEMPT, KEYS, [(2 * place, 1) for place in range(ARRAYS_FROM)])
    assert [isinstance(parameters[0], str) for parameters in spy.parameters.values()] == [True, True, True]
    assert all("unnest" in statement or "= ANY (%s" in statement for statement in spy.statements)


@pytest.mark.parametrize("sql_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_rows_that_share_most_values_come_out_as_they_went_in(connection: Connection) -> None:
    alike = (1, "claimed", "c'\\\"", "{}", 7, None, 1.5, "")
    rows = [(place, *alike) for place in range(MANY)]
    apart = [(10 * MANY + 2 * place, *alike) for place in range(MANY)]
    different = [(MANY + place, *alike[:-2], place / 7, TEXTS[place % len(TEXTS)]) for place in range(MANY)]
    many = [(place, *alike) for place in range(2 * MANY, 3 * MANY + ALIKE_UP_TO + 1)]
    with spying() as spy:
        insert_rows(connection, ATTEMPT, COLUMNS, rows)
        insert_rows(connection, ATTEMPT, COLUMNS, apart)
    with spying() as deaf:  # to what is copied
        insert_rows(connection, ATTEMPT, COLUMNS, different)
        insert_rows(connection, ATTEMPT, COLUMNS, many)
    followed, spread = spy.statements
    assert ("generate_series" in followed, "unnest" in spread) == (True, True)
    assert deaf.statements == []
    assert stored(connection) == [*rows, *different, *many, *apart]


@pytest.mark.parametrize("number", [1, ARRAYS_FROM, MANY])
def test_rows_that_share_all_values_get_numbers_of_their_own(connection: Connection, number: int) -> None:
    columns = ("jobs", "project_id", "job_id", "kind", "at", "data")
    insert_rows(connection, EVENT, columns, [(1, 2, 3, "SUBMITTED", 4, "{}")] * number)
    ids = connection.exec_driver_sql("SELECT id FROM event WHERE job_id = 3 ORDER BY id").scalars().all()
    assert list(ids) == list(range(ids[0], ids[0] + number))


def test_rows_that_come_twice_are_inserted_twice(connection: Connection) -> None:
    jobs = [3, 3, *range(5, 3 + ARRAYS_FROM + 1)]
    insert_rows(
        connection,
        EVENT,
        ("jobs", "project_id", "job_id", "kind", "at", "data"),
        [(1, 2, job, "SUBMITTED", 4, "{}") for job in jobs],
    )
    assert list(connection.exec_driver_sql("SELECT job_id FROM event ORDER BY job_id").scalars()) == jobs


@pytest.mark.parametrize("shared", [True, False])
def test_rows_that_share_their_other_keys_are_found_by_the_first_and_no_others(
    connection: Connection, *, shared: bool
) -> None:
    rows = [(place, fence, "old", "c", "{}", 7, None, 1.5, "m") for place in range(MANY) for fence in (1, 2)]
    insert_rows(connection, ATTEMPT, COLUMNS, rows)
    fences = [1 if shared or place % 3 else 2 for place in range(MANY)]
    update_rows(connection, ATTEMPT, CHANGED, KEYS, [("new", None, 3, None, "", *key) for key in enumerate(fences)])
    new = [(*row[:2], "new", None, *row[4:6], 3, None, "") if fences[row[0]] == row[1] else row for row in sorted(rows)]
    assert stored(connection) == new
    delete_rows(connection, ATTEMPT, KEYS, list(enumerate(fences[:-1])))
    assert stored(connection) == [row for row in new if fences[row[0]] != row[1] or row[0] == MANY - 1]


@pytest.mark.parametrize("number", [1, ARRAYS_FROM, COPY_FROM])
def test_row_that_is_there_already_is_told_the_same_however_many_come(connection: Connection, number: int) -> None:
    rows = attempts(number)
    insert_rows(connection, ATTEMPT, COLUMNS, rows)
    with pytest.raises(exc.IntegrityError) as raised:
        insert_rows(connection, ATTEMPT, COLUMNS, rows)
    assert isinstance(translate(raised.value, "the database"), UniquenessError)


@pytest.mark.parametrize("number", [1, ARRAYS_FROM, COPY_FROM])
def test_bytes_arrive_however_many_rows_come(connection: Connection, number: int) -> None:
    insert_rows(connection, ATTEMPT, COLUMNS, attempts(number))
    rows = [(place, 1, "stdout", 0, 4, b"\x00\\\n\xff") for place in range(number)]
    insert_rows(connection, LOG_CHUNK, ("job_id", "fence", "stream", "offset", "size", "data"), rows)
    found = connection.execute(select(LOG_CHUNK.c.data)).scalars().all()
    assert [bytes(data) for data in found] == [b"\x00\\\n\xff"] * number


@pytest.mark.parametrize("sql_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_bytes_are_not_written_as_text(connection: Connection) -> None:
    rows = [(b"x", 2 * place, 1, "stdout", 0) for place in range(ARRAYS_FROM)]
    with pytest.raises(TypeError, match="never found or changed in bulk"):
        update_rows(connection, LOG_CHUNK, ("data",), ("job_id", "fence", "stream", "offset"), rows)
