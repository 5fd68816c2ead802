"""What the jobs that could start now need, for whoever starts workers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from whatsnext_core.converters import to_json
from whatsnext_core.model import limits
from whatsnext_core.scheduling import AHEAD
from whatsnext_core.storage import Reader
from whatsnext_core.sync import MAX_WAIT
from whatsnext_server.http.answers import Answer
from whatsnext_server.http.routing import new_router, problems
from whatsnext_server.schemas import DemandDocument
from whatsnext_server.services import services_of

router = new_router("queue")

Depth = Annotated[int, Query(ge=1, le=AHEAD, description="The most jobs that are counted of each kind.")]
OfProject = Annotated[int | None, Query(ge=1, le=limits.MAX_ID, description="Only jobs of this project.")]
Wait = Annotated[
    float, Query(ge=0, le=MAX_WAIT, description="Seconds for which the request is held while no job could start.")
]


@router.get(
    "/demand",
    response_model=list[DemandDocument],  # type: ignore[valid-type]  # made at run time
    responses=problems(400, 404),
    summary="What the jobs that could start now need",
)
async def demand(request: Request, project_id: OfProject = None, depth: Depth = AHEAD, wait: Wait = 0.0) -> Response:
    """How many jobs could start now, by what they need and how long they may take: for whoever starts workers.

    Jobs that wait for others, or for the end of a back-off, are not counted, nor are those that a worker has. Of jobs
    that need the same and belong to one project no more than `depth` are looked at, so it is quick however many there
    are.
    """

    def query(reader: Reader) -> list[Any]:
        if project_id is not None:
            reader.project(project_id)
        return [to_json(each) for each in reader.demand(depth) if project_id in (None, each.project_id)]

    services = services_of(request)
    until = monotonic() + wait
    with services.room.onlooker() as news:
        while True:
            news.clear()
            found = await services.read(query)
            left = until - monotonic()
            if found or left <= 0 or services.room.closed:
                return Answer(found)
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), left)


__all__ = ["router"]
