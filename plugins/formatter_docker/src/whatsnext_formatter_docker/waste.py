"""Containers that are not wanted any more."""

from __future__ import annotations

import subprocess
import time
from typing import Final

from whatsnext_formatter_docker.runtime import TIMEOUT, Runtime

AGAIN: Final = 10.0
"""Seconds after which a removal that failed is tried again."""


class Waste:
    """Removes containers, many at once, while nobody waits for it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._names: list[str] = []
        self._going: list[str] = []
        self._removal: subprocess.Popen[bytes] | None = None
        self._next = 0.0

    def add(self, name: str) -> None:
        """Have a container removed soon, whatever it does."""
        self._names.append(name)

    def sweep(self) -> None:
        """Begin to remove what there is, unless a removal still goes on, or the last one failed a moment ago."""
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
            self._names = self._going + self._names
            self._next = time.monotonic() + AGAIN
        self._removal = None
