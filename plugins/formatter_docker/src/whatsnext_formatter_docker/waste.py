"""Containers that are not wanted any more."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Collection
from typing import Final

from whatsnext_core.errors import EngineError
from whatsnext_formatter_docker.runtime import TIMEOUT, Runtime

AGAIN: Final = 10.0
"""Seconds after which a removal that failed is tried again."""


class Waste:
    """Removes containers, many at once, while nobody waits for it.

    A worker that was killed may have left containers of which it had no note yet, or none any more: those of its jobs
    that ended just then. The next process of this worker looks for them once, and removes what it does not know.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._names: list[str] = []
        self._going: list[str] = []
        self._removal: subprocess.Popen[bytes] | None = None
        self._next = 0.0
        self._owner: tuple[str, str] | None = None
        self._looked = False

    def own(self, server: str, client: str) -> None:
        """Learn whose containers these are: of which server and which of its clients."""
        self._owner = (server, client)

    def add(self, name: str) -> None:
        """Have a container removed soon, whatever it does."""
        self._names.append(name)

    def sweep(self, known: Collection[str]) -> None:
        """Begin to remove what there is, unless a removal still goes on, or the last one failed a moment ago."""
        self._find_strays(known)
        if self._removal is not None:
            if self._removal.poll() is None:
                return
            self._finish(self._removal)
        if self._names and time.monotonic() >= self._next:
            self._removal = self._runtime.begin_removal(self._names)
            self._going, self._names = self._names, []

    def close(self) -> None:
        """Remove what there is, and wait for it."""
        if self._removal is not None:
            try:
                self._removal.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self._removal.kill()
                self._removal.wait()
            self._finish(self._removal)
        if self._names and self._runtime.remove(self._names):
            self._names = []

    def _finish(self, removal: subprocess.Popen[bytes]) -> None:
        if removal.returncode != 0:
            self._names = self._left(self._going) + self._names
            self._next = time.monotonic() + AGAIN
        self._removal = None

    def _find_strays(self, known: Collection[str]) -> None:
        if self._looked or self._owner is None or time.monotonic() < self._next:
            return
        try:
            found = self._runtime.owned(*self._owner)
        except EngineError:
            self._next = time.monotonic() + AGAIN
            return
        self._looked = True
        self._names += [name for name in found if name not in known and name not in self._names]

    def _left(self, names: list[str]) -> list[str]:
        """Return which of these containers are still there; an engine may count one that never was as a failure."""
        try:
            return list(self._runtime.inspect(names))
        except EngineError:
            return names
