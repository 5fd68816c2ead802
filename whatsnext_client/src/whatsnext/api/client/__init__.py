"""The stable public face of the WhatsNext client library.

::

    from whatsnext.api.client import CLIFormatter, Client, Job, Server
"""

from typing import TYPE_CHECKING, Any

from whatsnext.api.client.lazy import MissingFormatterError, installed_formatters, load_formatter
from whatsnext_client.artifact import Artifact
from whatsnext_client.client import Client
from whatsnext_client.errors import (
    AccessError,
    AnswerLostError,
    ChecksumError,
    EmptyQueueError,
    NotAuthenticatedError,
    NotPermittedError,
    OffsetError,
    RateLimitError,
    ServerFaultError,
    ServerUnreachableError,
    UnexpectedAnswerError,
    WorkerError,
)
from whatsnext_client.events import EventStream
from whatsnext_client.job import Job
from whatsnext_client.project import Project
from whatsnext_client.resource import Resource
from whatsnext_client.server import Server
from whatsnext_client.task import Task
from whatsnext_client.verdict import fail
from whatsnext_core.errors import (
    ConfigurationError,
    ConflictError,
    CycleError,
    DuplicateError,
    EngineError,
    IllegalTransitionError,
    InvalidError,
    NotFoundError,
    PluginError,
    TemplateError,
    TooLargeError,
    WhatsNextError,
)
from whatsnext_core.formatting import Formatter
from whatsnext_core.model import Event, EventKind

if TYPE_CHECKING:
    from whatsnext_formatter_cli import CLIFormatter as CLIFormatter

__all__ = [  # noqa: PLE0604 - what is not installed is not exported, or a star import would fail
    "AccessError",
    "AnswerLostError",
    "Artifact",
    "ChecksumError",
    "Client",
    "ConfigurationError",
    "ConflictError",
    "CycleError",
    "DuplicateError",
    "EmptyQueueError",
    "EngineError",
    "Event",
    "EventKind",
    "EventStream",
    "Formatter",
    "IllegalTransitionError",
    "InvalidError",
    "Job",
    "MissingFormatterError",
    "NotAuthenticatedError",
    "NotFoundError",
    "NotPermittedError",
    "OffsetError",
    "PluginError",
    "Project",
    "RateLimitError",
    "Resource",
    "Server",
    "ServerFaultError",
    "ServerUnreachableError",
    "Task",
    "TemplateError",
    "TooLargeError",
    "UnexpectedAnswerError",
    "WhatsNextError",
    "WorkerError",
    "fail",
    *installed_formatters(),
]


def __getattr__(name: str) -> Any:
    """Return a formatter, loaded now."""
    return load_formatter(name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
