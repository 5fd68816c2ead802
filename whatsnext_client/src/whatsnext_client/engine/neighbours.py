"""Devices that others use: a worker does not deal them out meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable
from typing import Final

import psutil

from whatsnext_client.engine.plan import WorkPlan
from whatsnext_core.model import Capacity
from whatsnext_core.probing import Measurement, Probe

_log = logging.getLogger(__name__)

MARK: Final = "WHATSNEXT_CLIENT_ID"
"""The variable by which a worker knows the processes of its jobs."""


class Neighbours:
    """Looks again and again which devices others use, in a thread of its own, and tells when that changes.

    Args:
        plan: What the worker offers, and what measures it; without that nothing is ever taken.
        client_id: The worker.
        in_use: Returns the ids of the devices that its jobs have now.
        on_change: Called with what there is to offer when that has changed.
    """

    def __init__(
        self, plan: WorkPlan, *, client_id: str, in_use: Callable[[], set[str]], on_change: Callable[[Capacity], None]
    ) -> None:
        devices = plan.total.devices if plan.watches else ()
        self.taken = frozenset(device.id for device in devices if device.free == 0)
        """The ids of the devices that others use."""
        self._plan = plan
        self._client_id = client_id
        self._in_use = in_use
        self._on_change = on_change
        self._closed = threading.Event()

    def start(self) -> None:
        """Begin to look."""
        if self._plan.probe is not None and self._plan.watches:
            threading.Thread(
                target=self._run, args=(self._plan.probe,), name="whatsnext-neighbours", daemon=True
            ).start()

    def close(self) -> None:
        """Look no more; a look that is being taken is not waited for."""
        self._closed.set()

    def _run(self, probe: Probe) -> None:
        while not self._closed.is_set():
            try:
                self._look(probe)
            except Exception as error:  # noqa: BLE001 - a stranger's probe; the worker goes on with what it knows
                _log.debug("Nobody knows who uses the devices: %s: %s", type(error).__name__, error)
            self._closed.wait(self._plan.probe_interval)

    def _look(self, probe: Probe) -> None:
        mine = self._in_use()
        found = probe.measure()
        mine |= self._in_use()
        watched = [device.id for device in self._plan.total.devices]
        taken = taken_by_others(found, watched, mine, lambda pid: is_own(pid, self._client_id))
        if taken == self.taken or self._closed.is_set():
            return
        for device in sorted(taken - self.taken):
            _log.info("Others use the device %s; it is not offered meanwhile", device)
        for device in sorted(self.taken - taken):
            _log.info("The device %s is free for jobs", device)
        self.taken = taken
        self._on_change(self._plan.without(taken))


def taken_by_others(
    found: Measurement, watched: Iterable[str], mine: Collection[str], is_own: Callable[[int], bool | None]
) -> frozenset[str]:
    """Return which of the watched devices others use, or are gone.

    A process that cannot be told apart counts as the worker's own on a device that one of its jobs has.

    Args:
        found: How the devices stand.
        watched: Ids of the worker's devices.
        mine: Ids of those that its jobs have.
        is_own: Whether a process belongs to a job of the worker; None if nobody can tell.
    """
    free = {device.id: device.free for device in found.devices}
    taken = set()
    for device in watched:
        if free.get(device, 0) == 0:
            whose = [is_own(pid) for pid in found.users.get(device, ())] or [None]
            if device not in free or any(own is False or (own is None and device not in mine) for own in whose):
                taken.add(device)
    return frozenset(taken)


def is_own(pid: int, client_id: str) -> bool | None:
    """Return whether a process belongs to a job of the worker, or to one that started it; None if nobody can tell.

    Programs that rename themselves lose what shows of their environment, and that of other users is hidden.
    """
    try:
        process = psutil.Process(pid)
        line = [process, *process.parents()]
    except (psutil.Error, OSError):
        return None
    marks = [_mark(each) for each in line]
    if client_id in marks:
        return True
    return None if marks[0] is None else False


def _mark(process: psutil.Process) -> str | None:
    """Return the worker that a process names in its environment; empty if it names none, None if it shows nothing."""
    try:
        environment = process.environ()
    except (psutil.Error, OSError):
        return None
    return environment.get(MARK, "") if environment else None
