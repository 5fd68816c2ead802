"""What the shell offers when TAB is pressed: names that the server knows, asked for quickly and never with an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

PATIENCE = 1.0
"""Seconds that a person waits for a list of names."""


def project_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the projects whose names begin so."""
    del param
    return _matching(ctx, incomplete, lambda session: session.api.projects())


def task_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the tasks of the project whose names begin so."""
    del param
    return _matching(ctx, incomplete, lambda session: session.api.tasks(session.project["id"]))


def client_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the workers whose ids begin so."""
    del param
    return _matching(ctx, incomplete, lambda session: session.api.clients(active_only=False), key="id")


def _matching(
    ctx: click.Context, incomplete: str, fetch: Callable[[Any], Iterable[dict[str, Any]]], key: str = "name"
) -> list[str]:
    from whatsnext_client.commands.base.session import Session

    try:
        found = list(fetch(Session(ctx, timeout=PATIENCE)))
    except Exception:  # noqa: BLE001 - a shell that completes a word has no place to show an error
        return []
    return [document[key] for document in found if document[key].startswith(incomplete)]
