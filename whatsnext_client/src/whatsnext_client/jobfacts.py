"""What a server says of a job, read from its document."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from whatsnext_client.rest import Document
from whatsnext_core.converters import parse_time
from whatsnext_core.model import JobStatus

_NOTHING: Final[Document] = {}
"""What is said of a job before it is queued; nobody changes it."""


class JobFacts:
    """The read-only side of a job: what the server last said of it."""

    def __init__(self) -> None:
        self._document = _NOTHING

    @property
    def id(self) -> int | None:
        """Number of the job on its server; None before it is queued."""
        return self._document.get("id")

    @property
    def status(self) -> str:
        """``PENDING``, ``QUEUED``, ``RUNNING``, ``COMPLETED``, ``FAILED``, ``CANCELLED`` or ``BLOCKED``."""
        return str(self._document.get("status", JobStatus.PENDING))

    @property
    def project_id(self) -> int | None:
        """The project that it is queued in."""
        return self._document.get("project_id")

    @property
    def created_at(self) -> datetime | None:
        """When it was queued, in UTC."""
        return self._time("created_at")

    @property
    def updated_at(self) -> datetime | None:
        """When anything of it last changed, in UTC."""
        return self._time("updated_at")

    @property
    def started_at(self) -> datetime | None:
        """When its newest attempt started, in UTC."""
        return self._time("started_at")

    @property
    def finished_at(self) -> datetime | None:
        """When it ended, in UTC."""
        return self._time("finished_at")

    @property
    def attempt(self) -> int:
        """Number of its newest attempt; 0 before the first."""
        return int(self._document.get("attempt", 0))

    @property
    def result(self) -> Any:
        """The JSON value that it returned."""
        return self._document.get("result")

    @property
    def cause(self) -> str | None:
        """Why its last attempt did not succeed (``exit``, ``timeout``, ``oom``, ``lost``, ...); None if it did."""
        return self._document.get("cause")

    @property
    def message(self) -> str:
        """The same in words."""
        return str(self._document.get("message") or "")

    @property
    def exit_code(self) -> int | None:
        """Exit code of its last attempt; negative for a signal."""
        return self._document.get("exit_code")

    @property
    def client_id(self) -> str | None:
        """The worker of its newest attempt."""
        return self._document.get("client_id")

    def _time(self, key: str) -> datetime | None:
        value = self._document.get(key)
        return None if value is None else parse_time(value)
