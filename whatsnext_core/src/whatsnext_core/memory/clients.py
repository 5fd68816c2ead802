"""Clients in memory."""

from __future__ import annotations

from datetime import datetime

from attrs import evolve

from whatsnext_core.memory.attempts import lose
from whatsnext_core.memory.graph import spread
from whatsnext_core.memory.state import State
from whatsnext_core.model import Client, ClientChanges, ClientSpec
from whatsnext_core.states import CLIENT_DELETED


def register_client(state: State, spec: ClientSpec, now: datetime) -> Client:
    """Create a client, or update and activate the one of that id."""
    client = spec.register(state.clients.get(spec.id), now)
    state.clients.put(client.id, client)
    return client


def update_client(state: State, client_id: str, changes: ClientChanges) -> Client:
    """Change a client."""
    client = changes.apply(state.client(client_id))
    state.clients.put(client_id, client)
    return client


def delete_client(state: State, client_id: str, now: datetime) -> None:
    """Delete a client; the attempts that it holds are lost."""
    state.client(client_id)
    for job_id, fence in list(state.attempts.live.keys(client_id)):
        row = state.seen(job_id)
        if row is not None:
            lose(state, row, state.attempts[job_id, fence], CLIENT_DELETED, now)
    state.clients.drop(client_id)
    state.reservations.drop(client_id)
    spread(state, now)


def heartbeat(state: State, client_id: str, now: datetime) -> Client:
    """Note that a client was heard of, and return it."""
    heard = evolve(state.client(client_id), last_heartbeat=now)
    state.clients.put(client_id, heard)
    return heard
