"""What the jobs that could start now need, for whoever starts workers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from whatsnext_core.converters import to_json
from whatsnext_core.model import limits
from whatsnext_core.scheduling import AHEAD
from whatsnext_core.storage import Reader
from whatsnext_server.routing import new_router, problems
from whatsnext_server.schemas import DemandDocument
from whatsnext_server.services import services_of

router = new_router("queue")

Depth = Annotated[int, Query(ge=1, le=AHEAD, description="The most jobs that are counted of each kind.")]
OfProject = Annotated[int | None, Query(ge=1, le=limits.MAX_ID, description="Only jobs of this project.")]


@router.get(
    "/demand",
    response_model=list[DemandDocument],  # type: ignore[valid-type]  # made at run time
    responses=problems(400, 404),
    summary="What the jobs that could start now need",
)
async def demand(request: Request, project_id: OfProject = None, depth: Depth = AHEAD) -> Response:
    """How many jobs could start now, by what they need and how long they may take: for whoever starts workers.

    Jobs that wait for others, or for the end of a back-off, are not counted, nor are those that a worker has. Of jobs
    that need the same and belong to one project no more than `depth` are looked at, so it is quick however many there
    are.
    """

    def query(reader: Reader) -> list[Any]:
        if project_id is not None:
            reader.project(project_id)
        return [to_json(each) for each in reader.demand(depth) if project_id in (None, each.project_id)]

    return await services_of(request).answer(query)


__all__ = ["router"]
