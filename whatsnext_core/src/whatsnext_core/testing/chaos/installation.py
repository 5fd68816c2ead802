"""What a chaos run is told to start: the kit itself knows no server and no worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from attrs import field, frozen

ServerCommand: TypeAlias = Callable[[int], Sequence[str]]
"""Gives the command of a server that listens on this port of 127.0.0.1."""
WorkerCommand: TypeAlias = Callable[[str, str, Path, str], Sequence[str]]
"""Gives the command of a worker by the server's URL, its name, the folder of its state, and the project."""


class Database(Protocol):
    """A database server that can be killed by itself."""

    def kill(self) -> None:
        """End it as a crash does."""
        ...

    def start(self) -> None:
        """Start it, and return when it answers."""
        ...


@frozen(kw_only=True)
class Installation:
    """The programs of a run, and how many there are of each."""

    server: ServerCommand
    """The command of a server."""
    worker: WorkerCommand
    """The command of a worker that goes on for ever, and adopts what an earlier one of the same name left."""
    lease: float
    """Seconds that the servers' leases last; a run is the longer the longer they are."""
    environment: Mapping[str, str]
    """The environment of all of them."""
    servers: int = 1
    """How many servers there are, on one database."""
    workers: int = 4
    """How many workers there are."""
    database: Database | None = field(default=None)
    """The database, if it is a server that can be killed by itself."""
