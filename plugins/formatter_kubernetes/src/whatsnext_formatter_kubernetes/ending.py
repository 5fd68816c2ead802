"""Ends jobs as people ask for it: a signal, some time, then force; and removes what has ended."""

from __future__ import annotations

import math
import time

from attrs import define

from whatsnext_core.errors import EngineError
from whatsnext_formatter_kubernetes.kubectl import AwayError, Kubectl
from whatsnext_formatter_kubernetes.watch import Watch

MOST_AT_ONCE = 50
"""Jobs that are named in one call."""


@define
class _Ending:
    """A job that shall end."""

    due_at: float
    """When it is deleted, by the monotonic clock."""
    force_at: float
    """When its program is to be gone."""


class Endings:
    """The jobs that shall end, and those whose remains shall go."""

    def __init__(self, kubectl: Kubectl, watch: Watch) -> None:
        self._kubectl = kubectl
        self._watch = watch
        self._endings: dict[str, _Ending] = {}
        self._remains: set[str] = set()
        self._wanted: set[str] = set()

    def wanted(self, name: str) -> bool:
        """Return whether somebody asked for the end of a job."""
        return name in self._wanted

    def end(self, name: str, pod: str, signal: str, grace: float, delay: float = 0.0) -> None:
        """Begin to end a job, after ``delay`` seconds.

        A signal that Kubernetes does not send by itself is sent at once, by the image's own ``kill``.
        """
        now = time.monotonic()
        self._wanted.add(name)
        sent = signal not in {"SIGTERM", "SIGKILL"} and grace > 0 and bool(pod) and self._kubectl.send(signal, pod)
        self._endings[name] = _Ending(due_at=now + (grace if sent else delay), force_at=now + grace)
        self.press()

    def forget(self, name: str) -> None:
        """Note that a job has ended, and that nobody needs it on the cluster any more."""
        self._endings.pop(name, None)
        self._wanted.discard(name)
        self._remains.add(name)

    def press(self) -> None:
        """Do what is due; what the cluster does not take in now is done the next time."""
        now = time.monotonic()
        due = {name: ending.force_at - now for name, ending in self._endings.items() if ending.due_at <= now}
        for name, grace in due.items():
            if self._delete([name], max(1, math.ceil(grace))):
                del self._endings[name]

    def sweep(self) -> None:
        """Remove the remains of what has ended."""
        names = sorted(self._remains)
        for begin in range(0, len(names), MOST_AT_ONCE):
            some = names[begin : begin + MOST_AT_ONCE]
            if self._delete(some, 1):
                self._remains.difference_update(some)

    def _delete(self, names: list[str], grace: int) -> bool:
        if self._watch.away:
            return False
        try:
            self._kubectl.delete(names, grace)
        except (AwayError, EngineError) as error:
            self._watch.blame(str(error))
            return False
        return True
