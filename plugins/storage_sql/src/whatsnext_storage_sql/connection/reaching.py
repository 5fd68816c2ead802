"""Whether a PostgreSQL that could not be opened is only not there yet, so that it helps to wait and try again."""

from __future__ import annotations

from typing import Final

from sqlalchemy import URL, Engine, exc

GOING: Final = frozenset({"57P01", "57P02", "57P03"})
"""PostgreSQL's codes for an end by its administrator, a crash, and a start, an end or a recovery that is under way."""
HOPELESS: Final = (
    "certificate file",
    "certificate verify failed",
    "server certificate for",
    "private key file",
    "does not support SSL",
    "invalid response to SSL",
    "expected authentication request",
)
"""Signs in libpq's words that who answers is the wrong one, or that we ask in a way that it does not take."""
PATIENCE: Final = 2
"""Seconds that a database has to say how it is."""


def may_come(engine: Engine, url: URL, error: exc.DBAPIError) -> bool:
    """Return whether an error of opening a database passes by itself: it cannot be reached, or admits nobody yet.

    The driver does not tell the codes of errors that come before a connection is made. Whether there is a server, and
    whether it admits anybody, libpq says apart from them; a wrong password or an unknown database leaves it as it is.
    """
    if url.get_backend_name() != "postgresql":
        return False
    from psycopg.errors import ConnectionTimeout, OperationalError
    from psycopg.pq import Ping

    cause = error.orig
    if not isinstance(cause, OperationalError):
        return False
    if cause.sqlstate is not None or isinstance(cause, ConnectionTimeout):
        return cause.sqlstate is None or cause.sqlstate in GOING
    if any(sign in str(cause) for sign in HOPELESS):
        return False
    return _ping(url) in {Ping.REJECT, Ping.NO_RESPONSE} or _lets_in(engine)


def _ping(url: URL) -> int:
    from psycopg.conninfo import make_conninfo
    from psycopg.pq import PGconn

    options = {"host": url.host, "port": url.port, "dbname": url.database, "user": url.username, **url.query}
    given = {name: value for name, value in options.items() if isinstance(value, str | int)}
    return PGconn.ping(make_conninfo("", **given | {"connect_timeout": PATIENCE}).encode())


def _lets_in(engine: Engine) -> bool:
    """Return whether it has come in the meantime."""
    try:
        engine.connect().close()
    except exc.DBAPIError:
        return False
    return True


__all__ = ["may_come"]
