"""Leads the processes that serve together at one address.

It accepts each connection and hands it to the process that has the fewest, starts a new process for one that died, and
passes on the end. It serves nothing itself, has no thread, and no connection to the database: so it can start a
process at any time as a copy of itself.
"""

from __future__ import annotations

import logging
import signal
import socket
import time
from multiprocessing import current_process, get_context
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import FrameType
from typing import Any, Final

from attrs import define

from whatsnext_core.errors import ConfigurationError, UnreachableStorageError, WhatsNextError
from whatsnext_server.config import ServerSettings
from whatsnext_server.process.following import CONNECTION, ENDED, HURRY, KINDS, REFUSED, SERVES, follow
from whatsnext_server.process.opening import select_backend
from whatsnext_server.process.siblings import Lines
from whatsnext_server.process.signals import ENDING
from whatsnext_server.process.web import BACKLOG, Announce, announce_to

AT_ONCE: Final = 64
"""Connections that are handed out before others get their turn."""
FULL: Final = 0.01
"""Seconds after which it is tried again to hand out a connection that no process could take, or to accept one."""
SOONEST: Final = 0.1
LATEST: Final = 30.0
"""Seconds until a process that died is replaced: doubled with each that died young, and at most so many."""
YOUNG: Final = 10.0
"""Seconds for which a process must have served to count as one that works."""

_log = logging.getLogger(__name__)


def check_shared(settings: ServerSettings, config: str | Path | None) -> None:
    """Raise ConfigurationError if the database of the settings is served by one process only."""
    backend, _ = select_backend(settings, config)
    scheme = settings.database.partition(":")[0].partition("+")[0]
    if scheme not in backend.shared:
        raise ConfigurationError(
            f"processes is {settings.processes}, but a database of the kind {scheme!r} serves one server process: set "
            f"processes to 1, or use PostgreSQL."
        )


@define
class _Follower:
    """A process that serves."""

    process: ForkProcess
    channel: socket.socket
    begun: float
    speaks: bool = True
    serves: bool = False
    connections: int = 0
    turn: int = 0
    """When it was handed the last one; of two with as many, the one that waits for longer is next."""
    said: bytes = b""
    """What it said why it cannot start."""


class Leader:
    """Leads the processes."""

    def __init__(
        self, settings: ServerSettings, config: str | Path | None, listener: socket.socket, announce: Announce
    ) -> None:
        self._settings = settings
        self._config = config
        self._listener = listener
        self._announce = announce
        self._lines = Lines.between(settings.processes)
        self._followers: dict[int, _Follower] = {}
        self._due = dict.fromkeys(range(settings.processes), 0.0)
        """When a process of a number is to be started."""
        self._delays = dict.fromkeys(range(settings.processes), SOONEST)
        self._heard: list[int] = []
        self._bell, self._ringer = socket.socketpair()
        self._waiting: socket.socket | None = None
        """A connection that no process could take until now."""
        self._turn = 0
        self._listens = False
        self._pauses = False
        self._ends = False
        self._error: WhatsNextError | None = None

    def run(self) -> None:
        """Lead until a signal ends it.

        Raises:
            WhatsNextError: a process cannot start.
        """
        current_process().name = "leader"
        for each in (self._listener, self._bell, self._ringer):
            each.setblocking(False)
        before = {number: signal.signal(number, self._hear_signal) for number in (*ENDING, signal.SIGCHLD)}
        signal.set_wakeup_fd(self._ringer.fileno())
        try:
            while not self._ends or self._followers:
                self._start_due()
                self._wait()
                self._heed_signals()
                for number, follower in list(self._followers.items()):
                    ended = follower.process.exitcode is not None
                    self._hear(follower)
                    if ended:
                        self._bury(number, follower)
                self._hand_out()
        finally:
            for follower in self._followers.values():  # only if this failed
                follower.process.kill()
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._bell.close()
            self._ringer.close()
            self._lines.close()
        if self._error is not None:
            raise self._error

    # -- the processes -------------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        now = time.monotonic()
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            self._start(number)

    def _start(self, number: int) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        others = [ours, self._listener, self._bell, self._ringer, *(each.channel for each in self._followers.values())]
        process = get_context("fork").Process(
            target=follow,
            name=f"process-{number + 1}",
            args=(number, self._settings, self._config, self._lines, theirs, others),
        )
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            theirs.close()
        self._followers[number] = _Follower(process, ours, time.monotonic())

    def _hear(self, follower: _Follower) -> None:
        """Take in what a process tells."""
        while True:
            try:
                words = follower.channel.recv(4096)
            except OSError:
                return
            if not words:
                follower.serves = follower.speaks = False
                return
            if not follower.said:
                plain, mark, rest = words.partition(REFUSED)
                follower.connections -= plain.count(ENDED)
                follower.serves = follower.serves or SERVES in plain
                words = mark + rest
            follower.said += words

    def _bury(self, number: int, follower: _Follower) -> None:
        """Take leave of a process that has ended, and see to it that there will be another one."""
        del self._followers[number]
        follower.channel.close()
        if self._ends:
            return
        process, now = follower.process, time.monotonic()
        how = _how_it_ended(process)
        if follower.said:
            error = KINDS[follower.said[1:2]](follower.said[2:].decode())
            if not (self._listens and isinstance(error, UnreachableStorageError)):
                self._end(error)
                return
            how = f"cannot start: {error}"
        elif not self._listens:
            self._end(WhatsNextError(f"A server process {how} before it served; its last words above say why."))
            return
        if now - follower.begun > YOUNG:
            self._delays[number] = SOONEST
        delay = self._delays[number]
        self._delays[number] = min(LATEST, 2 * delay)
        self._due[number] = now + delay
        _log.error("The server process %s (%d) %s; a new one starts in %g s", process.name, process.pid, how, delay)

    # -- the end -------------------------------------------------------------------------------------------------------

    def _hear_signal(self, number: int, _: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._heard.append(number)

    def _heed_signals(self) -> None:
        """End for the first signal, and hurry for a second Ctrl+C."""
        heard, self._heard = self._heard, []
        for number in heard:
            if not self._ends:
                self._end()
            elif number == signal.SIGINT:
                for follower in self._followers.values():
                    _say(follower, HURRY)

    def _end(self, error: WhatsNextError | None = None) -> None:
        self._error = error
        self._ends = True
        self._listens = False
        self._due.clear()
        self._listener.close()
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None
        for follower in self._followers.values():
            follower.process.terminate()

    # -- the connections -----------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Wait until there is something to do."""
        serving = [each for each in self._followers.values() if each.serves]
        if not (self._listens or self._ends) and len(serving) == self._settings.processes:
            self._listener.listen(BACKLOG)
            self._listens = True
            announce_to(self._announce, self._listener)
        sources: list[Any] = [self._bell]
        for follower in self._followers.values():
            sources += [follower.process.sentinel, *([follower.channel] if follower.speaks else [])]
        stuck = self._waiting is not None or self._pauses
        if self._listens and serving and not stuck:
            sources.append(self._listener)
        dues = [FULL] if stuck else []
        dues += [due - time.monotonic() for due in self._due.values()]
        if self._bell in wait(sources, max(0.0, min(dues)) if dues else None):
            self._bell.recv(4096)
        self._pauses = False

    def _hand_out(self) -> None:
        """Accept what comes, and hand each connection to the process that has the fewest."""
        for _ in range(AT_ONCE if self._listens else 0):
            connection = self._waiting or self._accept()
            if connection is None:
                return
            self._waiting = None
            if not self._hand_over(connection):
                self._waiting = connection
                return

    def _accept(self) -> socket.socket | None:
        if not any(each.serves for each in self._followers.values()):
            return None
        try:
            return self._listener.accept()[0]
        except BlockingIOError:
            return None
        except OSError as error:  # its sender is gone again, or there are no descriptors
            _log.warning("A connection could not be accepted: %s", error)
            self._pauses = True
            return None

    def _hand_over(self, connection: socket.socket) -> bool:
        """Return whether a process could take a connection."""
        serving = [each for each in self._followers.values() if each.serves]
        for follower in sorted(serving, key=lambda each: (each.connections, each.turn)):
            if _say(follower, CONNECTION, connection):
                follower.connections += 1
                self._turn += 1
                follower.turn = self._turn
                connection.close()
                return True
        return False


def _say(follower: _Follower, word: bytes, *connections: socket.socket) -> bool:
    """Return whether a process could be told something."""
    try:
        if connections:
            socket.send_fds(follower.channel, [word], [each.fileno() for each in connections])
        else:
            follower.channel.send(word)
    except OSError:
        return False
    return True


def _how_it_ended(process: ForkProcess) -> str:
    code = process.exitcode or 0
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"


__all__ = ["Leader", "check_shared"]
