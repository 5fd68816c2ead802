"""The client's end of the socket to its keeper."""

from __future__ import annotations

import itertools
import json
import os
import socket
import sys
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from whatsnext_core.converters import json_bytes, read_json
from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import keeper

CHUNK: Final = 1 << 18
PATIENCE: Final = 1.0
"""Seconds that an idle keeper is given to end."""
PAUSE: Final = 0.001
"""Seconds between two looks whether it has."""
Message = dict[str, Any]
_left: list[int] = []
"""Keepers that were let go and are still to be waited for."""


class KeeperChannel:
    """Starts a keeper when one is needed, asks it to start processes, and takes in what it says of them."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._inbox = b""
        self._messages: list[Message] = []
        self._outbox: list[tuple[str, bytes]] = []
        """What is to be sent: lines, each with the id of the process that is asked for."""
        self._environ: dict[Any, Any] = {}
        self._generation = 0
        self._pid = 0
        self._finalize: weakref.finalize[[socket.socket, int], KeeperChannel] | None = None

    @property
    def generation(self) -> int:
        """Number of the present keeper; 0 if there is none."""
        return self._generation if self._socket is not None else 0

    def fileno(self) -> int:
        """Return a descriptor that is readable while there is something to take, or the keeper is gone."""
        return self._connect().fileno()

    def request(self, request: Mapping[str, Any]) -> None:
        """Ask the keeper, with the next ``flush``, for what its module tells; ``take`` tells what became of it.

        Raises:
            EngineError: the keeper cannot be started.
        """
        self._connect()
        if environment := self._environment():
            self._outbox.append(("", environment))
        self._outbox.append((request.get("id", ""), json_bytes(request) + b"\n"))

    def flush(self) -> list[str]:
        """Send what was asked for, and return the ids of the processes that a new keeper was asked for.

        Raises:
            EngineError: the keeper has gone, and a new one cannot be started.
        """
        if not self._outbox:
            return []
        lines, self._outbox = self._outbox, []
        left = self._send(lines)
        if left:
            # It was ended meanwhile, so it has not read all of these lines, and nobody has acted on them.
            self._drop()
            self._connect()
            self._send([("", self._environment()), *left])
        return [name for name, _ in left if name]

    def take(self) -> list[Message]:
        """Return what came in since the last call."""
        with suppress(BlockingIOError):
            while self._socket is not None:
                self._receive(self._socket, socket.MSG_DONTWAIT)
        messages, self._messages = self._messages, []
        return messages

    def settle(self) -> None:
        """Wait until the keeper has acted on all requests, so that ``take`` tells of each."""
        channel = self._socket
        if channel is None:
            return
        with suppress(OSError):
            channel.sendall(b'{"sync": true}\n')
            while self.generation and not any("sync" in message for message in self._messages):
                self._receive(channel)
        self._messages = [message for message in self._messages if "sync" not in message]

    def close(self, *, idle: bool) -> None:
        """Let the keeper go; it ends with its last process, and at once if it is idle."""
        if idle and self._socket is not None:
            deadline = time.monotonic() + PATIENCE
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
                while os.waitpid(self._pid, os.WNOHANG)[0] == 0 and time.monotonic() < deadline:
                    time.sleep(PAUSE)
        self._drop()

    def _send(self, lines: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """Send lines, and return those that were not sent as a whole because the keeper has gone."""
        data, sent = memoryview(b"".join(line for _, line in lines)), 0
        channel = self._connect()
        with suppress(OSError):
            while sent < len(data):
                sent += channel.send(data[sent:])
        ends = itertools.accumulate(len(line) for _, line in lines)
        return [line for line, end in zip(lines, ends, strict=True) if end > sent]

    def _receive(self, channel: socket.socket, flags: int = 0) -> None:
        """Take in what there is; if the keeper has gone, there is no channel any more."""
        received = b""
        with suppress(ConnectionError):
            received = channel.recv(CHUNK, flags)
        if not received:
            self._drop()
        *lines, self._inbox = (self._inbox + received).split(b"\n")
        self._messages += map(read_json, lines)

    def _environment(self) -> bytes:
        """Return the request that tells the keeper our environment, if that has changed."""
        present = _present_environment()
        if present == self._environ:
            return b""
        self._environ = dict(present)
        return json.dumps({"environ": os.environ.copy()}).encode() + b"\n"

    def _connect(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._pid = os.posix_spawn(
                    sys.executable,
                    [sys.executable, "-I", keeper.__file__],
                    os.environ,
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
                        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                        (os.POSIX_SPAWN_DUP2, 1, 2),
                    ],
                )
            except OSError as error:
                ours.close()
                raise EngineError(
                    f"The process that starts the jobs of this client could not be started with "
                    f"{sys.executable!r}: {error}."
                ) from error
        _reap()
        self._socket, self._inbox, self._environ = ours, b"", {}
        self._generation += 1
        self._finalize = weakref.finalize(self, _let_go, ours, self._pid)
        return ours

    def _drop(self) -> None:
        if self._finalize is not None:
            self._finalize()
        self._socket = None


def _present_environment() -> Mapping[Any, Any]:
    """Return the environment as Python itself keeps it, if it does: to read all of it takes 50 us, for each job."""
    kept: Mapping[Any, Any] | None = vars(os.environ).get("_data")
    return os.environ.copy() if kept is None else kept


def _let_go(channel: socket.socket, pid: int) -> None:
    channel.close()
    _left.append(pid)
    _reap()


def _reap() -> None:
    for pid in _left[:]:
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            ended = pid
        if ended:
            _left.remove(pid)
