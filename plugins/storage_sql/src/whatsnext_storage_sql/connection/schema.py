"""The schema: whether a database has it, and bringing it up to date."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from whatsnext_core.errors import StorageError
from whatsnext_storage_sql.connection.engines import Engines

HEAD = "0001"
"""The newest revision. Revisions are numbered, so that an older schema can be told from a newer one."""
OLDEST_SQLITE = (3, 35, 0)
"""The first SQLite that knows RETURNING."""
UPGRADE_LOCK = 7_308_332_046
"""The advisory lock of PostgreSQL under which one server upgrades."""
_COMMAND = "whatsnext-server db upgrade"


def prepare(engines: Engines, *, upgrade: bool | None) -> None:
    """Make sure that the database has the schema of this version; StorageError if it has not.

    ``upgrade`` says whether an older one is brought up to date; None does so for a new SQLite file only.
    """
    is_sqlite = engines.read.dialect.name == "sqlite"
    if is_sqlite and sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StorageError(
            f"This Python comes with SQLite {sqlite3.sqlite_version}, which is too old; use a Python with SQLite "
            f"{'.'.join(map(str, OLDEST_SQLITE))} or newer, or PostgreSQL."
        )
    with engines.read.begin() as connection:
        found = _revision(connection, engines.place)
    if found == HEAD:
        return
    _refuse_newer(found, engines.place)
    if upgrade or (upgrade is None and found is None and is_sqlite):
        _upgrade(engines)
        return
    what = "has no tables yet" if found is None else f"has the schema of an older version ({found}, not {HEAD})"
    raise StorageError(f"The database {engines.place} {what}; run `{_COMMAND}` once, and start again.")


def upgrade(engines: Engines) -> str:
    """Bring the schema up to date and return what was done, in a line."""
    found = _upgrade(engines)
    if found == HEAD:
        return f"The database {engines.place} is up to date ({HEAD})."
    if found is None:
        return f"The tables of the database {engines.place} were created ({HEAD})."
    return f"The database {engines.place} was brought from {found} to {HEAD}."


def _upgrade(engines: Engines) -> str | None:
    """Run the migrations that the database lacks, all or none, and return the revision that it had."""
    from alembic.command import upgrade as run
    from alembic.config import Config

    with engines.write.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})"))
        found = _revision(connection, engines.place)
        _refuse_newer(found, engines.place)
        if found != HEAD:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations").replace("%", "%%"))
            run(config, "head")
    return found


def _revision(connection: Connection, place: str) -> str | None:
    """Return the revision of the schema, None for an empty database; StorageError if it is one of something else."""
    if connection.dialect.name == "postgresql":
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise StorageError(
                f"The database {place} is encoded in {encoding}; create one with ENCODING 'UTF8' and use that."
            )
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        if found is not None and not found.isdecimal():
            raise StorageError(f"The database {place} holds the tables of another program; name another database.")
        return found
    if tables:
        raise StorageError(f"The database {place} holds other tables already; name an empty database.")
    return None


def _refuse_newer(found: str | None, place: str) -> None:
    if found is not None and int(found) > int(HEAD):
        raise StorageError(
            f"The database {place} has the schema of a newer version ({found}, not {HEAD}); upgrade "
            f"whatsnext-storage-sql, which `{_COMMAND}` of this version cannot replace."
        )
