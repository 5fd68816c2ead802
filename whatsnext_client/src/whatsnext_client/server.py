"""The server, as the library shows it: the way to its projects."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Self

from whatsnext_client.address import Address, configured_address, parse_address
from whatsnext_client.config import ClientSettings, load_client_settings
from whatsnext_client.events import EventStream
from whatsnext_client.following import open_events
from whatsnext_client.job import Job
from whatsnext_client.project import Project
from whatsnext_client.rest import Rest
from whatsnext_client.transport import Transport
from whatsnext_core.errors import ConflictError, DuplicateError, NotFoundError


class Server:
    """A connection to a WhatsNext server.

    ``Server("queue.example.org", 8000)``, ``Server("https://queue.example.org")``, or ``Server()`` for the one that the
    environment (``WHATSNEXT_SERVER``) or the config file names.

    Args:
        hostname: Host name, or whole URL; None for the configured server.
        port: Port of a host name; None for 8000. A URL has its own.
        api_key: The key that the server asks for; None for the configured one.
        timeout: Seconds to wait for an answer.
        retry_for: Seconds to go on trying when the connection fails later.
        wait_for: Seconds to wait now for a server that is just starting.

    Raises:
        ServerUnreachableError: nobody answers; it is a ``ConnectionError`` too.
    """

    def __init__(
        self,
        hostname: str | None = None,
        port: int | None = None,
        *,
        api_key: str | None = None,
        timeout: float | None = None,
        retry_for: float | None = None,
        wait_for: float = 0.0,
    ) -> None:
        settings = load_client_settings(api_key=api_key, timeout=timeout, retry_for=retry_for)
        self.address = parse_address(hostname, port) if hostname is not None else _configured(settings, port)
        """Where it is."""
        self.rest = Rest(
            Transport(self.address, api_key=settings.api_key, timeout=settings.timeout, retry_for=settings.retry_for)
        )
        """Its endpoints."""
        self.rest.transport.greet(wait_for=wait_for)

    @property
    def projects(self) -> list[Project]:
        """All projects, oldest first."""
        return [Project(self.rest, document) for document in self.rest.all_projects()]

    def list_projects(self, limit: int = 10, skip: int = 0, status: str = "ACTIVE") -> None:
        """Print a table of projects.

        Args:
            limit: How many to show at most.
            skip: How many to leave out at the beginning.
            status: ``ACTIVE`` or ``ARCHIVED``.
        """
        from rich.console import Console
        from rich.table import Table

        table = Table(title=f"Projects on {self.address}")
        for heading in ("id", "name", "description", "status", "last updated"):
            table.add_column(heading, justify="right" if heading == "id" else "left", overflow="fold")
        for document in self.rest.projects(limit=limit, skip=skip, status=status):
            values = (document["id"], document["name"], document["description"], document["status"])
            table.add_row(*(str(value) for value in values), document["updated_at"])
        Console(markup=False, highlight=False).print(table)

    def get_project(self, name: str) -> Project | None:
        """Return the project of this name, or None if there is none."""
        document = self.rest.project_named(name)
        return None if document is None else Project(self.rest, document)

    def append_project(self, name: str, description: str = "") -> Project:
        """Create a project, and return it.

        Raises:
            DuplicateError: there is one of this name.
        """
        try:
            return Project(self.rest, self.rest.create_project(name, description))
        except ConflictError as error:
            raise DuplicateError(str(error)) from error

    def delete_project(self, name: str) -> bool:
        """Delete a project with all that it holds; False if there is none of this name."""
        try:
            self.rest.delete_project_named(name)
        except NotFoundError:
            return False
        return True

    def events(
        self,
        after: int | None = None,
        *,
        jobs: Iterable[int | Job] = (),
        kinds: Iterable[str] = (),
        since: datetime | None = None,
    ) -> EventStream:
        """Return what happens to the jobs of all projects; see ``Project.events``."""
        return open_events(self.rest.transport, after, jobs=jobs, kinds=kinds, since=since)

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self.rest.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Server({self.address.url!r})"


def _configured(settings: ClientSettings, port: int | None) -> Address:
    """Return the address that the settings name, with ``port`` if that is given."""
    return configured_address(settings.server, settings.port) if port is None else parse_address(settings.server, port)
