"""The schema: whether a database has it, and bringing it up to date."""

from __future__ import annotations

from whatsnext_storage_sql.engines import Engines
from whatsnext_storage_sql.models import Base


def prepare(engines: Engines, *, upgrade: bool | None) -> None:
    """Make sure that the database has the schema of this version."""
    del upgrade
    Base.metadata.create_all(engines.write)


def upgrade(engines: Engines) -> str:
    """Bring the schema up to date and return what was done, in a line."""
    prepare(engines, upgrade=True)
    return f"The database {engines.place} is up to date."
