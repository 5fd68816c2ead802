"""Events in words, for people who watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from whatsnext_client.commands.base import times
from whatsnext_core.model import EventKind

if TYPE_CHECKING:
    from whatsnext_core.model import Event

Data = Mapping[str, Any]


def words(event: Event) -> str:
    """Return what happened, as the rest of a sentence that begins with the job."""
    return _WORDS[event.kind](event.data)


def _worker(data: Data) -> str:
    return str(data.get("client") or "a client without a name")


def _why(data: Data) -> str:
    parts = [str(data["cause"])] if data.get("cause") else []
    if data.get("exit_code") is not None:
        parts.append(f"exit code {data['exit_code']}")
    return ", ".join(parts) or "no cause given"


def _claimed(data: Data) -> str:
    return f"is QUEUED on {_worker(data)}, attempt {data.get('fence')}"


def _retrying(data: Data) -> str:
    when = f"in {times.span(data['delay'])}" if data.get("delay") else "at once"
    return f"failed ({_why(data)}) and is PENDING again; the next attempt may begin {when}"


_WORDS: Mapping[EventKind, Callable[[Data], str]] = {
    EventKind.SUBMITTED: lambda data: f"was submitted and is {data.get('to')}",
    EventKind.CLAIMED: _claimed,
    EventKind.STARTED: lambda data: f"is RUNNING on {_worker(data)}",
    EventKind.COMPLETED: lambda data: f"is COMPLETED by {_worker(data)}",
    EventKind.FAILED: lambda data: f"is FAILED: {_why(data)}",
    EventKind.RETRYING: _retrying,
    EventKind.LOST: lambda data: f"was lost by {_worker(data)} and is PENDING again",
    EventKind.RELEASED: lambda data: f"was given back by {_worker(data)} and is PENDING again",
    EventKind.CANCEL_REQUESTED: lambda data: f"is to be cancelled; {_worker(data)} must confirm it",
    EventKind.CANCELLED: lambda _: "is CANCELLED",
    EventKind.BLOCKED: lambda _: "is BLOCKED: a dependency can never be met",
    EventKind.UNBLOCKED: lambda _: "is PENDING again: its dependencies can be met",
    EventKind.RETRIED: lambda _: "was brought back and is PENDING",
    EventKind.UPDATED: lambda data: f"was changed: {', '.join(data.get('fields', ()))}",
    EventKind.DELETED: lambda _: "was deleted",
}

__all__ = ["words"]
