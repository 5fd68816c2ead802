"""The errors that only a client can meet, under the base of ``whatsnext_core``.

What the server refused arrives as the core's own errors (``InvalidError``, ``NotFoundError``, ``ConflictError``, ...),
with the server's sentence as their message.
"""

from __future__ import annotations

import requests

from whatsnext_core.errors import ConflictError, WhatsNextError


class ServerUnreachableError(WhatsNextError, requests.ConnectionError, ConnectionError):
    """No WhatsNext server answers at the address; the message names host and port."""


class AnswerLostError(ServerUnreachableError):
    """The connection broke after a request that must not be repeated was sent: it may or may not have been done."""


class UnexpectedAnswerError(WhatsNextError):
    """Something answers at the address, but not as a WhatsNext server does."""


class ServerFaultError(WhatsNextError):
    """The server failed at a request, or is not ready for it."""


class RateLimitError(WhatsNextError):
    """The server takes no more requests from this client for now."""


class AccessError(WhatsNextError):
    """The server does not let this client in."""


class NotAuthenticatedError(AccessError):
    """The server wants an API key, and none was given."""


class NotPermittedError(AccessError):
    """The server does not accept the API key that was given."""


class OffsetError(ConflictError):
    """Bytes of a log or a file were sent for a place where the server's copy does not end."""

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message)
        self.size = size
        """The bytes that the server has."""


class ChecksumError(WhatsNextError):
    """What arrived is not what was sent: the bytes have another checksum."""


class EmptyQueueError(WhatsNextError, IndexError):
    """The queue has no job for the caller."""


class WorkerError(WhatsNextError):
    """A worker cannot start or go on: its folder is in use, or its place was taken by another process."""
