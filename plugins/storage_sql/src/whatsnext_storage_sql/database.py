"""Engines and sessions for people who ask the tables questions of their own.

A session reads everything by the models. Writing that way leaves the queue, the lists and the counters beside a job as
they were: change jobs through the server, or through ``open_storage``.
"""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from whatsnext_storage_sql.config import SQLConfig
from whatsnext_storage_sql.connection.engines import open_engines
from whatsnext_storage_sql.models import Base
from whatsnext_storage_sql.storage import open_storage, parse_url


def get_engine(url: str) -> Engine:
    """Return an engine for a database URL, set up as the server's own; ``dispose`` it in the end."""
    engines = open_engines(parse_url(url), SQLConfig())
    engines.write.dispose()
    return engines.read


def get_sessions(url: str) -> sessionmaker[Session]:
    """Return what makes sessions on a database URL; each sees the tables as they are when it begins."""
    return sessionmaker(get_engine(url))


__all__ = ["Base", "get_engine", "get_sessions", "open_storage"]
