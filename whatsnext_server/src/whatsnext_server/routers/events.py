"""Events: every change of a job, as a list or as it happens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Annotated, Any, Final

from fastapi import Header, Query, Request
from starlette.responses import Response

from whatsnext_core.errors import InvalidError
from whatsnext_core.model import Event, EventKind, limits
from whatsnext_core.storage import EventFilter, Reader
from whatsnext_server.events.feed import SPAN, frame, mark
from whatsnext_server.events.listening import Listener
from whatsnext_server.events.stream import EventStream
from whatsnext_server.http.answers import Encoded, listing
from whatsnext_server.http.routing import new_router, problems
from whatsnext_server.schemas import EventDocument
from whatsnext_server.schemas.examples import EVENT
from whatsnext_server.services import services_of

router = new_router("events")

MOST_JOBS: Final = 1_000
"""Jobs that one filter names, at most."""
LOOK: Final = 1.0
"""Seconds for which a list goes on looking for events that a filter wants."""

OfProject = Annotated[int | None, Query(ge=1, le=limits.MAX_ID, description="Only events of this project.")]
OfJobs = Annotated[
    list[str] | None,
    Query(description="Only events of these jobs, by id: repeat it, or separate them by commas; at most 1000."),
]
OfKinds = Annotated[
    list[str] | None,
    Query(description="Only events of these kinds, in any case: repeat it, or separate them by commas."),
]
After = Annotated[
    int | None,
    Query(ge=0, le=limits.MAX_ID, description="Only events with a higher number; 0 for all that are kept."),
]
Since = Annotated[
    datetime | None, Query(description="Only events from this time on, as in 2026-01-31T12:00:00Z; UTC unless it says.")
]
Limit = Annotated[int, Query(ge=0, le=10_000, description="The most events of a list; a stream has no end.")]
LastId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=r"^[0-9]{1,18}$",
        description="Number of the last event that was received before a stream broke; outweighs `after` and `since`.",
    ),
]
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events: a list, or a stream that goes on.",
        "content": {
            "text/event-stream": {"schema": {"type": "string"}, "example": (mark(40) + frame(EVENT)).decode()},
        },
        "headers": {
            "X-Events-After": {
                "description": "Of a list: the number after which to go on, also when the list is empty.",
                "schema": {"type": "integer"},
            },
            "X-Events-Complete": {
                "description": "Of a list: whether there were no further events when it was made.",
                "schema": {"type": "string", "enum": ["true", "false"]},
            },
        },
    }
}


@router.get(
    "/events",
    response_model=list[EventDocument],  # type: ignore[valid-type]  # made at run time
    responses=_STREAM | problems(400),
    summary="Follow or list events",
)
async def events(
    request: Request,
    project_id: OfProject = None,
    job_id: OfJobs = None,
    kind: OfKinds = None,
    after: After = None,
    since: Since = None,
    limit: Limit = 100,
    last_event_id: LastId = None,
) -> Response:
    """Every change of a job is an event with a number; a later one has a higher number, and none is ever inserted.

    With `Accept: application/json` the answer is a list, from the oldest event on unless said otherwise. To read all,
    ask again with `after` set to the `X-Events-After` of the answer, until `X-Events-Complete` is true.

    Otherwise it is a stream of server-sent events, from now on unless said otherwise: `id` is the number, `event` the
    kind, `data` the event. Comments and bare ids in between tell that the server is there, and how far it came. When
    the stream breaks, ask again with the last id as `Last-Event-ID`, as browsers do by themselves.
    """
    services = services_of(request)
    only = EventFilter(project_id=project_id, job_ids=_ids(job_id or ()), kinds=_kinds(kind or ()))
    place = int(last_event_id) if last_event_id is not None else after
    if place is None and since is not None:
        moment = since if since.tzinfo else since.replace(tzinfo=UTC)
        place = await services.read(lambda reader: reader.event_before(moment))
    if not _wants_list(request):
        return EventStream(services.feed, Listener(only, place))
    found, place, complete = await services.read(lambda reader: _list(reader, only, place or 0, limit))
    headers = {"X-Events-After": str(place), "X-Events-Complete": "true" if complete else "false"}
    return Encoded(listing(found), headers=headers)


def _wants_list(request: Request) -> bool:
    """Return whether JSON is asked for, and not a stream of events."""
    accepted = request.headers.get("accept", "").lower()
    return "application/json" in accepted and "text/event-stream" not in accepted


def _list(reader: Reader, only: EventFilter, after: int, limit: int) -> tuple[Sequence[Event], int, bool]:
    """Return events, the number after which to go on, and whether there is nothing more.

    A filter of kinds is served by no index, so it goes through the numbers part by part, and not for long.
    """
    found: list[Event] = []
    newest, until = reader.last_event(), monotonic() + LOOK
    while after < newest:
        end = min(newest, after + SPAN) if only.kinds and not only.job_ids else newest
        found += reader.events(after, limit - len(found), only, until=end)
        if len(found) >= limit:
            after = found[-1].id if found else after
            return found, after, after >= newest
        after = end
        if monotonic() > until:
            break
    return found, after, after >= newest


def _words(texts: Sequence[str]) -> list[str]:
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def _kinds(texts: Sequence[str]) -> list[EventKind]:
    return [EventKind.parse(word) for word in _words(texts)]


def _ids(texts: Sequence[str]) -> list[int]:
    words = _words(texts)
    if len(words) > MOST_JOBS:
        raise InvalidError(f"{len(words)} jobs are named; a filter takes at most {MOST_JOBS}. Ask for the project.")
    for word in words:
        if not (word.isascii() and word.isdigit() and 0 < int(word) <= limits.MAX_ID):
            raise InvalidError(f"{limits.shorten(word)} is not the id of a job; ids are whole numbers from 1.")
    return list(map(int, words))


__all__ = ["router"]
