"""The schemas of events and of those who follow them."""

from __future__ import annotations

from pydantic import Field

from whatsnext_core.model import Cursor, Event
from whatsnext_server.schemas.base import Schema
from whatsnext_server.schemas.derived import derive

EventDocument = derive(Event)
"""An event in an answer."""


class NotifierDocument(Schema, core=Cursor):
    """A notifier, and how far it has come."""

    name: str
    """Its name."""
    place: int
    behind: int
    """How many events it has yet to get, at most: numbers that were never used count too."""
    holder: str | None
    expires_at: str | None = Field(json_schema_extra={"format": "date-time"})
    seen_at: str = Field(json_schema_extra={"format": "date-time"})
    failures: int
    error: str


__all__ = ["EventDocument", "NotifierDocument"]
