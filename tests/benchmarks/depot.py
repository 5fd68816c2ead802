"""A storage used without a server, by the calls that the server makes of it: what is left out is only HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

from whatsnext_core.model import Assignment, AttemptEnd, Capacity, ClientSpec, Condition, JobSpec, Requirement, TaskSpec
from whatsnext_core.scheduling import Offer
from whatsnext_core.storage import ClaimRequest, Storage
from whatsnext_storage_sql.config import SQLConfig
from whatsnext_storage_sql.database import open_storage

SLICE = 2_000
"""Jobs that are submitted in one transaction."""
LEASE = timedelta(seconds=90)
ROOMY = Capacity(cpu=2_000)


class Depot:
    """A project with two tasks: one that fits its client, and one that needs too much."""

    def __init__(self, storage: Storage, name: str) -> None:
        self.storage = storage
        self._requests = 0
        now = storage.clock()
        with storage.write() as writer:
            self.project_id = writer.create_project(name, "", now).id
            self.task_id = writer.create_task(self.project_id, TaskSpec(name="idle"), now).id
            wide = TaskSpec(name="wide", requirement=Requirement(cpu=60_000))
            self.wide_id = writer.create_task(self.project_id, wide, now).id
            self._client_id = f"client-of-{self.project_id}"
            writer.register_client(ClientSpec(id=self._client_id, name=name, available_cpu=ROOMY.cpu), now)

    def fill(self, jobs: int, *, wide: bool = False, priority: int = 0) -> None:
        """Submit so many ready jobs."""
        task_id = self.wide_id if wide else self.task_id
        for start in range(0, jobs, SLICE):
            number = min(SLICE, jobs - start)
            self.submit([JobSpec(name="idle", task_id=task_id, priority=priority) for _ in range(number)])

    def submit(self, specs: Sequence[JobSpec]) -> Sequence[int]:
        """Submit jobs in one transaction."""
        with self.storage.write() as writer:
            return writer.submit(self.project_id, specs, self.storage.clock())

    def reserve(self, number: int) -> Sequence[int]:
        """Ids for jobs that depend on each other."""
        with self.storage.write() as writer:
            return writer.reserve_job_ids(number)

    def spec(self, number: int, parents: Sequence[int]) -> JobSpec:
        """A job with an id of its own that waits for others."""
        depends: Mapping[int, Condition] = dict.fromkeys(parents, Condition.SUCCESS)
        return JobSpec(id=number, name="idle", task_id=self.task_id, depends=depends)

    def claim(self, limit: int) -> Sequence[Assignment]:
        """Claim up to so many jobs in one transaction."""
        self._requests += 1
        request = ClaimRequest(
            offer=Offer(free=ROOMY, total=ROOMY, limit=limit),
            project_ids=(self.project_id,),
            client_id=self._client_id,
            session_id=f"session-{self.project_id}",
            request=self._requests,
            lease=LEASE,
        )
        with self.storage.write() as writer:
            return writer.claim(request, self.storage.clock())

    def finish(self, given: Sequence[Assignment]) -> None:
        """Complete claimed jobs in one transaction."""
        ends = [AttemptEnd(job_id=each.job.id, fence=each.fence, succeeded=True) for each in given]
        with self.storage.write() as writer:
            writer.finish(ends, f"session-{self.project_id}", self.storage.clock())

    def drain(self, batch: int) -> int:
        """Claim and complete jobs until none is ready; give how many there were."""
        done = 0
        while given := self.claim(batch):
            self.finish(given)
            done += len(given)
            while self._settle():
                pass
        return done

    def claims_per_second(self, number: int) -> float:
        """Claims of one job each, one after the other."""
        return number / sum(self.claim_times(number))

    def claim_times(self, number: int) -> list[float]:
        """Seconds of each of so many claims of one job."""
        found = []
        for _ in range(number):
            begin = time.perf_counter()
            given = self.claim(1)
            found.append(time.perf_counter() - begin)
            assert len(given) == 1, "the queue ran dry"
        return found

    def _settle(self) -> bool:
        with self.storage.write() as writer:
            return writer.settle(self.storage.clock(), 1024).more


@contextmanager
def opened(url: str) -> Iterator[Storage]:
    """The storage at a database URL."""
    storage = open_storage(url, SQLConfig(upgrade=True))
    try:
        yield storage
    finally:
        storage.close()
