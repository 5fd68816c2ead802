"""Notifiers: how far each has come."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import Response

from whatsnext_core.converters import to_json
from whatsnext_core.storage import Reader
from whatsnext_server.http.routing import new_router
from whatsnext_server.schemas import NotifierDocument
from whatsnext_server.services import services_of

router = new_router("events")


@router.get("/notifiers", response_model=list[NotifierDocument], summary="List notifiers")
async def list_notifiers(request: Request) -> Response:
    """Every notifier that events were ever delivered to, with how far it has come and what failed last."""

    def query(reader: Reader) -> list[dict[str, Any]]:
        newest = reader.last_event()
        return [{**to_json(cursor), "behind": max(0, newest - cursor.place)} for cursor in reader.cursors()]

    return await services_of(request).answer(query)


__all__ = ["router"]
