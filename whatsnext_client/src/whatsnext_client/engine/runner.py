"""Runs attempts on an engine: starts them, watches them, ends them, and says how they ended.

All methods are called from the worker's loop. The engine is somebody else's code: whatever it raises is the failure of
one job, or a warning, and never the end of the worker.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from whatsnext_client.engine.ends import end_of, failure
from whatsnext_client.engine.folder import StateFolder
from whatsnext_client.engine.records import Held, Record
from whatsnext_client.engine.surroundings import Surroundings
from whatsnext_client.engine.turns import Turn
from whatsnext_client.verdict import read_verdict
from whatsnext_core.errors import WhatsNextError
from whatsnext_core.formatting import Engine, Execution, ExecutionState, Handle, Invocation
from whatsnext_core.formatting.base import turns_of
from whatsnext_core.formatting.contract import Announcer
from whatsnext_core.model import AttemptEnd, Cause
from whatsnext_core.model.attempt import STREAMS, short_note

_log = logging.getLogger(__name__)

PATIENCE: Final = 10.0
"""Seconds beyond the grace after which an engine that does not end an execution is told to kill it."""
STOPPING_POLL: Final = 0.1
"""Seconds between two looks at executions that are being ended."""
FASTEST_POLL: Final = 0.05
"""Seconds after a start until the first look, at an engine that does not say when there is news."""
SLOWEST_POLL: Final = 2.0
"""Seconds between two looks at such an engine, at most."""
SAFETY_POLL: Final = 5.0
"""Seconds between two looks at an engine that does."""
VERDICT_EVERY: Final = 0.5
"""Seconds between two looks whether jobs say that they have failed."""
COMPLAIN_EVERY: Final = 60.0
"""Seconds between two warnings of the same kind."""


class Runner:
    """The attempts of one worker on one engine."""

    def __init__(
        self,
        engine: Engine,
        folder: StateFolder,
        surroundings: Surroundings,
        *,
        on_running: Callable[[Held], None],
        on_waiting: Callable[[Held, str], None],
    ) -> None:
        self.live: dict[str, Held] = {}
        """The attempts on the engine, by key."""
        self._engine = engine
        self._announcer = engine if isinstance(engine, Announcer) else None
        self._folder = folder
        self._surroundings = surroundings
        self._formatter = f"{type(engine).__module__}.{type(engine).__qualname__}"
        self._on_running = on_running
        self._on_waiting = on_waiting
        self._turns = turns_of(engine)
        self._announces = False
        self._interval = FASTEST_POLL
        self._next_poll = 0.0
        self._next_verdicts = 0.0
        self._complained = float("-inf")

    # -- starting ------------------------------------------------------------------------------------------------------

    @property
    def has_turns(self) -> bool:
        """Whether the engine can start attempts one after the other without being asked for each."""
        return self._turns is not None

    def start(self, held: Held, turn: Turn | None = None) -> AttemptEnd | None:
        """Start an attempt, when its turn comes if that is so; returns None if that went well, and how it ended if not.

        What is started in turn is written down before the engine hears of it, which the next look sees to.
        """
        name = type(self._engine).__name__
        try:
            invocation = self._prepared(held)
        except OSError as error:
            return failure(held, Cause.ENGINE, f"The scratch directory of the job cannot be made: {error}.")
        except WhatsNextError as error:
            return failure(held, Cause.FORMAT_ERROR, str(error))
        except Exception as error:  # noqa: BLE001 - a stranger's formatter
            return failure(held, Cause.FORMAT_ERROR, f"{name} made no command: {type(error).__name__}: {error}")
        try:
            if turn is None or self._turns is None:
                self.write_down()
                held.handle = dict(self._engine.start(invocation))
                _ = held.start  # a stranger's handle may be anything
            else:
                held.in_turn = True
                held.handle = dict(self._turns.start_in_turn(invocation, width=turn.width, until=turn.until))
            files = self._engine.logs(held.handle)
        except Exception as error:  # noqa: BLE001 - a stranger's engine
            if held.handle is not None:
                self.write_down()
                self._tell(held, self._engine.kill)
            words = f"{error}" if isinstance(error, WhatsNextError) else f"{type(error).__name__}: {error}"
            return failure(held, Cause.ENGINE, f"{name} could not start it: {words}")
        held.logs = dict(zip(STREAMS, (files.stdout, files.stderr), strict=True))
        held.started, held.started_at = time.monotonic(), time.time()
        self.live[held.key] = held
        if not held.in_turn and not self.descriptors():
            held.waited = True  # unless it says otherwise, which a look will show
            self._look_soon()
        self._note_down(held)
        if not held.in_turn:
            self.write_down()
        return None

    def adopt(self, record: Record, held: Held) -> AttemptEnd | None:
        """Go on with what an earlier process started; returns how it ended if it has gone without a trace."""
        message = "The worker was restarted, and what it had started has gone without a trace."
        try:
            if record.handle is not None and self._engine.adopt(record.handle):
                self.live[held.key] = held
                self._look_soon()
                if held.stopping is not None:  # who knows whether it was told, and nobody counts its grace any more
                    self._ask_to_end(held)
                return None
        except Exception as error:  # noqa: BLE001 - a stranger's engine
            message = f"The worker was restarted, and its engine cannot find the job: {type(error).__name__}: {error}"
        return failure(held, Cause.LOST, message)

    def understands(self, record: Record) -> bool:
        """Return whether the record was left by a worker with a formatter of the same kind."""
        return record.formatter == self._formatter

    def remember(self, held: Held) -> None:
        """Write down what is known of an attempt."""
        self._note_down(held)
        self.write_down()

    def remember_end(self, held: Held) -> None:
        """Write down how an attempt ended, with the next look."""
        if held.on_disk and held.end is not None:
            self._folder.journal.save_end(held.key, held.end)
        else:
            self._note_down(held)

    def _note_down(self, held: Held) -> None:
        self._folder.journal.save(held.record(self._formatter))
        held.on_disk = True

    def write_down(self) -> None:
        """Write what was noted down."""
        try:
            self._folder.journal.flush()
        except OSError as error:
            self._complain("What is known of the jobs cannot be written down: %s", error)

    # -- watching ------------------------------------------------------------------------------------------------------

    def descriptors(self) -> tuple[int, ...]:
        """Return what becomes readable when there is news of the attempts."""
        self.write_down()
        if not self.live:
            return ()
        try:
            descriptor = None if self._announcer is None else _number_of(self._announcer)
        except Exception as error:  # noqa: BLE001 - a stranger's engine
            self._complain("The engine gives no descriptor to wait on: %s", error)
            descriptor = None
        self._announces = descriptor is not None
        return () if descriptor is None else (descriptor,)

    def next_look(self) -> float:
        """Return when the attempts are to be looked at, whatever else happens, by the monotonic clock."""
        if not self.live:
            return float("inf")
        moments = [moment for held in self.live.values() for moment in (held.deadline, held.kill_at) if moment]
        return min([*moments, self._next_poll, self._next_verdicts])

    def look(self, *, now: float) -> list[tuple[Held, AttemptEnd]]:
        """Return the attempts that ended.

        Those that have run for too long are asked to end, and those that did not heed it are killed.
        """
        self.write_down()
        if not self.live:
            return []
        self._hear_verdicts(now)
        for held in list(self.live.values()):
            if held.deadline is not None and now >= held.deadline:
                self.stop(held, Cause.TIMEOUT)
            if held.kill_at is not None and now >= held.kill_at:
                self.kill(held)
        if not self._announces and now < self._next_poll:
            return []
        ended = []
        for key, execution in self._poll().items():
            held_now = self.live.get(key)
            if held_now is None:
                continue
            if execution.state is ExecutionState.ENDED:
                del self.live[key]
                held_now.left_nothing = self._folder.is_untouched(key)
                ended.append((held_now, end_of(held_now, execution)))
            else:
                self._note(held_now, execution, now)
        self._schedule(now, progress=bool(ended))
        return ended

    def _hear_verdicts(self, now: float) -> None:
        """Begin to end the attempts that say that they have failed."""
        if now < self._next_verdicts:
            return
        self._next_verdicts = now + VERDICT_EVERY
        for held in list(self.live.values()):
            if held.stopping is None and (file := held.verdict_file) is not None and file.exists():
                verdict, _ = read_verdict(file)
                if verdict is not None:
                    self.stop(held, Cause.PROMISED)

    def withdraw(self) -> None:
        """Have all attempts back whose turn has not come; ``returned`` gives them."""
        if self._turns is not None and (early := [held for held in self.live.values() if held.is_early]):
            self._turns.withdraw([held.handle for held in early if held.handle is not None])

    def returned(self) -> list[Held]:
        """Return the attempts whose turn has not come, and now never will."""
        keys = () if self._turns is None else self._turns.returned()
        return [held for key in keys if (held := self.live.pop(key, None)) is not None]

    # -- ending --------------------------------------------------------------------------------------------------------

    def stop(self, held: Held, cause: Cause) -> None:
        """Begin to end an attempt with its task's signal and grace; its end is told later, with this cause."""
        if held.stopping is not None:
            return
        held.stopping = cause
        self.remember(held)
        _log.info("Ending %s: %s", held, cause)
        self._ask_to_end(held)

    def _ask_to_end(self, held: Held) -> None:
        held.kill_at = time.monotonic() + held.grace + PATIENCE
        self._look_soon()
        self._tell(held, lambda handle: self._engine.cancel(handle, held.signal, held.grace))

    def kill(self, held: Held) -> None:
        """End an attempt by force."""
        held.stopping = held.stopping or Cause.LOST
        held.kill_at = time.monotonic() + PATIENCE
        self._look_soon()
        self.write_down()
        self._tell(held, self._engine.kill)

    def forget(self, held: Held) -> None:
        """Release all that is kept of an attempt; the server knows how it ended."""
        self.live.pop(held.key, None)
        self._tell(held, self._engine.forget)
        if held.on_disk:
            self._folder.journal.forget(held.key)
        self._folder.discard(held.key)

    # ------------------------------------------------------------------------------------------------------------------

    def _prepared(self, held: Held) -> Invocation:
        assert held.assignment is not None, "an adopted attempt is not started"  # noqa: S101 - a promise of the loop
        context = self._surroundings.context(held.assignment, self._folder.scratch(held.key), held.cpu_ids)
        held.directory = context.directory
        return self._surroundings.complete(self._engine.prepare(context), context)

    def _poll(self) -> dict[str, Execution]:
        handles: dict[str, Handle] = {key: held.handle for key, held in self.live.items() if held.handle is not None}
        try:
            return dict(self._engine.poll(handles))
        except Exception as error:  # noqa: BLE001 - a stranger's engine
            self._complain("The engine does not say how the jobs stand: %s: %s", type(error).__name__, error)
            return {}

    def _note(self, held: Held, execution: Execution, now: float) -> None:
        """Note whether an attempt runs, or waits in the engine's queue; the time that it may run begins after that."""
        if held.running:
            return
        if execution.state is ExecutionState.WAITING:
            held.waited = True
            words = short_note(execution.message)
            if words != (held.note or ""):
                self._on_waiting(held, words)
        elif execution.state is ExecutionState.RUNNING:
            held.running = True
            if held.waited or held.started is None:
                matters = not held.in_turn or held.started is None or held.timeout is not None
                held.started, held.started_at = now, time.time()
                if matters:
                    self.remember(held)
            self._on_running(held)

    def _look_soon(self) -> None:
        self._interval, self._next_poll = FASTEST_POLL, 0.0

    def _schedule(self, now: float, *, progress: bool) -> None:
        """Set when to look again if nothing happens."""
        if any(held.stopping for held in self.live.values()):
            pause = STOPPING_POLL
        elif self._announces and not any(held.adopted for held in self.live.values()):
            pause = SAFETY_POLL
        else:
            self._interval = FASTEST_POLL if progress else min(self._interval * 1.5, SLOWEST_POLL)
            pause = self._interval
        self._next_poll = now + pause

    def _tell(self, held: Held, what: Callable[[Handle], None]) -> None:
        if held.handle is None:
            return
        try:
            what(held.handle)
        except Exception as error:  # noqa: BLE001 - a stranger's engine
            self._complain("The engine failed at %s: %s: %s", held, type(error).__name__, error)

    def _complain(self, message: str, *details: object) -> None:
        if time.monotonic() - self._complained > COMPLAIN_EVERY:
            self._complained = time.monotonic()
            _log.warning(message, *details)


def descriptor_of(engine: Engine) -> int | None:
    """Return the descriptor that is readable while the engine has news; None if it does not say by itself."""
    return _number_of(engine) if isinstance(engine, Announcer) else None


def _number_of(engine: Announcer) -> int | None:
    descriptor = engine.fileno()
    return None if descriptor is None or descriptor < 0 else descriptor
