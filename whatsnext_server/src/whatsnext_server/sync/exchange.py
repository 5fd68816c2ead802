"""One exchange of the worker protocol: what a client reports goes in, jobs and orders come out, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from attrs import evolve, frozen

from whatsnext_core.errors import NotFoundError
from whatsnext_core.model import AttemptEnd, AttemptNote, AttemptRef, AttemptStart, Client, EndOutcome, JobStatus
from whatsnext_core.scheduling import Offer
from whatsnext_core.storage import ClaimRequest, Reader, Writer
from whatsnext_core.sync import Order, OrderKind, SyncRequest, SyncResponse
from whatsnext_server.config import ServerSettings

FEW = 8
"""Attempts that a request may tell of or ask for, so that it takes a moment only."""


@frozen(kw_only=True)
class Exchange:
    """A client's request, and what it takes to answer it."""

    client_id: str
    """The client."""
    request: SyncRequest
    """What it tells and asks."""
    settings: ServerSettings
    """How long leases are."""

    @property
    def lease(self) -> timedelta:
        """How long a lease is."""
        return timedelta(seconds=self.settings.lease_seconds)

    @property
    def is_brief(self) -> bool:
        """Whether it takes a moment only to take it in and to answer it."""
        told = (self.request.adopted, self.request.running, self.request.held, self.request.ended, self.request.output)
        return self.request.want <= FEW and sum(map(len, told)) + len(self.request.released) <= FEW

    def first(self, writer: Writer, now: datetime) -> SyncResponse:
        """Take everything in, and return what there is for the client.

        Repeating it changes nothing twice: ends that were counted are accepted again, and a request number that got
        attempts gets the same ones.
        """
        request = self.request
        client = writer.heartbeat(self.client_id, now)
        gone: list[tuple[int, int]] = []
        if request.adopted:
            adopted = writer.adopt(request.adopted, self.client_id, request.session_id, self.lease, now)
            gone += adopted.gone
        if request.running:
            gone += [(ref.job_id, ref.fence) for ref in writer.start(request.running, request.session_id, now)]
        if notes := [held for held in request.held if held.message is not None]:
            writer.note(notes, request.session_id)
        outcomes: Sequence[EndOutcome] = ()
        if request.ended:
            outcomes = writer.finish(request.ended, request.session_id, now)
        sizes: Sequence[int | None] = ()
        if request.output:
            head, tail = self.settings.log_head_bytes, self.settings.log_tail_bytes
            sizes = writer.append_logs(request.output, head=head, tail=tail, now=now)
        if request.released:
            writer.release(request.released, request.session_id, now)
        return evolve(self._look(writer, now, client, gone), outcomes=tuple(outcomes), output=tuple(sizes))

    def again(self, writer: Writer, now: datetime) -> SyncResponse:
        """Look once more for jobs and orders, while the request is held."""
        return self._look(writer, now, writer.client(self.client_id), ())

    def _look(self, writer: Writer, now: datetime, client: Client, gone: Iterable[tuple[int, int]]) -> SyncResponse:
        request = self.request
        missing = dict.fromkeys(gone)
        orders: list[Order] = []
        named = dict.fromkeys([*keys(request.running), *keys(request.held), *keys(request.adopted)])
        done = {*keys(request.ended), *keys(request.released)}
        held = [
            AttemptRef(job_id=job, fence=fence) for job, fence in named if (job, fence) not in done | missing.keys()
        ]
        if held:
            renewal = writer.renew(held, request.session_id, self.lease, now)
            missing |= dict.fromkeys(renewal.gone)
            orders += [Order(kind=OrderKind.CANCEL, job_id=job, fence=fence) for job, fence in renewal.cancel]
        orders += [Order(kind=OrderKind.KILL, job_id=job, fence=fence) for job, fence in missing]
        if client.draining or not client.is_active:
            orders.append(Order(kind=OrderKind.DRAIN))
        return SyncResponse(
            now=now,
            lease=self.settings.lease_seconds,
            interval=self.settings.renew_seconds,
            assignments=tuple(writer.claim(self._claim(), now)) if request.want else (),
            num_pending=self._pending(writer),
            orders=tuple(orders),
        )

    def _claim(self) -> ClaimRequest:
        request = self.request
        return ClaimRequest(
            offer=Offer(free=request.free, total=request.total, limit=request.want, time_left=request.time_left),
            project_ids=request.project_ids,
            client_id=self.client_id,
            session_id=request.session_id,
            request=request.request,
            lease=self.lease,
            reserve_after=timedelta(seconds=self.settings.reserve_after_seconds),
        )

    def _pending(self, reader: Reader) -> int:
        """Return how many jobs wait in the projects asked for; a project that is gone has none."""
        ids = self.request.project_ids
        if ids is None:
            return reader.pending()
        pending = 0
        for project_id in ids:
            try:
                pending += reader.counts(project_id)[JobStatus.PENDING]
            except NotFoundError:
                continue
        return pending


def keys(attempts: Iterable[AttemptStart | AttemptRef | AttemptNote | AttemptEnd]) -> list[tuple[int, int]]:
    """Return job id and fence of each."""
    return [(each.job_id, each.fence) for each in attempts]


__all__ = ["Exchange"]
