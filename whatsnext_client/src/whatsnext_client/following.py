"""Opens streams of events for the library's own objects."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from whatsnext_client.events import EventStream, parameters
from whatsnext_client.job import Job
from whatsnext_client.transport import Transport
from whatsnext_core.model import EventKind


def open_events(
    transport: Transport,
    after: int | None,
    *,
    project_id: int | None = None,
    jobs: Iterable[int | Job] = (),
    kinds: Iterable[str] = (),
    since: datetime | None = None,
) -> EventStream:
    """Return a stream of events; InvalidError if there is no such kind, or a job is not queued."""
    ids = [job.number if isinstance(job, Job) else job for job in jobs]
    names = [EventKind.parse(kind).value for kind in kinds]
    moment = since.astimezone() if since is not None and after is None else None
    only = parameters(project_id=project_id, job_ids=ids, kinds=names, since=moment)
    return EventStream(transport, only, after=after)
