"""What an answer of the server brings to a worker."""

from __future__ import annotations

from attrs import frozen

from whatsnext_client.engine.records import Held
from whatsnext_core.sync import SyncRequest, SyncResponse


@frozen(kw_only=True)
class News:
    """An answer, as the worker's loop takes it in."""

    request: SyncRequest
    """What was asked."""
    response: SyncResponse
    """What was answered."""
    fresh: tuple[Held, ...]
    """The attempts that are new."""
    settled: tuple[Held, ...]
    """The attempts whose end the server has taken in, or refused for good."""
