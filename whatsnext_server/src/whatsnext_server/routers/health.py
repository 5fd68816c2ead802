"""Whether the server and its database are there."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from whatsnext_server.http.answers import Answer
from whatsnext_server.http.routing import new_router
from whatsnext_server.schemas import Message
from whatsnext_server.services import services_of

router = new_router("health")


@router.get("/", response_model=Message, summary="Whether the server is there")
async def root() -> Response:
    """Answer at once; needs no key."""
    return Answer({"message": "OK"})


@router.get("/checkdb", response_model=Message, summary="Whether the database answers")
async def check_database(request: Request) -> Response:
    """Ask the database; needs no key. 503 if it does not answer."""
    services = services_of(request)
    await services.run(services.storage.check)
    return Answer({"message": "DB is working"})


__all__ = ["router"]
