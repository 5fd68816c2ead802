"""Finds and signals all processes of an execution: also those that left its session, and never anybody else's.

A process belongs to an execution if its environment carries the execution's mark, if it is in the session or process
group of an execution whose first process still is the same, or if its parent belongs. A signal goes to a process that
was identified by its number and its start, through a descriptor where the system has these, so a number that was given
away anew meanwhile hits nobody.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

import psutil
from attrs import frozen

from whatsnext_core.formatting.keeper import birth_of

MARK: Final = "WHATSNEXT_EXECUTION"
"""The environment variable that carries the mark of an execution."""
_SAME: Final = 2.0
"""Seconds by which two readings of one start may differ where the system only tells the time of day."""


@frozen(kw_only=True)
class Root:
    """The first process of an execution, from which the others come."""

    pid: int
    """Its number."""
    birth: str
    """What tells it from a later process with that number."""
    mark: str
    """What its environment carries, and that of its children."""

    def exists(self) -> bool:
        """Return whether the process is still there, be it as a zombie."""
        if not self.birth:
            return False
        if sys.platform != "linux":
            with suppress(psutil.Error):
                return abs(psutil.Process(self.pid).create_time() - float(self.birth)) < _SAME
            return False
        return birth_of(self.pid, 0) == self.birth

    def runs(self) -> bool:
        """Return whether the process is there and has not ended."""
        runs = False
        with suppress(psutil.Error):
            runs = self.exists() and psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        return runs


class Snapshot:
    """The processes of this machine at one moment."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}
        self._children: dict[int, list[int]] = {}
        self._marks: dict[str, list[int]] = {}
        for process in all_processes():
            with suppress(psutil.Error):
                self._add(process)

    def _add(self, process: psutil.Process) -> None:
        with process.oneshot():
            if process.status() != psutil.STATUS_ZOMBIE:
                self._children.setdefault(process.ppid(), []).append(process.pid)
                self._processes[process.pid] = process
                self._marks.setdefault(process.environ().get(MARK, ""), []).append(process.pid)

    def __contains__(self, process: psutil.Process) -> bool:
        """Return whether this very process has not ended."""
        return self._processes.get(process.pid) == process

    def family(self, root: Root) -> list[psutil.Process]:
        """Return the processes of the execution that have not ended."""
        session = self._session(root.pid) if root.exists() else set()
        return self.below({*self._marks.get(root.mark, ()), *session})

    def below(self, pids: Iterable[int]) -> list[psutil.Process]:
        """Return the processes with these numbers, and all that they started, as far as they have not ended."""
        found: set[int] = set()
        new = set(pids) & self._processes.keys()
        while new:
            found |= new
            new = {child for pid in new for child in self._children.get(pid, ())} - found
        return [self._processes[pid] for pid in sorted(found)]

    def _session(self, leader: int) -> set[int]:
        return {pid for pid in self._processes if _in_session_or_group(pid, leader)}


def all_processes() -> Iterator[psutil.Process]:
    """Come to each process of this machine but this one.

    ``psutil.process_iter`` would leave out, twice, a process that got the number of an earlier one that it had seen.
    """
    for pid in psutil.pids():
        if pid != os.getpid():
            with suppress(psutil.Error):
                yield psutil.Process(pid)


def send(process: psutil.Process, number: int) -> None:
    """Send a signal to this very process, if it has not ended."""
    with suppress(psutil.Error, OSError):
        if sys.platform != "linux":
            process.send_signal(number)
            return
        descriptor = os.pidfd_open(process.pid)
        try:
            # The number was this process's after the descriptor was opened, so the descriptor is this process's.
            if process.is_running():
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def _in_session_or_group(pid: int, leader: int) -> bool:
    belongs = False
    with suppress(OSError):
        belongs = os.getsid(pid) == leader or os.getpgid(pid) == leader
    return belongs
