"""What a worker's log tells of its jobs: each start and each end, and of short jobs how many there were.

Two lines for each of a thousand jobs in a second are read by nobody, and cost as much as a tenth of all that a worker
does for such a job.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from whatsnext_client.engine.pace import Pace
from whatsnext_client.engine.records import Held
from whatsnext_core.model import AttemptEnd

_log = logging.getLogger(__name__)

SUM_UP_EVERY: Final = 5.0
"""Seconds between two lines about short jobs."""


class Diary:
    """Tells of the starts and ends of a worker's jobs.

    Args:
        pace: Whether they are short.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._untold = 0
        self._since = 0.0

    def started(self, held: Held) -> None:
        """Tell that a job was started."""
        if not self._pace.jobs_are_short or _log.isEnabledFor(logging.DEBUG):
            _log.info("Started %s", held)

    def ended(self, held: Held, end: AttemptEnd) -> None:
        """Tell how a job ended, unless it is one of many short ones that went well."""
        if not end.succeeded:
            _log.info("Ended %s: %s: %s", held, end.cause, end.message)
        elif not self._pace.jobs_are_short or _log.isEnabledFor(logging.DEBUG):
            _log.info("Ended %s: completed", held)
        else:
            self._sum_up()

    def close(self) -> None:
        """Tell what was not told yet."""
        if self._untold:
            _log.info("Completed %d short jobs", self._untold)
            self._untold = 0

    def _sum_up(self) -> None:
        now = time.monotonic()
        self._since = self._since if self._untold else now
        self._untold += 1
        if now - self._since >= SUM_UP_EVERY:
            self.close()
