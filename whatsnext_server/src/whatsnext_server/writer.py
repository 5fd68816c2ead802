"""The one thread that writes: commands of concurrent requests share a transaction, each answered after its commit.

A commit that survives a power cut takes as long for one command as for a hundred. So while one transaction is being
committed, what arrives is gathered for the next. A command is a function of the storage's Writer and the time; it may
be run more than once: a transaction that the database undid is run again, and so is one of whose commands one failed.

To wake a thread and be woken by it takes longer than a small command. So if the database is a file of this machine, and
nobody else is there, such a command is run where it came, in the event loop: for as long as the disk is quick.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import datetime
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from attrs import define, field, frozen

from whatsnext_core.errors import StorageError, TransientStorageError
from whatsnext_core.storage import NearStorage, Storage, Writer
from whatsnext_server.http.errors import BusyError, StoppingError

T = TypeVar("T")
Command = Callable[[Writer, datetime], T]

CAPACITY: Final = 10_000
"""Commands that may wait; more are refused, so that a flood is felt by those who cause it."""
GROUP: Final = 256
"""Commands in one transaction, at most."""
HOLD: Final = 0.05
"""Seconds after which a transaction takes in no further command."""
SWIFT: Final = 0.01
"""Seconds that the last transaction may have taken, so that the next one may hold up the event loop."""
CROWD: Final = 0.05
"""Seconds for which no command holds up the event loop after several had come at the same time."""
TRIES: Final = 6
"""How often a transaction is run that the database undoes for a reason that passes."""

_log = logging.getLogger(__name__)


@frozen
class Ticket(Generic[T]):
    """A command that waits, and who waits for it."""

    command: Command[T]
    """What is to be done."""
    future: asyncio.Future[T] | Future[T]
    """What gets its value, or its error."""
    loop: asyncio.AbstractEventLoop | None = None
    """Where the future belongs; None for a future of threads."""
    then: Callable[[], None] | None = None
    """Called in the loop as soon as the future has it."""
    is_brief: bool = False
    """Whether it takes a moment only."""

    def is_wanted(self) -> bool:
        """Whether anybody still waits for the outcome."""
        return not self.future.cancelled()


@define
class _Outcome:
    """What became of a command."""

    value: Any = None
    error: BaseException | None = None


class _Stage(Enum):
    """How far a transaction came."""

    BEGIN = "the database did not begin it"
    COMMANDS = "a command broke it"
    COMMIT = "it was not committed"


@define
class _Result:
    """What became of a transaction."""

    stage: _Stage = _Stage.BEGIN
    outcomes: list[_Outcome] = field(factory=list)
    error: Exception | None = None


class GroupWriter:
    """Runs commands in the order in which they come, as many as are there in one transaction."""

    def __init__(
        self, storage: Storage, *, capacity: int = CAPACITY, committed: Callable[[], object] = lambda: None
    ) -> None:
        self._storage = storage
        self._committed = committed
        self._capacity = capacity
        self._inbox: queue.SimpleQueue[Sequence[Ticket[Any]] | None] = queue.SimpleQueue()
        self._backlog: deque[Ticket[Any]] = deque()
        self._thread: threading.Thread | None = None
        self._open = True
        self._near = storage if isinstance(storage, NearStorage) else None
        self._is_swift = True
        self._crowd_until = 0.0
        self._together: list[None] = []
        self._unanswered = 0
        self._unanswered_briefs = 0
        self._gate = threading.Lock()
        self.commits = 0
        """Transactions so far."""
        self.commands = 0
        """Commands so far."""

    def start(self) -> None:
        """Start the thread; commands that came before have waited for it."""
        self._thread = threading.Thread(target=self._work, name="whatsnext-writer")
        self._thread.start()

    def close(self) -> None:
        """Run what is waiting, answer it, and end the thread; later commands are refused."""
        with self._gate:
            self._open = False
            self._inbox.put(None)
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    async def write(self, command: Command[T], *, brief: bool = False) -> T:
        """Run a command and return its value once it is committed; ``brief`` says that it takes a moment only.

        Raises:
            BusyError: too many commands wait already.
            StoppingError: the server is going down.
            StorageError: the database failed.
            Exception: whatever the command raised; nothing of it was kept then.
        """
        at_once = brief and await self.is_quiet()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self.accept(Ticket(command, future, loop, is_brief=brief), at_once=at_once)
        return await future

    async def is_quiet(self) -> bool:
        """Return whether brief commands may hold up the event loop; whoever comes at the same moment is let in first.

        It holds until the caller waits for something.
        """
        if self._near is None or time.monotonic() < self._crowd_until:
            return False
        together = self._together
        together.append(None)
        await asyncio.sleep(0)
        if self._together is together:
            self._together = []
        if len(together) > 1 or self._unanswered_briefs:
            self._crowd_until = time.monotonic() + CROWD
            return False
        return self._is_swift and not self._unanswered

    def submit(self, command: Command[T]) -> Future[T]:
        """Hand a command over from any thread and return its future; errors as in ``write``."""
        future: Future[T] = Future()
        self.accept(Ticket(command, future))
        return future

    def accept(self, *tickets: Ticket[Any], at_once: bool = False) -> None:
        """Take in commands that run in this order, in one transaction if there is time; errors as in ``write``.

        ``at_once`` is what ``is_quiet`` has just said.
        """
        with self._gate:
            if not self._open:
                raise StoppingError
            if self._inbox.qsize() >= self._capacity:
                raise BusyError
            left = self._run_here(self._near, tickets) if at_once and self._near and not self._unanswered else tickets
            if left:
                self._count(left, 1)
                self._inbox.put(left)

    def _count(self, tickets: Iterable[Ticket[Any]], sign: int) -> None:
        for ticket in tickets:
            self._unanswered += sign
            self._unanswered_briefs += sign * ticket.is_brief

    def _run_here(self, storage: NearStorage, tickets: Sequence[Ticket[Any]]) -> Sequence[Ticket[Any]]:
        """Run commands in a transaction of their own, and return those that are left for the thread.

        These are all of them if the transaction failed before its commit: the thread sees to each.
        """
        result = self._transact_once(tickets, storage.write_at_once, careful=False)
        if result.error is not None and result.stage is not _Stage.COMMIT:
            return tickets
        if result.error is not None:
            self._log(result, len(tickets))
            result.outcomes = [_Outcome(error=result.error) for _ in tickets]
        _deliver(list(zip(tickets, result.outcomes, strict=False)))
        return tickets[len(result.outcomes) :]

    # -- in the thread -------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            group = self._gather()
            if not group:
                return
            wanted = [ticket for ticket in group if ticket.is_wanted()]
            outcomes = self._run(wanted) if wanted else []
            left = wanted[len(outcomes) :]
            self._backlog.extendleft(reversed(left))
            with self._gate:
                self._count(group, -1)
                self._count(left, 1)
            self._answer(wanted, outcomes)

    def _gather(self) -> list[Ticket[Any]]:
        """Return what waits, at least one command; nothing at the end."""
        group = [self._backlog.popleft() for _ in range(min(len(self._backlog), GROUP))]
        while not group or (len(group) < GROUP and not self._inbox.empty()):
            tickets = self._inbox.get()
            if tickets is None:
                self._inbox.put(None)
                break
            group += tickets
        return group

    def _run(self, group: Sequence[Ticket[Any]]) -> list[_Outcome]:
        """Return the outcomes of the first commands of the group, at least of one.

        Few commands fail, so there are no savepoints at first. If one failed, all are run again, each in a savepoint of
        its own. If one broke the transaction, each is run alone, so that it hurts no other one. If the database cannot
        be reached, or the commit itself failed, none is run again: a commit whose answer was lost may have been kept.
        """
        result = self._transact(group, careful=False)
        if len(group) > 1 and result.error is not None and not isinstance(result.error, StorageError):
            result = self._transact(group, careful=True)
        if result.error is None:
            return result.outcomes
        if len(group) == 1 or result.stage is not _Stage.COMMANDS:
            if result.stage is not _Stage.COMMANDS or isinstance(result.error, StorageError):
                self._log(result, len(group))
            return [_Outcome(error=result.error) for _ in group]
        found: list[_Outcome] = []
        for place, ticket in enumerate(group):
            result = self._transact([ticket], careful=False)
            if result.stage is _Stage.BEGIN:
                return found + [_Outcome(error=result.error) for _ in group[place:]]
            found += result.outcomes if result.error is None else [_Outcome(error=result.error)]
        return found

    def _transact(self, group: Sequence[Ticket[Any]], *, careful: bool) -> _Result:
        """Run commands in one transaction; again if the database undid it for a reason that passes."""
        result = self._transact_once(group, self._storage.write, careful=careful)
        for attempt in range(1, TRIES):
            if not isinstance(result.error, TransientStorageError):
                return result
            time.sleep(0.005 * 2**attempt)
            result = self._transact_once(group, self._storage.write, careful=careful)
        if isinstance(result.error, TransientStorageError):
            result.stage = _Stage.COMMIT
        return result

    def _log(self, result: _Result, commands: int) -> None:
        _log.error("A transaction of %d commands failed (%s): %s", commands, result.stage.value, result.error)

    def _transact_once(
        self, group: Sequence[Ticket[Any]], write: Callable[[], AbstractContextManager[Writer]], *, careful: bool
    ) -> _Result:
        result = _Result()
        begun = time.monotonic()
        try:
            with write() as writer:
                result.stage = _Stage.COMMANDS
                self._execute(writer, group, result.outcomes, careful=careful)
                result.stage = _Stage.COMMIT
        except Exception as error:  # noqa: BLE001  # whoever waits gets it
            result.error = error
        else:
            self.commits += 1
            self.commands += len(result.outcomes)
            self._committed()
        self._is_swift = time.monotonic() - begun < SWIFT
        return result

    def _execute(
        self, writer: Writer, group: Sequence[Ticket[Any]], outcomes: list[_Outcome], *, careful: bool
    ) -> None:
        now = self._storage.clock()
        until = time.monotonic() + HOLD
        for ticket in group:
            if not careful:
                outcomes.append(_Outcome(ticket.command(writer, now)))
                if time.monotonic() > until:
                    return
                continue
            try:
                with writer.savepoint():
                    value = ticket.command(writer, now)
            except StorageError:
                raise
            except Exception as error:  # noqa: BLE001  # whoever waits gets it
                outcomes.append(_Outcome(error=error))
            else:
                outcomes.append(_Outcome(value))
            if time.monotonic() > until:
                return

    def _answer(self, group: Sequence[Ticket[Any]], outcomes: Sequence[_Outcome]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Ticket[Any], _Outcome]]] = {}
        for ticket, outcome in zip(group, outcomes, strict=False):
            if ticket.loop is not None:
                by_loop.setdefault(ticket.loop, []).append((ticket, outcome))
            else:
                _deliver([(ticket, outcome)])
        for loop, answers in by_loop.items():
            try:
                loop.call_soon_threadsafe(_deliver, answers)
            except RuntimeError:  # the loop has been closed; nobody is there to hear
                _log.debug("%d answers were not wanted any more", len(answers))


def _deliver(answers: Sequence[tuple[Ticket[Any], _Outcome]]) -> None:
    """Give each its outcome, the last first: a look that came with a submission is of a client that waits for work."""
    for ticket, outcome in reversed(answers):
        if ticket.future.done():
            continue
        if outcome.error is not None:
            ticket.future.set_exception(outcome.error)
        else:
            ticket.future.set_result(outcome.value)
        if ticket.then is not None:
            ticket.then()


__all__ = ["CAPACITY", "Command", "GroupWriter", "Ticket"]
