"""Clients (workers): who is there, what they offer, and how they stay in touch."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Annotated

from attrs import fields
from fastapi import Query, Request
from starlette.responses import Response

from whatsnext_core.converters import from_json, to_json
from whatsnext_core.model import ClientChanges
from whatsnext_core.storage import Page, Writer
from whatsnext_core.sync import SyncRequest, SyncResponse
from whatsnext_server.http.answers import Answer, Encoded, encode
from whatsnext_server.http.reading import parse_json
from whatsnext_server.http.routing import check_content_type, json_body, new_router, problems
from whatsnext_server.routers.parameters import ClientId, Limit, Skip
from whatsnext_server.schemas import Acknowledgement, ClientDocument, ClientRegistration, ClientUpdate, SyncAnswer
from whatsnext_server.schemas.clients import client_document
from whatsnext_server.schemas.examples import EXAMPLES
from whatsnext_server.schemas.jobs import job_document
from whatsnext_server.services import Services, services_of
from whatsnext_server.sync.exchange import Exchange
from whatsnext_server.sync.holding import answer_sync

router = new_router("clients")

LARGE = 64 * 1024
"""Bytes of a sync request from which on it is read apart from the event loop."""
MANY = 20
"""Assignments in an answer from which on it is written apart from the event loop."""

_FIELDS = tuple(field.name for field in fields(SyncResponse))
_fields_of = attrgetter(*_FIELDS)

ActiveOnly = Annotated[bool, Query(description="Whether to leave out clients that were deactivated.")]


@router.post(
    "/clients/{client_id}/sync",
    response_model=SyncAnswer,
    responses=problems(400, 404, 413),
    openapi_extra=json_body("SyncRequest", EXAMPLES["SyncRequest"]),
    summary="Report, renew leases, and ask for jobs",
)
async def sync(request: Request, client_id: ClientId) -> Response:
    """One round trip of a worker: ends of attempts and what runs go in, new jobs and orders come out.

    It is the heartbeat, and it renews the leases of what runs. The request is held up to `wait` seconds while there is
    no job for the client and no new order. Repeat it with the same `request` number if the answer was lost: nothing
    counts twice, and the same attempts come again.
    """
    check_content_type(request)
    services = services_of(request)
    body = await request.body()
    message = await services.work(_read, body) if len(body) > LARGE else _read(body)
    exchange = Exchange(client_id=client_id, request=message, settings=services.settings)
    response = await answer_sync(services, request, exchange)
    is_large = len(response.assignments) > MANY
    return Encoded(await services.work(_write, services, response) if is_large else _write(services, response))


@router.post(
    "/clients/register",
    status_code=201,
    response_model=ClientDocument,
    responses=problems(400, 413),
    summary="Register a client",
)
async def register_client(request: Request, body: ClientRegistration) -> Response:
    """Create the client, or update the one of this id; it is active from now on."""
    spec = body.spec()
    client = await services_of(request).write(lambda writer, now: writer.register_client(spec, now))
    return Answer(client_document(client), 201)


@router.get("/clients/", response_model=list[ClientDocument], summary="List clients")
async def list_clients(
    request: Request, active_only: ActiveOnly = True, limit: Limit = 100, skip: Skip = 0
) -> Response:
    """Clients by id, ascending."""
    page = Page(limit=limit, skip=skip)
    return await services_of(request).answer(
        lambda reader: list(map(client_document, reader.clients(page, active_only=active_only)))
    )


@router.get("/clients/{client_id}", response_model=ClientDocument, responses=problems(404), summary="Show a client")
async def get_client(request: Request, client_id: ClientId) -> Response:
    """The client of this id."""
    return await services_of(request).answer(lambda reader: client_document(reader.client(client_id)))


@router.put(
    "/clients/{client_id}", response_model=ClientDocument, responses=problems(400, 404, 413), summary="Change a client"
)
async def update_client(request: Request, client_id: ClientId, body: ClientUpdate) -> Response:
    """Change any of a client's fields. With `draining` it finishes what it runs, takes no more, and leaves."""
    services, changes = services_of(request), body.changes()
    client = await services.write(lambda writer, now: writer.update_client(client_id, changes, now))
    services.room.orders(client_id)
    return Answer(client_document(client))


@router.delete("/clients/{client_id}", status_code=204, responses=problems(404), summary="Delete a client")
async def delete_client(request: Request, client_id: ClientId) -> Response:
    """Delete a client; the jobs that it holds return to the queue."""
    services = services_of(request)
    await services.write(lambda writer, now: writer.delete_client(client_id, now))
    _tell(services, client_id)
    services.room.jobs(None)
    return Response(status_code=204)


@router.post(
    "/clients/{client_id}/heartbeat",
    response_model=Acknowledgement,
    responses=problems(404),
    summary="Say that a client lives",
)
async def heartbeat(request: Request, client_id: ClientId) -> Response:
    """Note that the client was heard of. A sync does the same, and renews leases too."""
    await services_of(request).write(lambda writer, now: writer.heartbeat(client_id, now))
    return Answer({"status": "ok"})


@router.post(
    "/clients/{client_id}/deactivate",
    response_model=Acknowledgement,
    responses=problems(404),
    summary="Take a client out of service",
)
async def deactivate(request: Request, client_id: ClientId) -> Response:
    """The client takes no more jobs until it registers again; what it runs goes on."""
    services = services_of(request)

    def command(writer: Writer, now: datetime) -> None:
        writer.update_client(client_id, ClientChanges(is_active=False), now)

    await services.write(command)
    services.room.orders(client_id)
    return Answer({"status": "deactivated"})


def _read(body: bytes) -> SyncRequest:
    return from_json(parse_json(body), SyncRequest, what="sync")


def _write(services: Services, response: SyncResponse) -> bytes:
    """Return the encoded answer, in which tasks are written once for all answers."""
    document = dict(zip(_FIELDS, _fields_of(response), strict=True))
    document["lease"], document["interval"] = to_json(response.lease), to_json(response.interval)
    document["assignments"] = [
        {
            "job": job_document(each.job),
            "task": services.tasks[each.task],
            "fence": each.fence,
            "allocation": each.allocation,
        }
        for each in response.assignments
    ]
    return encode(document)


def _tell(services: Services, client_id: str) -> None:
    services.housekeeper.wake()
    services.room.orders(client_id)


__all__ = ["router"]
