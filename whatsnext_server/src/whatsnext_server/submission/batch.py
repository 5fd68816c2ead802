"""How a batch of jobs is submitted: all or nothing, of any size, without holding anybody up.

The whole batch is read and checked before any job is written. A small one is one transaction. A large one is written in
slices that nobody sees, and then shown at once; if anything fails, or the client goes away, the slices are discarded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from whatsnext_core.errors import WhatsNextError
from whatsnext_core.model import JobSpec
from whatsnext_server.http.answers import encode
from whatsnext_server.services import Services
from whatsnext_server.submission.drafts import build, find_tasks, order_batch, read_batch
from whatsnext_server.writer import Command

SMALL: Final = 1000
"""Jobs of a batch that is written in one transaction, at most."""
SLICE: Final = 2000
"""Jobs that are written in one transaction of a larger batch."""

_log = logging.getLogger(__name__)


async def submit_batch(services: Services, request: Request, project_id: int) -> bytes:
    """Submit the batch in the body of a request and return the encoded answer."""
    jobs, numbers = await _checked(services, await _body(request), project_id)
    if len(jobs) <= SMALL:
        written = await services.write(lambda writer, now: writer.submit(project_id, jobs, now))
    else:
        written = await _write_in_slices(services, request, project_id, jobs)
    services.housekeeper.wake()
    services.room.jobs(project_id, sum(not job.depends for job in jobs) or len(jobs))
    ids = written if numbers is None else numbers
    return await services.work(encode, {"created": len(ids), "job_ids": list(ids)})


async def _checked(services: Services, body: bytes, project_id: int) -> tuple[Sequence[JobSpec], Sequence[int] | None]:
    """Return the jobs, parents first, and their ids in the order of the batch if they depend on each other."""
    drafts = await services.work(read_batch, body)
    ordered = await services.work(order_batch, drafts)
    tasks = await services.read(lambda reader: find_tasks(reader, project_id, drafts))
    numbers: Sequence[int] | None = None
    if any(draft.inside for draft in drafts):
        numbers = await services.write(lambda writer, _: writer.reserve_job_ids(len(drafts)))
    return await services.work(build, drafts, ordered, tasks, numbers), numbers


async def _body(request: Request) -> bytes:
    """Return the body; unlike ``request.body`` nothing keeps it afterwards."""
    return b"".join([chunk async for chunk in request.stream()])


async def _write_in_slices(
    services: Services, request: Request, project_id: int, jobs: Sequence[JobSpec]
) -> Sequence[int]:
    number = await services.write(lambda writer, now: writer.open_submission(project_id, now))
    written: list[int] = []
    try:
        for start in range(0, len(jobs), SLICE):
            await _check_presence(request)
            written += await services.write(_submission(project_id, jobs[start : start + SLICE], number))
        await services.write(lambda writer, now: writer.publish_submission(number, now))
    except BaseException:
        await asyncio.shield(_discard(services, number))
        raise
    return written


async def _check_presence(request: Request) -> None:
    if await request.is_disconnected():
        raise HTTPException(400, "The client went away before its batch was written; nothing of it was kept.")


def _submission(project_id: int, jobs: Sequence[JobSpec], number: int) -> Command[Sequence[int]]:
    return lambda writer, now: writer.submit(project_id, jobs, now, number)


async def _discard(services: Services, number: int) -> None:
    try:
        await services.write(lambda writer, _: writer.discard_submission(number))
    except WhatsNextError as error:
        _log.warning("Batch %d could not be discarded now and will be when it is a day old: %s", number, error)
    services.housekeeper.wake()


__all__ = ["SLICE", "SMALL", "submit_batch"]
