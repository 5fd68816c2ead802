"""The loop of a worker: takes jobs that fit, runs as many at once as there is room for, and reports how they ended."""

from __future__ import annotations

import gc
import itertools
import logging
import queue
import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from whatsnext_client.engine.adoption import Legacy, take_over
from whatsnext_client.engine.delivery import Delivery
from whatsnext_client.engine.departure import Departure
from whatsnext_client.engine.diary import Diary
from whatsnext_client.engine.emptiness import may_get_work
from whatsnext_client.engine.ends import failure
from whatsnext_client.engine.exchange import Exchange
from whatsnext_client.engine.folder import StateFolder
from whatsnext_client.engine.ledger import Ledger
from whatsnext_client.engine.naming import learn_project
from whatsnext_client.engine.neighbours import Neighbours
from whatsnext_client.engine.news import News
from whatsnext_client.engine.places import MARGIN, Places
from whatsnext_client.engine.plan import WorkPlan
from whatsnext_client.engine.records import Held, Stage
from whatsnext_client.engine.runner import Runner
from whatsnext_client.engine.surroundings import Surroundings
from whatsnext_client.engine.waking import Waker
from whatsnext_client.errors import ServerUnreachableError
from whatsnext_client.rest import Rest
from whatsnext_core.errors import WhatsNextError
from whatsnext_core.formatting import Engine
from whatsnext_core.model import AttemptEnd, Cause
from whatsnext_core.sync import MAX_WAIT, Order, OrderKind

_log = logging.getLogger(__name__)

STALE: Final = 2.0
"""Seconds after which a job that waits here for room is given back, so that another worker can take it."""
SHORTEST_HOLD: Final = 0.1
"""Seconds that a request is held at least."""
AT_ONCE: Final = 16
"""Jobs that are started, or whose ends are settled, before the loop looks at what else there is: the engine waits."""
HARDEN_AFTER: Final = 5.0
"""Seconds of an outage after which what is spooled is made safe from a power cut."""


class Worker:
    """One run of a worker, from its start until it leaves.

    Args:
        rest: The server's endpoints.
        folder: The worker's state directory.
        engine: The formatter that runs the jobs.
        plan: What to do.
        register: Registers the worker, on a server that has forgotten it.
    """

    def __init__(
        self, rest: Rest, folder: StateFolder, engine: Engine, plan: WorkPlan, *, register: Callable[[], None]
    ) -> None:
        self.count = 0
        """Attempts that were executed and have ended."""
        self._rest = rest
        self._folder = folder
        self._plan = plan
        self._project_names = dict(plan.project_names)
        self._waiting: deque[Held] = deque()
        self._settled: deque[Held] = deque()
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waker = Waker()
        self._draining = False
        self._aborting = False
        self._departure = Departure(plan, time.monotonic())
        self._empty = False
        self._fatal: Exception | None = None
        self._leaving_since: float | None = None
        self._hardened = False
        self._ledger = Ledger(
            session_id=secrets.token_hex(16),
            total=plan.offered,
            project_ids=tuple(plan.project_names) or None,
            slots=None if plan.use_resource_filter else max(1, plan.total.cpu),
            leave_by=plan.leave_by,
        )
        surroundings = Surroundings(
            server=rest.transport.address.url,
            client_id=folder.client_id,
            project_names=self._project_names,
            deals_devices=bool(plan.total.devices),
            filters=plan.use_resource_filter,
        )
        self._runner = Runner(
            engine, folder, surroundings, on_running=self._ledger.started, on_waiting=self._ledger.waits
        )
        self._delivery = Delivery(rest, post=self._post, on_ready=self._ledger.report, on_done=self._forget_confirmed)
        self._neighbours = Neighbours(
            plan,
            client_id=folder.client_id,
            in_use=lambda: {device for held in self.live() for device in held.devices},
            on_change=self._ledger.offer,
        )
        self._places = Places(plan, self._ledger.pace, self._runner, taken=lambda: self._neighbours.taken)
        self._diary = Diary(self._ledger.pace)
        self._exchange = Exchange(
            rest,
            folder.client_id,
            self._ledger,
            register=register,
            on_news=lambda news: self._post(lambda: self._take_news(news)),
            on_given_up=lambda lost: self._post(lambda: self._give_up(lost)),
            on_fatal=lambda error: self._post(lambda: self._fail(error)),
            on_outage=self._waker.wake,
        )

    # -- for other threads and signal handlers -------------------------------------------------------------------------

    def drain(self) -> None:
        """Take no more jobs, and leave when those that run have ended."""
        self._draining = True
        self._waker.wake()

    def abort(self) -> None:
        """Do that, and end those that run; their jobs return to the queue."""
        self._draining = self._aborting = True
        self._waker.wake()

    def live(self) -> list[Held]:
        """Return the attempts that run now."""
        return self._ledger.attempts(Stage.STARTED)

    # -- the loop ------------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Work until there is a reason to leave, and return how many jobs were executed.

        Raises:
            WorkerError: another process is this worker now, or the server does not understand it.
            ServerUnreachableError: the server has been away for long, and nothing runs.
        """
        gc.freeze()  # to look through all that has been loaded holds everything up for a while, and finds nothing
        try:
            self._inherit(take_over(self._folder, self._runner))
            self._delivery.start()
            self._exchange.start()
            self._neighbours.start()
            while not self._is_done():
                self._step()
        finally:
            for part in (self._neighbours, self._exchange, self._diary, self._delivery, self._waker):
                part.close()
            self._runner.write_down()
            gc.unfreeze()
        if self._fatal is not None:
            raise self._fatal
        return self.count

    def _step(self) -> None:
        """Do some of what is to be done now; if that was all, sleep until something happens."""
        while not self._inbox.empty():
            self._inbox.get()()
        self._obey()
        is_busy = self._start_waiting()
        ended = self._runner.look(now=time.monotonic())
        for held, end in ended:
            self._ended(held, end)
        for held in self._runner.returned():
            self._take_back(held)
        for held in [self._settled.popleft() for _ in range(min(AT_ONCE, len(self._settled)))]:
            self._settle(held)
        if not (is_busy or ended or self._settled) and self._inbox.empty() and not self._is_done():
            self._waker.sleep(self._next_step() - time.monotonic(), *self._runner.descriptors())

    def _next_step(self) -> float:
        """Return when there is something to do though nothing happens, by the monotonic clock."""
        moments = [self._runner.next_look()]
        moments += [held.since + STALE for held in itertools.islice(self._waiting, 1)]
        moments += self._departure.moments(draining=self._draining)
        if self._exchange.failing_since is not None or self._leaving_since is not None:
            moments.append(time.monotonic() + 1.0)
        return min(moments)

    def _is_done(self) -> bool:
        if self._fatal is not None:
            return True
        if self._runner.live or self._waiting or self._settled:
            return False
        if (self._draining or self._empty) and self._ledger.is_clear:
            self._leaving_since = self._leaving_since or time.monotonic()
            return self._delivery.is_idle or time.monotonic() > self._leaving_since + self._plan.farewell
        self._leaving_since = None
        return self._is_cut_off()

    def _is_cut_off(self) -> bool:
        """Return whether the worker leaves because the server is away; what it has to report stays on disk."""
        since = self._exchange.failing_since
        away = 0.0 if since is None else time.monotonic() - since
        if self._draining or self._empty:
            return away > self._plan.farewell
        if away > self._plan.patience and not self._plan.run_forever:
            self._fatal = ServerUnreachableError(
                f"The server at {self._rest.transport.address} has been away for {away:.0f} seconds, "
                f"and no job of this worker runs any more."
            )
        return self._fatal is not None

    def _obey(self) -> None:
        """Do what was asked for by flags and by time."""
        now = time.monotonic()
        if self._runner.live or self._waiting:
            self._departure.busy(now)
        if self._departure.begin(now, self._runner):
            self._draining = True
        if self._draining:
            self._ledger.take_jobs(False)
            while self._waiting:
                self._give_back(self._waiting.popleft())
            self._runner.withdraw()
        if self._aborting:
            for held in list(self._runner.live.values()):
                self._runner.stop(held, Cause.LOST)
        since = self._exchange.failing_since
        if since is None:
            self._hardened = False
        elif not self._hardened and now > since + HARDEN_AFTER:
            self._hardened = True
            self._folder.journal.harden()

    # -- jobs that come ------------------------------------------------------------------------------------------------

    def _inherit(self, legacy: Legacy) -> None:
        """Take in what an earlier process of this worker left."""
        self._ledger.adopt([*legacy.running, *(held for held, _ in legacy.ended)])
        for held in legacy.running:
            self._places.inherit(held)
            self._delivery.follow(held, fresh=False)
        for held, end in legacy.ended:
            self._delivery.follow(held, fresh=False)
            self._conclude(held, end)
        for held in legacy.confirmed:
            self._delivery.follow(held, fresh=False)
            self._delivery.finish(held)
            self._forget_confirmed(held)

    def _take_news(self, news: News) -> None:
        response = news.response
        longest = response.interval if self._plan.run_forever else min(response.interval, self._plan.poll_interval)
        self._ledger.hold_for = max(SHORTEST_HOLD, min(longest, MAX_WAIT))
        for held in news.fresh:
            learn_project(self._rest, self._project_names, held)
            self._waiting.append(held)
        for outcome in response.outcomes:
            if not outcome.accepted:
                _log.info(
                    "The end of job %d, attempt %d did not count: %s", outcome.job_id, outcome.fence, outcome.reason
                )
        self._settled += news.settled
        for order in response.orders:
            self._follow(order)
        self._judge(news)

    def _judge(self, news: News) -> None:
        """Note whether the queue is empty, as this worker sees it."""
        if self._plan.run_forever or self._draining:
            return
        if news.fresh:
            self._empty = False
            self._ledger.take_jobs(True)
        elif self._ledger.is_clear_since(news.request):
            self._empty = news.response.num_pending == 0 or (news.request.want > 0 and not self._may_get_work())
            self._ledger.take_jobs(not self._empty)

    def _may_get_work(self) -> bool:
        try:
            projects = self._plan.project_names or [project["id"] for project in self._rest.all_projects()]
            left = self._departure.time_left(time.monotonic())
            return may_get_work(self._rest, projects, self._ledger.offered, left)
        except WhatsNextError as error:
            _log.debug("Could not look whether the queue is empty: %s", error)
            return True

    def _follow(self, order: Order) -> None:
        if order.kind is OrderKind.DRAIN:
            self._draining = True
            return
        held = self._ledger.held.get(f"{order.job_id}-{order.fence}")
        if held is None:
            return
        if held.stage is Stage.STARTED:
            if order.kind is OrderKind.CANCEL:
                self._runner.stop(held, Cause.CANCELLED)
            else:
                _log.warning("%s belongs to somebody else now and is killed", held)
                self._ledger.mute(held)
                self._runner.kill(held)
        elif held.stage is Stage.WAITING and order.kind is OrderKind.CANCEL:
            self._waiting.remove(held)
            self._conclude(held, failure(held, Cause.CANCELLED, "It was cancelled before it had started."))
        elif held.stage is Stage.ENDED and order.kind is OrderKind.CANCEL:
            self._delivery.cancel(held)
        elif order.kind is OrderKind.KILL:
            self._give_up((held,))
            if held in self._waiting:
                self._waiting.remove(held)

    def _start_waiting(self) -> bool:
        """Start what there is room for, first come, first served, and return whether there may be room for more."""
        started = 0
        while self._waiting and started < AT_ONCE:
            held, now = self._waiting[0], time.monotonic()
            if now > held.lease_until - MARGIN:
                _log.info("The lease of %s is over before it could be started", held)
                self._ledger.release(self._waiting.popleft())
            elif not self._departure.allows(held, now):
                self._give_back(self._waiting.popleft(), "it may take longer than this machine is there")
            elif self._places.admit(held, now):
                self._start(self._waiting.popleft(), now)
                started += 1
            elif now > held.since + STALE:
                self._give_back(self._waiting.popleft())
            else:
                return False
        return bool(self._waiting)

    def _give_back(self, held: Held, why: str = "there is no room for it") -> None:
        _log.info("Giving %s back: %s", held, why)
        self._ledger.release(held)

    def _take_back(self, held: Held) -> None:
        """Give an attempt back whose turn has not come at the engine."""
        self._places.leave(held)
        self._delivery.drop(held)
        self._give_back(held, "its turn has not come")
        self._runner.forget(held)

    def _start(self, held: Held, now: float) -> None:
        turn = self._places.enter(held, now)
        end = self._runner.start(held, turn)
        if end is not None:
            self._ended(held, end)
            return
        self._diary.started(held)
        self._ledger.started(held, time.monotonic())
        self._delivery.follow(held, fresh=True)

    # -- jobs that go --------------------------------------------------------------------------------------------------

    def _ended(self, held: Held, end: AttemptEnd) -> None:
        self._places.leave(held)
        if held.muted:
            self._give_up((held,))
            return
        self.count += held.handle is not None
        self._diary.ended(held, end)
        self._conclude(held, end)

    def _conclude(self, held: Held, end: AttemptEnd) -> None:
        """Report how an attempt ended, after what it left if that does not take long."""
        self._ledger.ended(held, end, time.monotonic())
        if held.handle is not None:
            self._runner.remember_end(held)
        self._delivery.finish(held)

    def _settle(self, held: Held) -> None:
        """Forget an attempt whose end the server has taken in, as soon as it has all that it left, too."""
        held.confirmed = True
        if not held.is_delivered:
            self._runner.remember(held)
        if held.output:
            held.output = ()
            if not held.logs_done:
                self._delivery.resume(held)
        self._forget_confirmed(held)

    def _forget_confirmed(self, held: Held) -> None:
        if held.confirmed and held.is_delivered:
            self._runner.forget(held)

    def _give_up(self, attempts: tuple[Held, ...]) -> None:
        """Forget attempts without a word."""
        for held in attempts:
            self._ledger.drop(held)
            self._delivery.drop(held)
            self._runner.forget(held)

    def _fail(self, error: Exception) -> None:
        """End the worker, and what it runs: it may not go on, and nobody would watch over it."""
        if self._fatal is None:
            self._fatal = error
            for held in list(self._runner.live.values()):
                self._runner.kill(held)

    def _post(self, message: Callable[[], None]) -> None:
        self._inbox.put(message)
        self._waker.wake()
