"""The contract of a storage backend.

A backend keeps what the model describes and applies what the pure functions of this package decide: it fetches the
snapshot that a decision needs, calls the function, and writes the effects, all in one transaction. Everything is
synchronous; methods take batches. Time is an argument (aware datetimes in UTC), so that a backend never reads a clock
inside a decision.

Errors: methods raise NotFoundError, ConflictError (DuplicateError, IllegalTransitionError, CycleError, StaleFenceError)
and InvalidError as said, always before they write; StorageError when the database itself fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from whatsnext_core.model import (
    Assignment,
    Attempt,
    AttemptEnd,
    AttemptRef,
    AttemptStart,
    Client,
    ClientChanges,
    ClientSpec,
    EndOutcome,
    Event,
    Job,
    JobChanges,
    JobSpec,
    JobStatus,
    Project,
    ProjectChanges,
    ProjectStatus,
    Task,
    TaskSpec,
)
from whatsnext_core.storage.claims import ClaimRequest, Renewal, Settled
from whatsnext_core.storage.queries import JobQuery, Page


class Reader(Protocol):
    """A consistent view of what is stored. A job of a batch that is not published yet is nowhere to be seen."""

    def project(self, project_id: int) -> Project:
        """Return the project; NotFoundError if there is none of that id."""
        ...

    def project_named(self, name: str) -> Project:
        """Return the project of that name; NotFoundError if there is none."""
        ...

    def projects(self, page: Page, status: ProjectStatus | None = None) -> Sequence[Project]:
        """Return projects by id ascending."""
        ...

    def task(self, task_id: int) -> Task:
        """Return the task; NotFoundError if there is none of that id."""
        ...

    def task_named(self, project_id: int, name: str) -> Task:
        """Return the task of that name in the project; NotFoundError if there is none."""
        ...

    def tasks(self, page: Page, project_id: int | None = None) -> Sequence[Task]:
        """Return tasks by id ascending."""
        ...

    def job(self, job_id: int) -> Job:
        """Return the job; NotFoundError if there is none of that id."""
        ...

    def jobs(self, query: JobQuery) -> Sequence[Job]:
        """Return the jobs that the query describes, in its order."""
        ...

    def dependencies(self, job_id: int) -> Mapping[int, tuple[str, JobStatus | None]]:
        """Return name and status of each job before this one; None for one that was deleted. NotFoundError if no job."""
        ...

    def children(self, job_id: int, page: Page) -> Sequence[int]:
        """Return the ids of the jobs that depend directly on this one, ascending."""
        ...

    def counts(self, project_id: int) -> Mapping[JobStatus, int]:
        """Return how many jobs of the project there are in each status, kept as counters; NotFoundError if no project."""
        ...

    def attempts(self, job_id: int) -> Sequence[Attempt]:
        """Return the attempts of a job, oldest first; NotFoundError if no job."""
        ...

    def live_attempts(self, client_id: str) -> Sequence[Attempt]:
        """Return the attempts that the client holds now, by job id."""
        ...

    def client(self, client_id: str) -> Client:
        """Return the client; NotFoundError if there is none of that id."""
        ...

    def clients(self, page: Page, *, active_only: bool) -> Sequence[Client]:
        """Return clients by id ascending."""
        ...

    def events(self, after: int, limit: int, project_id: int | None = None) -> Sequence[Event]:
        """Return events with a number above ``after``, ascending."""
        ...

    def log(self, job_id: int, fence: int, stream: str, offset: int, limit: int) -> tuple[bytes, int]:
        """Return up to ``limit`` bytes of a stream from ``offset``, and the size of what was received so far.

        Bytes that were dropped over the cap read as the marker that ``append_log`` describes. NotFoundError if no attempt.
        """
        ...


class Writer(Reader, Protocol):
    """A transaction that may write. What it did is kept when its ``with`` block ends well, and undone otherwise."""

    def savepoint(self) -> AbstractContextManager[None]:
        """Return a block whose writes are undone if it raises, without harm to the transaction around it."""
        ...

    # -- projects and tasks --------------------------------------------------------------------------------------------

    def create_project(self, name: str, description: str, now: datetime) -> Project:
        """Create a project; DuplicateError if the name is taken."""
        ...

    def update_project(self, project_id: int, changes: ProjectChanges, now: datetime) -> Project:
        """Change a project; DuplicateError if the new name is taken."""
        ...

    def delete_project(self, project_id: int) -> None:
        """Delete a project with all that it holds. It is gone at once; what it held may be cleared away by ``settle``."""
        ...

    def create_task(self, project_id: int, spec: TaskSpec, now: datetime) -> Task:
        """Create a task; NotFoundError if no project, DuplicateError if the name is taken in it."""
        ...

    def update_task(self, task_id: int, spec: TaskSpec, now: datetime) -> Task:
        """Replace what a person said of a task; its ready jobs move to the line of the new requirement."""
        ...

    def delete_task(self, task_id: int) -> None:
        """Delete a task and its ended jobs; ConflictError while it has jobs that have not ended."""
        ...

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def reserve_job_ids(self, count: int) -> Sequence[int]:
        """Return ``count`` ids, ascending, that no other job has or will have."""
        ...

    def submit(
        self, project_id: int, specs: Sequence[JobSpec], now: datetime, submission: int | None = None
    ) -> Sequence[int]:
        """Write new jobs and return their ids in the order given.

        All or nothing: NotFoundError if the project is unknown, InvalidError if a task or dependency is unknown or of
        another project, ConflictError if the project is archived. Specs of one call may depend on each other by
        reserved ids in any order; the caller has checked them for cycles. Jobs of a ``submission`` stay invisible.
        """
        ...

    def open_submission(self, project_id: int, now: datetime) -> int:
        """Begin a batch that is written in several transactions and return its number."""
        ...

    def publish_submission(self, submission: int, now: datetime) -> None:
        """Make all jobs of a batch visible at once; ``settle`` then brings them into the queue in small steps.

        InvalidError, and nothing shown, if a dependency was deleted meanwhile.
        """
        ...

    def discard_submission(self, submission: int) -> None:
        """Give a batch up; ``settle`` clears its jobs away in small steps."""
        ...

    def update_job(self, job_id: int, changes: JobChanges, now: datetime) -> Job:
        """Change a job.

        A new status goes by the table of transitions: QUEUED claims the job without a lease if it is ready, RUNNING
        starts, COMPLETED and FAILED end the attempt (FAILED with cause ``exit``, and the retry policy applies), CANCELLED
        cancels, PENDING retries an ended job or gives a claimed one back. Anything else of a job that has ended or is held
        by a client can change too, except project, task, parameters and dependencies: ConflictError.

        CycleError and InvalidError guard new dependencies as in ``submit``.
        """
        ...

    def delete_jobs(self, job_ids: Sequence[int], now: datetime) -> int:
        """Delete jobs and return how many there were. A held one loses its attempt; edges to them that are not met never will be."""
        ...

    def clear_queue(self, project_id: int, now: datetime, limit: int) -> int:
        """Delete up to ``limit`` PENDING jobs of the project and return how many; NotFoundError if no project."""
        ...

    def cancel(self, job_ids: Sequence[int], now: datetime) -> Sequence[Job]:
        """Cancel jobs: waiting ones at once, held ones when their client confirms, at once if they have no lease.

        IllegalTransitionError for one that has ended, unless it is CANCELLED already; NotFoundError for an unknown one.
        """
        ...

    def retry(self, job_ids: Sequence[int], now: datetime) -> Sequence[Job]:
        """Bring FAILED and CANCELLED jobs back with fresh counts; their BLOCKED descendants return to PENDING.

        IllegalTransitionError for a job in any other status; NotFoundError for an unknown one.
        """
        ...

    # -- clients and attempts ------------------------------------------------------------------------------------------

    def register_client(self, spec: ClientSpec, now: datetime) -> Client:
        """Create the client, or update the one of that id and make it active."""
        ...

    def update_client(self, client_id: str, changes: ClientChanges, now: datetime) -> Client:
        """Change a client; NotFoundError if there is none of that id."""
        ...

    def delete_client(self, client_id: str, now: datetime) -> None:
        """Delete a client; the attempts that it holds are lost, and their jobs return to the queue."""
        ...

    def heartbeat(self, client_id: str, now: datetime) -> None:
        """Note that a client was heard of; NotFoundError if there is none of that id."""
        ...

    def claim(self, request: ClaimRequest, now: datetime) -> Sequence[Assignment]:
        """Give ready jobs to a client, best first, each with a new attempt, fence and lease.

        Which ones is decided by ``scheduling.plan_claim``. A repeated ``request`` number of a session returns the live
        attempts that it claimed the first time, and claims nothing.
        """
        ...

    def start(self, starts: Sequence[AttemptStart], session_id: str, now: datetime) -> Sequence[AttemptRef]:
        """Note that attempts run, and return those of them that the session does not hold any more."""
        ...

    def renew(self, refs: Sequence[AttemptRef], session_id: str, lease: timedelta, now: datetime) -> Renewal:
        """Renew the leases of a session's attempts."""
        ...

    def adopt(
        self, refs: Sequence[AttemptRef], client_id: str, session_id: str, lease: timedelta, now: datetime
    ) -> Renewal:
        """Hand attempts of earlier sessions of the client, that it proved to run still, to its new session."""
        ...

    def finish(self, ends: Sequence[AttemptEnd], session_id: str | None, now: datetime) -> Sequence[EndOutcome]:
        """Take in how attempts ended, in the order given; a stale one is not accepted and changes nothing.

        What follows is decided by ``states.after_success`` and ``states.after_failure``; children's counts change by
        ``dependencies.change``, directly for the nearest ones and by ``settle`` for the rest of a large graph.
        """
        ...

    def append_log(
        self, ref: AttemptRef, stream: str, offset: int, data: bytes, *, head: int, tail: int, now: datetime
    ) -> int:
        """Append bytes to a stream of an attempt at ``offset`` and return the new size.

        Bytes that are there already are skipped, so a repeat is safe; an offset beyond the size is a ConflictError that
        names the right one. Of a stream the first ``head`` and the last ``tail`` bytes are kept (whole chunks, so up to a
        chunk more); what is between is dropped. NotFoundError if no attempt.
        """
        ...

    # -- housekeeping --------------------------------------------------------------------------------------------------

    def settle(self, now: datetime, limit: int) -> Settled:
        """Do up to ``limit`` small pieces of what is due.

        Lapsed leases (``states.after_loss``), ended back-offs, published batches that go into the queue, large graphs
        whose fate is being passed on, and what was deleted or discarded.
        """
        ...

    def prune(self, before: datetime, limit: int) -> int:
        """Delete up to ``limit`` jobs that ended before a time and that nobody waits for, with attempts, logs and events."""
        ...


@runtime_checkable
class Storage(Protocol):
    """A storage backend, open for use by several threads."""

    def read(self) -> AbstractContextManager[Reader]:
        """Return a block with a consistent view; blocks of several threads do not wait for each other."""
        ...

    def write(self) -> AbstractContextManager[Writer]:
        """Return a block that is one transaction. Once it ends well, what it did survives a power cut."""
        ...

    def clock(self) -> datetime:
        """Return the time that all servers of this database agree on, in UTC."""
        ...

    def check(self) -> None:
        """Raise StorageError unless the database answers."""
        ...

    def close(self) -> None:
        """Release everything; the storage is not used afterwards."""
        ...
