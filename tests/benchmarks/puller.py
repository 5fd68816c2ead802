"""A worker without jobs: it speaks the workers' protocol over one connection, and does nothing between."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from whatsnext.api.client import Project, Server

Claimed = tuple[int, int]
"""Id and fence of a job that was claimed."""


class Puller:
    """One session of a registered client with room for any number of jobs of one project, or of all."""

    def __init__(self, server: Server, project: Project | None, *, name: str = "puller", cpus: int = 65_536) -> None:
        self._rest = server.rest
        self._id = f"{name}-{secrets.token_hex(4)}"
        self._session = secrets.token_hex(8)
        self._project_ids = None if project is None else [project.id]
        self._cpus = cpus
        self.requests = 0
        self.pending = 0
        """Jobs that waited in the project at the last answer, those included that are still brought into the queue."""
        self._rest.register({"id": self._id, "name": name, "available_cpu": cpus})

    def exchange(
        self, ended: Sequence[Claimed] = (), *, want: int = 0, running: Sequence[Claimed] = (), fail: bool = False
    ) -> list[Claimed]:
        """Report jobs as completed, or as failed, and claim up to so many."""
        end = {"succeeded": False, "cause": "exit", "exit_code": 1} if fail else {"succeeded": True}
        self.requests += 1
        body: dict[str, Any] = {
            "session_id": self._session,
            "request": self.requests,
            "total": {"cpu": self._cpus},
            "free": {"cpu": self._cpus - len(running)},
            "want": want,
            "wait": 0,
            "project_ids": self._project_ids,
            "running": [{"job_id": job, "fence": fence} for job, fence in running],
            "ended": [{"job_id": job, "fence": fence, **end} for job, fence in ended],
        }
        answer = self._rest.sync(self._id, body, timeout=60)
        self.pending = answer["num_pending"]
        return [(each["job"]["id"], each["fence"]) for each in answer["assignments"]]

    def drain(self, batch: int, work: Callable[[], None] | None = None) -> int:
        """Claim and complete jobs, so many with each request, until none is left; give how many there were."""
        done = 0
        claimed = self.exchange(want=batch)
        while claimed or self.pending:
            if work is not None:
                for _ in claimed:
                    work()
            done += len(claimed)
            claimed = self.exchange(claimed, want=batch)
        return done


def drain_at_once(
    server: Server, project: Project, batch: int, work: Callable[[], None] | None = None, *, sessions: int = 2
) -> int:
    """Let several sessions claim and complete jobs until none is left, so that the server works while one reads."""
    pullers = [Puller(server, project) for _ in range(sessions)]
    with ThreadPoolExecutor(sessions) as pool:
        return sum(pool.map(lambda puller: puller.drain(batch, work), pullers))
