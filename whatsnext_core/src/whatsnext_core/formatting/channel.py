"""The client's end of the socket to its keeper."""

from __future__ import annotations

import json
import os
import socket
import sys
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import keeper

CHUNK: Final = 1 << 18
_left: list[int] = []
"""Keepers that were let go and are still to be waited for."""


class KeeperChannel:
    """Starts a keeper when one is needed, asks it to start processes, and takes in their ends."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._inbox = b""
        self._ends: list[dict[str, Any]] = []
        self._environ: dict[str, str] = {}
        self._finalize: weakref.finalize[[socket.socket, int], KeeperChannel] | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a keeper."""
        return self._socket is not None

    def fileno(self) -> int:
        """Return a descriptor that is readable while there are ends to take, or the keeper is gone."""
        return self._connect().fileno()

    def start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keeper's answer to a request to start a process.

        Raises:
            EngineError: the keeper cannot be started, or vanished before it answered.
        """
        channel = self._connect()
        environ = os.environ.copy()
        lines = [dict(request)]
        if environ != self._environ:
            lines.insert(0, {"environ": environ})
        try:
            channel.sendall(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            self._environ = environ
            answers: list[dict[str, Any]] = []
            while not answers:
                messages = self._receive(channel)
                self._ends += [message for message in messages if "code" in message]
                answers = [message for message in messages if "code" not in message]
            return answers[0]
        except OSError as error:
            self._drop()
            raise EngineError(
                f"The process that starts the jobs of this client was ended ({error}); the next job starts a new one."
            ) from error

    def ends(self) -> list[dict[str, Any]]:
        """Return the ends that came in since the last call."""
        if self._socket is not None:
            try:
                while True:
                    self._ends += self._receive(self._socket, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
            except OSError:
                self._drop()
        ends, self._ends = self._ends, []
        return ends

    def close(self, *, idle: bool) -> None:
        """Let the keeper go; if it is idle it ends at once, else with the last process."""
        if self._socket is None:
            return
        if idle:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
                while self._socket.recv(CHUNK):
                    pass
        self._drop()

    def _receive(self, channel: socket.socket, flags: int = 0) -> list[dict[str, Any]]:
        received = channel.recv(CHUNK, flags)
        if not received:
            raise ConnectionResetError("it closed its end")
        *lines, self._inbox = (self._inbox + received).split(b"\n")
        return [json.loads(line) for line in lines]

    def _connect(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                pid = os.posix_spawn(
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
        self._finalize = weakref.finalize(self, _let_go, ours, pid)
        return ours

    def _drop(self) -> None:
        if self._finalize is not None:
            self._finalize()
        self._socket = None


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
