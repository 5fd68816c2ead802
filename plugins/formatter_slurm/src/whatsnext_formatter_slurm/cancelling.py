"""Ends jobs as people ask for it: a signal, some time, then force."""

from __future__ import annotations

import time

from attrs import define

from whatsnext_core.errors import EngineError
from whatsnext_formatter_slurm import commands
from whatsnext_formatter_slurm.commands import AwayError
from whatsnext_formatter_slurm.watch import Watch

AGAIN = 5.0
"""Seconds after which force is used again on a job that is still there."""


@define
class _Ending:
    """A job that shall end."""

    token: str
    """The token of its attempt."""
    signal: str | None
    """The signal that is still to be sent first."""
    force_at: float
    """When force is used, by the monotonic clock."""


class Cancelling:
    """The jobs that shall end, and how far that has come."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._endings: dict[str, _Ending] = {}

    def add(self, job: str, token: str, signal: str, grace: float) -> None:
        """Begin to end a job."""
        self._endings[job] = _Ending(token, signal if grace > 0 else None, time.monotonic() + grace)
        self.press()

    def forget(self, job: str) -> None:
        """Note that a job has ended."""
        self._endings.pop(job, None)

    def press(self) -> None:
        """Do what is due; what the controller does not take in now is done the next time."""
        if self._watch.away:
            return
        now = time.monotonic()
        for job, ending in list(self._endings.items()):
            if self._watch.is_other(job, ending.token):
                del self._endings[job]
        try:
            for job, ending in self._endings.items():
                if ending.signal is not None:
                    commands.withdraw([job])
                    commands.send(ending.signal, [job])
                    ending.signal = None
            due = [job for job, ending in self._endings.items() if ending.force_at <= now]
            if due:
                commands.send("SIGKILL", due)
            for job in due:
                self._endings[job].force_at = now + AGAIN
        except (AwayError, EngineError) as error:
            self._watch.blame(str(error))
