"""Clients: reading, registering and changing them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, text, update

from whatsnext_core.errors import NotFoundError
from whatsnext_core.model import Client, ClientChanges, ClientSpec
from whatsnext_core.model.limits import shorten
from whatsnext_core.storage import Page
from whatsnext_storage_sql.connection.direct import Query
from whatsnext_storage_sql.connection.errors import UniquenessError
from whatsnext_storage_sql.connection.transaction import Transaction
from whatsnext_storage_sql.jobs.rows import client_of, client_values
from whatsnext_storage_sql.models.types import to_micros
from whatsnext_storage_sql.tables import CLIENT

_ALL = select(CLIENT).order_by(CLIENT.c.id)
_BY_ID = select(CLIENT).where(CLIENT.c.id == bindparam("id"))
_ONE = Query(_BY_ID)
_LOCKED = Query(_BY_ID.with_for_update())
_HEARD = Query(
    text(
        f"UPDATE client SET last_heartbeat = :moment WHERE id = :id RETURNING {', '.join(CLIENT.c.keys())}"  # noqa: S608  # only names of our own
    ).columns(*CLIENT.c)
)


def client(tx: Transaction, client_id: str) -> Client:
    """Return the client of an id."""
    return client_of(_found(tx.first(_ONE, id=client_id), client_id))


def clients(tx: Transaction, page: Page, *, active_only: bool) -> Sequence[Client]:
    """Return clients by id."""
    statement = _ALL.where(CLIENT.c.is_active) if active_only else _ALL
    return [client_of(row) for row in tx.all(statement.limit(page.limit).offset(page.skip))]


def lock_client(tx: Transaction, client_id: str) -> Client:
    """Return the client; nobody else changes it before this transaction ends."""
    return client_of(_found(tx.first(_LOCKED, id=client_id), client_id))


def register_client(tx: Transaction, spec: ClientSpec, now: datetime) -> Client:
    """Create a client, or update and activate the one of that id."""
    row = tx.first(_LOCKED, id=spec.id)
    if row is None:
        new = spec.register(None, now)
        try:
            with tx.savepoint():
                tx.run(insert(CLIENT), client_values(new))
        except UniquenessError:
            return register_client(tx, spec, now)
        return new
    new = spec.register(client_of(row), now)
    _write(tx, new)
    return new


def update_client(tx: Transaction, client_id: str, changes: ClientChanges) -> Client:
    """Change a client."""
    new = changes.apply(lock_client(tx, client_id))
    _write(tx, new)
    return new


def heartbeat(tx: Transaction, client_id: str, now: datetime) -> Client:
    """Note that a client was heard of, and return it."""
    return client_of(_found(tx.first(_HEARD, id=client_id, moment=to_micros(now)), client_id))


def _write(tx: Transaction, new: Client) -> None:
    tx.run(update(CLIENT).where(CLIENT.c.id == new.id).values(client_values(new)))


def _found(row: Row[Any] | None, client_id: str) -> Row[Any]:
    if row is None:
        raise unknown(client_id)
    return row


def unknown(client_id: str) -> NotFoundError:
    """Return the error for a client that there is none of."""
    return NotFoundError(f"Client with id {shorten(client_id)} not found.")
