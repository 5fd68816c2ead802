"""Opening a database: what is refused, with which words, and what is brought up to date."""

import os
import re
import socketserver
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.pq import PGconn, Ping
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

from tests.components import PostgreSQLServer, available
from tests.components.postgresql import running_postgresql
from tests.support import free_port, wait_until
from whatsnext_core.errors import StorageError, TransientStorageError, UnreachableStorageError
from whatsnext_core.model import JobSpec, TaskSpec
from whatsnext_core.storage import JobQuery, NearStorage
from whatsnext_storage_sql.config import SQLConfig
from whatsnext_storage_sql.connection.reaching import may_come
from whatsnext_storage_sql.connection.schema import HEAD
from whatsnext_storage_sql.database import get_engine
from whatsnext_storage_sql.storage import SQLStorage, open_storage, upgrade_storage

Open = Callable[[str], SQLStorage]
COMMAND = "whatsnext-server db upgrade"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:q.db?mode=memory"])
def test_sqlite_url_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(StorageError, match="names no file; use sqlite:///"):
        open_storage(url)


@pytest.mark.parametrize("url", ["postgresql+psycopg2://u:secret@h/d", "postgresql+asyncpg://u:secret@h/d"])
def test_other_drivers_are_refused_and_passwords_kept_secret(url: str) -> None:
    with pytest.raises(StorageError, match="only psycopg 3 is supported") as caught:
        open_storage(url)
    assert "secret" not in str(caught.value)


def test_text_that_is_no_url_is_refused() -> None:
    with pytest.raises(StorageError, match="cannot be read; write sqlite:///"):
        open_storage("my queue")


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError, match=r"missing/q\.db failed: unable to open database file\. Check that its folder"
    ):
        open_storage(f"sqlite:///{tmp_path}/missing/q.db")


def test_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "thesis.txt"
    path.write_text("It was a dark and stormy night. " * 100)
    with pytest.raises(StorageError, match=r"thesis\.txt failed: file is not a database"):
        open_storage(f"sqlite:///{path}")
    assert path.read_text().startswith("It was a dark")


def test_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photo (id)")
    connection.close()
    with pytest.raises(StorageError, match="holds other tables already; name an empty database"):
        open_storage(f"sqlite:///{path}", SQLConfig(upgrade=True))


def test_damaged_file_says_so(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"queue\.db failed: .*malformed.*restore it from a backup"):
        open_storage(sqlite_url)


@contextmanager
def somebody_else() -> Iterator[None]:
    """Act as a user who is not root, if this is root, to whom no file is closed."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_read_only_file_and_folder_say_so(sqlite_template: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "queue.db"
        path.write_bytes(sqlite_template.read_bytes())
        path.chmod(0o444)
        folder.chmod(0o555)
        with somebody_else(), pytest.raises(StorageError, match=f"{path} failed: .*(writable|may write)"):
            open_storage(f"sqlite:///{path}")
        with somebody_else(), pytest.raises(StorageError, match=f"{folder}/new.db failed: .*may write there"):
            open_storage(f"sqlite:///{folder}/new.db")
        folder.chmod(0o755)


@contextmanager
def little_room(pages: int) -> Iterator[None]:
    """Let files of SQLite grow by so few pages only, as on a disk that is nearly full."""

    def limit(connection: sqlite3.Connection, _: object) -> None:
        count = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {count + pages}").close()

    event.listen(Engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(Engine, "connect", limit)


def test_full_disk_loses_only_the_change_that_did_not_fit(sqlite_url: str, open_url: Open) -> None:
    with little_room(50):
        storage = open_url(sqlite_url)
        now = storage.clock()
        with storage.write() as writer:
            task = writer.create_task(writer.create_project("p", "", now).id, TaskSpec(name="t"), now)
        specs = [JobSpec(name="j", task_id=task.id, parameters={"text": "x" * 1000}) for _ in range(500)]
        with (
            pytest.raises(StorageError, match=r"disk is full\. Free some space on its disk; nothing of this change"),
            storage.write() as writer,
        ):
            writer.submit(task.project_id, specs, now)
        with storage.write() as writer:
            writer.submit(task.project_id, specs[:3], now)
        with storage.read() as reader:
            assert len(reader.jobs(JobQuery())) == 3


def test_what_a_full_disk_undid_is_never_taken_for_done(sqlite_url: str, open_url: Open) -> None:
    with little_room(50):
        storage = open_url(sqlite_url)
        now = storage.clock()
        with storage.write() as writer:
            task = writer.create_task(writer.create_project("p", "", now).id, TaskSpec(name="t"), now)
        large = [JobSpec(name="large", task_id=task.id, parameters={"text": "x" * 1000})] * 500
        small = [JobSpec(name="small", task_id=task.id)]
        done = 0
        with suppress(StorageError), storage.write() as writer:
            for specs in (small, large, small):
                with suppress(StorageError), writer.savepoint():
                    writer.submit(task.project_id, specs, now)
            done = 2
        with storage.read() as reader:
            assert len(reader.jobs(JobQuery())) in {0, done}
        with storage.write() as writer:
            writer.submit(task.project_id, small, now)


def test_locked_file_is_waited_for_only_so_long(sqlite_url: str, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "queue.db", isolation_level=None)
    storage = open_storage(sqlite_url, SQLConfig(busy_timeout=0.1))
    assert isinstance(storage, NearStorage)
    other.execute("BEGIN IMMEDIATE")
    for write in (storage.write, storage.write_at_once):
        with pytest.raises(TransientStorageError, match=r"Another process kept .*queue\.db locked"), write():
            pass
    other.execute("ROLLBACK")
    other.close()
    with storage.write() as writer:
        writer.create_project("p", "", storage.clock())
    storage.close()


def test_who_writes_waits_until_another_process_has_written(sqlite_url: str, tmp_path: Path) -> None:
    storage = open_storage(sqlite_url)
    other = sqlite3.connect(tmp_path / "queue.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    assert isinstance(storage, NearStorage)
    with pytest.raises(TransientStorageError), storage.write_at_once():
        pass
    timer = threading.Timer(0.2, other.execute, ["ROLLBACK"])
    timer.start()
    with storage.write() as writer:
        writer.create_project("p", "", storage.clock())
    timer.join()
    other.close()
    storage.close()


def test_new_sqlite_file_gets_its_tables_unless_told_not_to(tmp_path: Path, open_url: Open) -> None:
    with pytest.raises(StorageError, match=f"has no tables yet; run `{COMMAND}`"):
        open_storage(f"sqlite:///{tmp_path}/q.db", SQLConfig(upgrade=False))
    open_url(f"sqlite:///{tmp_path}/q.db").check()


def test_empty_postgresql_database_waits_for_the_command(postgresql_url: str, open_url: Open) -> None:
    with pytest.raises(StorageError, match=f"has no tables yet; run `{COMMAND}`"):
        open_storage(postgresql_url)
    assert "tables" in upgrade_storage(postgresql_url)
    assert "is up to date" in upgrade_storage(postgresql_url)
    open_url(postgresql_url).check()


def test_several_servers_may_upgrade_at_once(postgresql_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        storages = list(threads.map(lambda url: open_storage(url, SQLConfig(upgrade=True)), [postgresql_url] * 4))
    for storage in storages:
        storage.check()
        storage.close()


@pytest.mark.parametrize(("revision", "words"), [("9999", "newer version"), ("0000", f"older version .*`{COMMAND}`")])
def test_another_schema_is_refused(sqlite_url: str, tmp_path: Path, revision: str, words: str) -> None:
    with sqlite3.connect(tmp_path / "queue.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()
    with pytest.raises(StorageError, match=f"{revision}, not {HEAD}"):
        open_storage(sqlite_url)
    with pytest.raises(StorageError, match=words):
        open_storage(sqlite_url)


def test_newer_schema_is_not_touched_by_an_upgrade(sqlite_url: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "queue.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StorageError, match="newer version"):
        upgrade_storage(sqlite_url)


def test_postgresql_database_of_another_encoding_is_refused(postgresql: PostgreSQLServer) -> None:
    with psycopg.connect(postgresql.url(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} ENCODING 'SQL_ASCII' TEMPLATE template0").format(sql.Identifier("ascii"))
        )
    with pytest.raises(StorageError, match="encoded in SQL_ASCII; create one with ENCODING 'UTF8'"):
        upgrade_storage(postgresql.url("ascii"))


# -- what may come by itself -------------------------------------------------------------------------------------------


def raised(url: str) -> StorageError:
    """What opening a database raises; the command for its tables raises the same."""
    with pytest.raises(StorageError) as opening:
        open_storage(url)
    with pytest.raises(StorageError) as upgrading:
        upgrade_storage(url)
    assert type(opening.value) is type(upgrading.value)
    return opening.value


@pytest.mark.postgresql
def test_server_that_is_not_there_may_come_and_the_password_stays_secret() -> None:
    error = raised(f"postgresql://me:secret@127.0.0.1:{free_port()}/q")
    assert isinstance(error, UnreachableStorageError)
    assert re.search(r"postgresql://me:\*\*\*@127\.0\.0\.1:\d+/q failed: .*refused", str(error))
    assert "secret" not in str(error)


@pytest.mark.postgresql
def test_host_without_an_address_may_come() -> None:
    assert isinstance(raised("postgresql://me@database.invalid/q"), UnreachableStorageError)


@pytest.mark.postgresql
def test_server_that_recovers_may_come() -> None:
    with available(running_postgresql()) as server:
        url = server.url(server.create_database())
        upgrade_storage(url)
        server.stop()
        server.start_recovering()
        wait_until(lambda: PGconn.ping(url.encode()) == Ping.REJECT, timeout=30, why="it recovers")
        error = raised(url)
        assert isinstance(error, UnreachableStorageError)
        assert re.search("starting up|not accepting connections", str(error))
        server.recovered()
        wait_until(lambda: PGconn.ping(url.encode()) == Ping.OK, timeout=30, why="it has recovered")
        open_storage(url).close()
        engine = get_engine(url)
        assert isinstance(error.__cause__, DBAPIError)
        assert may_come(engine, engine.url, error.__cause__), "it came between the error and the question"
        engine.dispose()


class Answering(socketserver.BaseRequestHandler):
    """Whoever listens on a port and is no PostgreSQL."""

    def handle(self) -> None:
        """Read the beginning of a request, answer as the server says, and hang up."""
        assert isinstance(self.server, Imposter)
        if self.server.words:
            self.request.recv(8)
            self.request.sendall(self.server.words)


class Imposter(socketserver.ThreadingTCPServer):
    """A program that listens on a free port, and what it answers."""

    def __init__(self, words: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.words = words


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("answer", "query", "may_come"),
    [
        (b"", "", True),  # a proxy that has nobody behind it yet
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "", False),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "?sslmode=disable", False),
        (b"N", "?sslmode=require", False),
    ],
)
def test_who_answers_otherwise_does_not_become_a_postgresql(answer: bytes, query: str, may_come: bool) -> None:
    with Imposter(answer) as imposter, ThreadPoolExecutor(1) as threads:
        serving = threads.submit(imposter.serve_forever, 0.05)
        # A process of its own: libpq lets no other thread of this one run while it looks.
        url = f"postgresql://me@127.0.0.1:{imposter.server_address[1]}/q{query}"
        program = [sys.executable, "-c", OPEN, url]
        done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
        imposter.shutdown()
        serving.result()
    assert done.stdout.strip() == ("UnreachableStorageError" if may_come else "StorageError"), done.stderr


OPEN = """
import sys
from whatsnext_storage_sql.storage import open_storage
try:
    open_storage(sys.argv[1])
except Exception as error:
    print(type(error).__name__)
    print(error, file=sys.stderr)
"""


def test_database_that_does_not_know_us_does_not_come(postgresql: PostgreSQLServer) -> None:
    with psycopg.connect(postgresql.url(), autocommit=True) as connection:
        connection.execute("CREATE ROLE locked LOGIN PASSWORD 'secret'")
        rules = Path(str(connection.execute("SHOW hba_file").fetchone()[0]))  # type: ignore[index]
        rules.write_text(f"host all locked 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        connection.execute("SELECT pg_reload_conf()")
    of = postgresql.url().replace
    for url, words in {
        postgresql.url("nix"): 'database "nix" does not exist',
        of("postgres@", "nobody-here@"): 'role "nobody-here" does not exist',
        of("postgres@", "locked:wrong@"): "password authentication failed",
    }.items():
        error = raised(url)
        assert type(error) is StorageError
        assert words in str(error)
