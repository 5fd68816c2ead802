"""Waiting for a PostgreSQL that is there but admits nobody yet: it starts, or recovers from a crash."""

from __future__ import annotations

import logging
import time

from sqlalchemy import URL

PAUSE = 0.2
"""Seconds between two questions whether it admits us."""

_log = logging.getLogger(__name__)


def await_recovery(url: URL, place: str, patience: float) -> None:
    """Return once the PostgreSQL at a URL admits connections, is not there at all, or patience (seconds) ran out.

    What is wrong besides, the connection says better that is tried next. Nothing is waited for on SQLite.
    """
    if url.get_backend_name() != "postgresql" or not _is_recovering(url):
        return
    _log.warning("%s is starting or recovering, and admits nobody yet; waiting up to %g s for it.", place, patience)
    deadline = time.monotonic() + patience
    while _is_recovering(url) and time.monotonic() < deadline:
        time.sleep(PAUSE)


def _is_recovering(url: URL) -> bool:
    from psycopg.conninfo import make_conninfo
    from psycopg.pq import PGconn, Ping

    options = {"host": url.host, "port": url.port, "dbname": url.database, "user": url.username, "connect_timeout": 10}
    given = {name: value for name, value in (options | dict(url.query)).items() if isinstance(value, str | int)}
    return PGconn.ping(make_conninfo("", **given).encode()) == Ping.REJECT


__all__ = ["await_recovery"]
