"""Held sync requests: a client that asked to wait is answered when there is a job or a new order for it."""

from __future__ import annotations

import asyncio

from attrs import evolve
from starlette.requests import Request

from whatsnext_core.sync import SyncRequest, SyncResponse
from whatsnext_server.services import Services
from whatsnext_server.sync.exchange import Exchange
from whatsnext_server.sync.waiting import Seat, Wake


async def answer_sync(services: Services, request: Request, exchange: Exchange) -> SyncResponse:
    """Return the answer to a sync request, after as long as it asked to wait at most."""
    message = exchange.request
    session = (exchange.client_id, message.session_id)
    seat = Seat(
        *session,
        message.project_ids,
        wants=bool(message.want),
        holds=bool(message.running or message.held),
        time_left=message.time_left,
        look=exchange.again,
    )
    services.room.enter(seat)
    try:
        response = await services.write(exchange.first, brief=exchange.is_brief)
        _tell(services, message, response)
        if not _has_news(services, session, message, response):
            response = await _hold(services, request, exchange, seat, response)
    finally:
        services.room.leave(seat)
    services.given.note(session, message.request, response.orders)
    return response


async def _hold(
    services: Services, request: Request, exchange: Exchange, seat: Seat, response: SyncResponse
) -> SyncResponse:
    """Look again whenever there may be something, until there is or the time is over."""
    loop = asyncio.get_running_loop()
    message = exchange.request
    session = (exchange.client_id, message.session_id)
    until = loop.time() + min(message.wait, services.settings.lease_seconds / 2)
    watch = asyncio.create_task(_watch(request, seat))
    try:
        while await seat.wait(until - loop.time()) is not Wake.END or seat.ahead is not None:
            latest = await (seat.ahead or services.write(exchange.again))
            seat.ahead = None
            services.room.found(seat, len(latest.assignments))
            response = evolve(latest, outcomes=response.outcomes, output=response.output)
            if _has_news(services, session, message, response):
                break
    finally:
        watch.cancel()
    return response


def _has_news(services: Services, session: tuple[str, str], message: SyncRequest, response: SyncResponse) -> bool:
    return bool(response.assignments) or services.given.has_news(session, message.request, response.orders)


async def _watch(request: Request, seat: Seat) -> None:
    """End the waiting when the client goes away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    seat.wake(Wake.END)


def _tell(services: Services, message: SyncRequest, response: SyncResponse) -> None:
    """Tell others what the reported ends may have made possible: at most as much as is waiting now."""
    if not message.ended and not message.released:
        return
    services.housekeeper.wake(urgent=not all(end.succeeded for end in message.ended))
    if any(end.stop_siblings for end in message.ended):
        services.room.orders()
    for project_id in message.project_ids or (None,):
        services.room.jobs(project_id, response.num_pending)


__all__ = ["answer_sync"]
