"""The schema of an event."""

from __future__ import annotations

from whatsnext_core.model import Event
from whatsnext_server.schemas.derived import derive

EventDocument = derive(Event)
"""An event in an answer."""

__all__ = ["EventDocument"]
