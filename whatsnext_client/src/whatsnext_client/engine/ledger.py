"""What a worker holds, and what it therefore says to the server and takes from the answers.

Two requests may be on their way at once: a *prompt* one that is answered at once, with results and wishes, and a *held*
one that waits at the server for jobs and orders. Only one of them asks for jobs, so nothing is promised twice; an ended
attempt gives its room back with the very request that reports it, so the server's record never overlaps.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Collection, Iterable
from typing import Final

from attrs import evolve

from whatsnext_client.engine.ends import note_taken, report_size
from whatsnext_client.engine.news import News
from whatsnext_client.engine.notes import Notes
from whatsnext_client.engine.pace import HORIZON, Pace
from whatsnext_client.engine.records import Held, Stage
from whatsnext_client.engine.room import remaining
from whatsnext_client.engine.sleepers import Sleepers
from whatsnext_core.model import AttemptEnd, AttemptNote, AttemptRef, AttemptStart, Capacity
from whatsnext_core.model.limits import MAX_SECONDS
from whatsnext_core.sync import MAX_WANTED, SyncRequest, SyncResponse

TELL_WITHIN: Final = 0.1
"""Seconds after which the server hears that an attempt runs."""
GATHER: Final = 0.1
"""Seconds that ends are gathered for, while the stock of jobs lasts."""
LINGER: Final = 0.02
"""Seconds after new jobs before a request is held: they may end at once."""
LINGER_SHORT: Final = 0.25
"""The same while jobs are short."""
RESTATED: Final = 0.5
"""The same after orders: the server repeats them until they are obeyed."""
RECALL: Final = 0.2
"""Seconds after a newer request was answered within which an older held one comes back, unless they crossed."""
IDLERS: Final = 64
"""Jobs that need no CPU, at most, at once."""
MOST_ENDS: Final = 500
"""Ends in one request."""
MOST_BYTES: Final = 2 * 2**20
"""Bytes of results, words and output in one request, a single larger one apart."""


class Ledger:
    """The attempts of one worker, for its loop and the threads that talk to the server.

    ``changed`` is the lock of everything in here; ``sleepers`` are those who say what is due.
    """

    def __init__(
        self,
        *,
        session_id: str,
        total: Capacity,
        project_ids: tuple[int, ...] | None,
        slots: int | None = None,
        leave_by: float | None = None,
    ) -> None:
        self.changed = threading.Condition(threading.Lock())
        self.sleepers = Sleepers(self.changed)
        self.pace = Pace()
        self.held: dict[str, Held] = {}
        """What the server counts as this worker's, by key."""
        self.hold_for = 20.0
        """Seconds that the server may hold a request."""
        self.lease = 90.0
        """Seconds that a lease lasts, as the server said last."""
        self._session_id = session_id
        self._total = total
        self._project_ids = project_ids
        self._slots = slots
        self._leave_by = leave_by
        self._number = 0
        self._clear_from = 0
        """Number of the first request that leaves none of the attempts here until then unsaid."""
        self._taking = True
        self._nudged = True
        self._prompting: SyncRequest | None = None
        self._holding: SyncRequest | None = None
        self._adopted: dict[str, AttemptRef] = {}
        self._released: dict[str, AttemptRef] = {}
        self._hold_from = 0.0
        self._recall_at: float | None = None
        self._recall_after = RECALL
        self._untold: dict[str, Held] = {}
        """The attempts that run without the server knowing, that of the earliest news first."""
        self._notes = Notes(self.held)
        self._reportable: dict[str, Held] = {}
        """Those whose end can be sent, that of the earliest end first."""
        self._waiting: set[str] = set()
        """Those that wait for room."""

    # -- for the worker's loop -----------------------------------------------------------------------------------------

    def adopt(self, attempts: Iterable[Held]) -> None:
        """Take in what an earlier process of this worker left."""
        with self.changed:
            for held in attempts:
                self._keep(held)
                self._adopted[held.key] = held.ref
            self.sleepers.stir()

    def started(self, held: Held, now: float | None = None) -> None:
        """Note that an attempt was handed to its engine, or that it runs there now."""
        with self.changed:
            if held.stage is Stage.WAITING:
                held.stage, held.since = Stage.STARTED, now or time.monotonic()
                self._waiting.discard(held.key)
            if held.running and not held.told:
                held.since = now or time.monotonic()
                if held.key in self.held and held.is_live:
                    self._untold[held.key] = held
            if len(self._untold) == 1 or (self._reportable and not self._is_stocked):
                self.sleepers.stir()

    def waits(self, held: Held, words: str) -> None:
        """Note what the engine says of an attempt that waits there."""
        with self.changed:
            self._notes.take(held, words)
            self.sleepers.stir()

    def ended(self, held: Held, end: AttemptEnd, now: float) -> None:
        """Note how an attempt ended; ``report`` follows when what it left is with the server."""
        with self.changed:
            if held.started is not None:
                self.pace.ended(now, end.duration or now - held.started, held.allocation.cpu, held.allocation.memory)
            held.end, held.stage, held.since = end, Stage.ENDED, now
            self._untold.pop(held.key, None)
            self._waiting.discard(held.key)

    def report(self, held: Held, now: float | None = None) -> None:
        """Let the end of an attempt be sent."""
        with self.changed:
            if held.key in self.held and held.stage is Stage.ENDED:
                held.stage, held.since = Stage.REPORTABLE, now or time.monotonic()
                self._reportable[held.key] = held
                if len(self._reportable) in {1, MOST_ENDS} or not self._is_stocked:
                    self.sleepers.stir()

    def mute(self, held: Held) -> None:
        """Say no more of an attempt that belongs to somebody else, though it still uses what it was given."""
        with self.changed:
            held.muted = True

    def drop(self, held: Held) -> None:
        """Forget an attempt without a word."""
        with self.changed:
            self._lose(held.key)
            self._adopted.pop(held.key, None)
            self._nudged = True
            self.sleepers.stir()

    def release(self, held: Held) -> None:
        """Give an attempt back that was not started."""
        with self.changed:
            self._lose(held.key)
            self._released[held.key] = held.ref
            self.sleepers.stir()

    def take_jobs(self, taking: bool) -> None:
        """Ask for jobs from now on, or no more; a held request that asks for some is called back."""
        with self.changed:
            if self._taking != taking:
                self._taking, self._nudged = taking, True
                self.sleepers.stir()

    def offer(self, total: Capacity) -> None:
        """Say from now on that there is this when nothing runs."""
        with self.changed:
            self._total, self._nudged = total, True
            self.sleepers.stir()

    @property
    def offered(self) -> Capacity:
        """What the server is told that there is when nothing runs."""
        return self._total

    def attempts(self, *stages: Stage) -> list[Held]:
        """Return the attempts in these stages, in the order in which they came."""
        with self.changed:
            return [held for held in self.held.values() if held.stage in stages]

    @property
    def is_clear(self) -> bool:
        """Whether nothing is held, nothing is to be said, and no answer may still bring a job."""
        with self.changed:
            return not (self.held or self._released or self._adopted or self._claiming or self._prompting)

    def is_clear_since(self, request: SyncRequest) -> bool:
        """Whether nothing is held, and the answer to this request knows how all that was held before has ended.

        The answer to one that was sent while something ran may come after the end of that was taken in.
        """
        with self.changed:
            return not self.held and request.request >= self._clear_from

    # -- for the threads that talk to the server -----------------------------------------------------------------------

    def prompt_due(self) -> float | None:
        """Return when the next prompt request is due, by the monotonic clock; None if there is nothing to say."""
        due = [held.since + TELL_WITHIN for held in itertools.islice(self._untold.values(), 1)]
        due += [moment for moment in (self._ends_due(), self._recall_at, self._notes.due()) if moment is not None]
        return min(due, default=None)

    def hold_due(self) -> float | None:
        """Return when a request may be held, by the monotonic clock; None if something else comes first."""
        if self._prompting is not None or self._ends_due() is not None or not (self._taking or self.held):
            return None
        return self._hold_from

    def compose_prompt(self) -> SyncRequest:
        """Return the next request that is to be answered at once."""
        ended = self._batch()
        for held in ended:
            held.stage = Stage.SENDING
            del self._reportable[held.key]
        self._nudged, self._recall_at = False, None
        self._prompting = self._compose(ended, wait=0.0, claims=self._claiming is None)
        return self._prompting

    def compose_hold(self) -> SyncRequest:
        """Return the next request that the server may hold."""
        self._holding = self._compose((), wait=self.hold_for, claims=True)
        return self._holding

    def answered(self, request: SyncRequest, response: SyncResponse, sent_at: float) -> News:
        """Take in an answer, and return what the worker's loop has to do about it."""
        with self.changed:
            self._landed(request)
            for ref in request.adopted:
                self._adopted.pop(_key(ref), None)
            for ref in request.released:
                self._released.pop(_key(ref), None)
            for start in request.running:
                if (held := self.held.get(_key(start))) and held.running:
                    held.told = True
                    self._untold.pop(held.key, None)
            self.lease = response.lease
            self._notes.sent(request.held)
            fresh = self._take_in(response)
            named: list[AttemptRef | AttemptNote | AttemptStart] = [*request.held, *request.adopted]
            named += [*request.running, *(each.ref for each in fresh)]
            for name in named:
                if held := self.held.get(_key(name)):
                    held.lease_until = max(held.lease_until, sent_at + response.lease)
            settled = tuple(held for end in request.ended if (held := self._lose(_key(end))))
            note_taken(settled, request.output, response.output)
            linger = LINGER_SHORT if self.pace.jobs_are_short else LINGER
            self._hold_from = time.monotonic() + (linger if fresh else RESTATED if response.orders else 0.0)
            self.sleepers.stir()
        return News(request=request, response=response, fresh=fresh, settled=settled)

    def refused(self, request: SyncRequest) -> tuple[Held, ...]:
        """Take in that the server calls a request malformed, and return the attempts that are given up.

        The ends in it are sent once more without results, words and output; a second refusal ends that.
        """
        with self.changed:
            self._landed(request)
            lost = []
            for end in request.ended:
                held = self.held.get(_key(end))
                if held is not None and held.stripped:
                    self._lose(held.key)
                    lost.append(held)
                elif held is not None and held.end is not None:
                    held.stage, held.stripped = Stage.REPORTABLE, True
                    held.end = evolve(held.end, result=None, message=held.end.message[:200])
                    self._reportable[held.key] = held
            self.sleepers.stir()
        return tuple(lost)

    # ------------------------------------------------------------------------------------------------------------------

    def _ends_due(self) -> float | None:
        """Return when ends, or what else cannot wait, are due."""
        if self._nudged or self._released or self._adopted:
            return 0.0
        if not self._reportable:
            return None
        stocked = self._is_stocked and len(self._reportable) < MOST_ENDS
        return next(iter(self._reportable.values())).since + (GATHER if stocked else 0.0)

    @property
    def _is_stocked(self) -> bool:
        """Whether there are jobs enough here for a while."""
        return len(self._waiting) > self.pace.stock // 2

    def _keep(self, held: Held) -> None:
        self.held[held.key] = held
        self._clear_from = self._number + 1
        if held.stage is Stage.WAITING:
            self._waiting.add(held.key)
        elif held.running and not held.told and held.is_live:
            self._untold[held.key] = held

    def _lose(self, key: str) -> Held | None:
        self._waiting.discard(key)
        self._untold.pop(key, None)
        self._reportable.pop(key, None)
        return self.held.pop(key, None)

    @property
    def _claiming(self) -> SyncRequest | None:
        """The request on its way that asks for jobs."""
        return next((each for each in (self._prompting, self._holding) if each is not None and each.want), None)

    def _landed(self, request: SyncRequest) -> None:
        """Note that a request is answered.

        A held one that was sent before it comes back at once, too. If it does not, both crossed on the way, and the
        server holds it still: then it is called back again.
        """
        if self._prompting is not None and self._prompting.request == request.request:
            self._prompting = None
            if self._holding is not None and self._holding.request < request.request:
                self._recall_at = time.monotonic() + self._recall_after
                self._recall_after *= 2
        if self._holding is not None and self._holding.request == request.request:
            self._holding, self._recall_at, self._recall_after = None, None, RECALL

    def _compose(self, ended: Collection[Held], *, wait: float, claims: bool) -> SyncRequest:
        self._number += 1
        gone = {held.key for held in ended}
        staying = [held for held in self.held.values() if held.key not in gone]
        if staying:
            self._clear_from = self._number + 1
        own = [held for held in staying if not held.muted and held.key not in self._adopted]
        named = own if wait else [held for held in own if held.is_due(time.monotonic(), self.lease)]
        share = self._share_of_short_jobs(staying)
        free = remaining(
            self._total,
            (held.allocation for held in staying),
            extra_cpu=int(self.pace.stock_cpu * share),
            extra_memory=int(self.pace.stock_memory * share),
        )
        return SyncRequest(
            session_id=self._session_id,
            request=self._number,
            total=self._total,
            free=free,
            want=self._wanted(staying, free) if claims and self._taking else 0,
            wait=wait,
            project_ids=self._project_ids,
            time_left=self._time_left(wait),
            running=tuple(held.start for held in named if held.running),
            held=tuple(held.waiting for held in named if not held.running),
            released=tuple(self._released.values()),
            adopted=tuple(self._adopted.values()),
            ended=tuple(held.end for held in ended if held.end is not None),
            output=tuple(piece for held in ended if not held.stripped for piece in held.output),
        )

    def _time_left(self, wait: float) -> float | None:
        """Return how long jobs may take that come at the end of a request's hold."""
        leave_by = self._leave_by
        return None if leave_by is None else min(MAX_SECONDS, max(0.0, leave_by - time.monotonic() - wait))

    def _share_of_short_jobs(self, staying: Collection[Held]) -> float:
        """Return the part of the CPUs that no long job has: only there a stock flows off."""
        if self._slots is not None or self._total.cpu == 0:
            return 0.0
        before = time.monotonic() - HORIZON
        long = sum(held.allocation.cpu for held in staying if held.started is not None and held.started < before)
        return max(0.0, 1 - long / self._total.cpu)

    def _wanted(self, staying: Collection[Held], free: Capacity) -> int:
        live = [held for held in staying if held.is_live]
        if self._slots is not None:
            return max(0, self._slots - len(live))
        idlers = sum(held.allocation.cpu == 0 for held in live)
        return min(MAX_WANTED, free.cpu + max(0, IDLERS - idlers))

    def _batch(self) -> list[Held]:
        found: list[Held] = []
        size = 0
        for held in self._reportable.values():
            size += report_size(held)
            if found and (size > MOST_BYTES or len(found) >= MOST_ENDS):
                break
            found.append(held)
        return found

    def _take_in(self, response: SyncResponse) -> tuple[Held, ...]:
        fresh = []
        for assignment in response.assignments:
            held = Held.from_assignment(assignment, time.monotonic())
            if held.key not in self.held and held.key not in self._released:
                self._keep(held)
                fresh.append(held)
        return tuple(fresh)


def _key(named: AttemptRef | AttemptNote | AttemptStart | AttemptEnd) -> str:
    return f"{named.job_id}-{named.fence}"
