"""Asks the cluster for all jobs and pods at once, not more often than it is worth, and remembers what it said."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from whatsnext_core.errors import EngineError
from whatsnext_formatter_kubernetes.kubectl import AwayError, Kubectl
from whatsnext_formatter_kubernetes.manifest import NAME

PAUSE = 5.0
"""Seconds during which a cluster that did not answer is left alone."""


class Watch:
    """What is known of the jobs and pods on the cluster, by the name of the job."""

    def __init__(self, kubectl: Kubectl, interval: float) -> None:
        self.jobs: Mapping[str, Mapping[str, Any]] = {}
        self.pods: Mapping[str, Mapping[str, Any]] = {}
        """Of each job, the pod that was created last."""
        self.asked_at = -float("inf")
        """When the cluster was asked for what is known, by the monotonic clock."""
        self.trouble = ""
        """Why it did not answer the last time; empty if it did."""
        self._kubectl = kubectl
        self._interval = interval
        self._tried_at = -float("inf")
        self._workers: Collection[str] = ()

    @property
    def away(self) -> bool:
        """Whether the cluster did not answer, and is left alone for now."""
        return bool(self.trouble) and time.monotonic() - self._tried_at < min(PAUSE, 5 * self._interval)

    def blame(self, trouble: str) -> None:
        """Note that the cluster does not answer."""
        self.trouble, self._tried_at = trouble, time.monotonic()

    def refresh(self, workers: Collection[str], *, urgent: bool = False) -> None:
        """Ask again if it is time to, or at once."""
        now = time.monotonic()
        news = not set(workers) <= set(self._workers)
        if self.away or not workers or not (urgent or news or self.trouble or now - self.asked_at >= self._interval):
            return
        try:
            documents = self._kubectl.look(workers)
        except (AwayError, EngineError) as error:
            self.blame(str(error))
            return
        self.jobs = {_name(each): each for each in documents if each["kind"] == "Job"}
        pods = [each for each in documents if each["kind"] == "Pod"]
        self.pods = {_name(each): each for each in sorted(pods, key=_age)}
        self.asked_at, self.trouble, self._workers = now, "", tuple(workers)


def _name(document: Mapping[str, Any]) -> str:
    return str(document["metadata"]["labels"][NAME])


def _age(document: Mapping[str, Any]) -> str:
    return str(document["metadata"].get("creationTimestamp", ""))
