"""The contract of a storage backend.

A backend keeps what the model describes and applies what the pure functions of this package decide: it fetches the
snapshot that a decision needs, calls the function, and writes the effects, all in one transaction. Everything is
synchronous; methods take batches. Time is an argument (aware datetimes in UTC), so that a backend never reads a clock
inside a decision.

What several methods share:

- A job is *ready* when it is PENDING, visible, has no unmet dependency and no back-off. A back-off ends and a lease
  lapses when ``settle`` has seen its time come, never by itself: until then a late renewal or end still counts. After
  a time without a server ``attend`` puts the lapses off.
- An edge of the graph keeps the name that its parent had when the edge was made. An edge that was met stays met when
  its parent is deleted; another one never will be.
- Every change of a job's status writes one event, of the kind and with the data that ``model.EventKind`` lists.
- What a call means for other jobs (their counts, BLOCKED and back) follows once all that the call itself does is done:
  of a parent and a child that one call cancels, the child is cancelled and never BLOCKED in between.
- Whatever a method leaves to ``settle`` gives the same end result as if it had been done at once.

Errors: methods raise NotFoundError, ConflictError (DuplicateError, IllegalTransitionError, CycleError, StaleFenceError)
and InvalidError as said, always before they write; StorageError when the database itself fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from whatsnext_core.model import (
    Artifact,
    ArtifactSpec,
    ArtifactUpload,
    Assignment,
    Attempt,
    AttemptEnd,
    AttemptNote,
    AttemptRef,
    AttemptStart,
    Client,
    ClientChanges,
    ClientSpec,
    EndOutcome,
    Job,
    JobChanges,
    JobSpec,
    JobStatus,
    LogPiece,
    Project,
    ProjectStatus,
    Task,
)
from whatsnext_core.storage.claims import ClaimRequest, Renewal, Settled
from whatsnext_core.storage.following import CursorKeeper, EventReader
from whatsnext_core.storage.looks import ReasonReader
from whatsnext_core.storage.projects import ProjectKeeper
from whatsnext_core.storage.queries import Demand, JobQuery, LogPart, Page


class Reader(EventReader, ReasonReader, Protocol):
    """A consistent view of what is stored. A job of a batch that is not published yet is nowhere to be seen.

    The same holds for whatever belongs to a project that was deleted, though ``settle`` may not have cleared it away
    yet.
    """

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
        """Return name and status (None: deleted) of each job before this one, by id; NotFoundError if no job."""
        ...

    def children(self, job_id: int, page: Page) -> Sequence[int]:
        """Return the ids of the jobs that depend directly on this one, ascending; NotFoundError if no job."""
        ...

    def counts(self, project_id: int) -> Mapping[JobStatus, int]:
        """Return how many jobs of the project there are in each status, all seven, kept as counters.

        NotFoundError if no project.
        """
        ...

    def pending(self) -> int:
        """Return how many jobs are PENDING in all projects together, archived ones included."""
        ...

    def demand(self, depth: int) -> Sequence[Demand]:
        """Return what jobs that could start now need, of active projects: of each line the first ``depth``, sorted."""
        ...

    def attempts(self, job_id: int) -> Sequence[Attempt]:
        """Return the attempts of a job, oldest first; NotFoundError if no job."""
        ...

    def live_attempts(self, client_id: str) -> Sequence[Attempt]:
        """Return the attempts that the client holds now, by job id; none for an unknown client."""
        ...

    def client(self, client_id: str) -> Client:
        """Return the client; NotFoundError if there is none of that id."""
        ...

    def clients(self, page: Page, *, active_only: bool) -> Sequence[Client]:
        """Return clients by id ascending."""
        ...

    def log(self, job_id: int, fence: int, stream: str, offset: int, limit: int) -> LogPart:
        """Return up to ``limit`` bytes of a stream from ``offset`` up to its end or the next gap.

        An offset in a part that was dropped gives what comes behind it. NotFoundError if no attempt.
        """
        ...

    def artifacts(self, job_id: int, page: Page) -> Sequence[Artifact]:
        """Return the files of a job, by the characters' codes of their names; NotFoundError if no job."""
        ...

    def artifact(self, job_id: int, name: str) -> Artifact:
        """Return the file of that name; NotFoundError if the job has none, or there is no job."""
        ...

    def artifact_bytes(self, upload_id: int, offset: int, limit: int) -> bytes:
        """Return up to ``limit`` bytes of a file from ``offset``, empty at its end; it need not be whole yet.

        NotFoundError if there is none of that number, or another file took its place.
        """
        ...


class Writer(Reader, ProjectKeeper, CursorKeeper, Protocol):
    """A transaction that may write. What it did is kept when its ``with`` block ends well, and undone otherwise."""

    def savepoint(self) -> AbstractContextManager[None]:
        """Return a block whose writes are undone if it raises, without harm to the transaction around it."""
        ...

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def reserve_job_ids(self, count: int) -> Sequence[int]:
        """Return ``count`` ids, ascending, that no other job has or will have."""
        ...

    def submit(
        self, project_id: int, specs: Sequence[JobSpec], now: datetime, submission: int | None = None
    ) -> Sequence[int]:
        """Write new jobs and return their ids in the order given.

        All or nothing: NotFoundError if the project is unknown, InvalidError if a task or dependency is unknown
        or of another project or by ``references.check_references``, ConflictError if the project is archived.
        Specs of one call may depend on each other by reserved ids in any order; the caller has checked them for
        cycles. An id that is given twice or exists already is an InvalidError. Jobs of a ``submission`` stay
        invisible until it is published, and may depend on jobs of its earlier calls; NotFoundError if it is not
        open. Jobs of one call, and of one submission, begin as PENDING for each other; a job is BLOCKED from
        the first by what is outside, in a submission right behind its ``submitted`` event.
        """
        ...

    def open_submission(self, project_id: int, now: datetime) -> int:
        """Begin a batch that is written in several transactions and return its number.

        NotFoundError if no project, ConflictError if it is archived. A batch that is neither published nor discarded
        within ``SUBMISSION_LASTS`` is discarded by ``settle``.
        """
        ...

    def publish_submission(self, submission: int, now: datetime) -> None:
        """Make all jobs of a batch visible at once; ``settle`` then brings them into the queue in small steps.

        InvalidError, and nothing shown, if a dependency was deleted meanwhile; NotFoundError if it is not open;
        ConflictError if the project was archived meanwhile. They are PENDING from now on; ``settle`` writes their
        events.
        """
        ...

    def discard_submission(self, submission: int) -> None:
        """Give a batch up; ``settle`` clears its jobs away in small steps. NotFoundError if it is not open."""
        ...

    def update_job(self, job_id: int, changes: JobChanges, now: datetime) -> Job:
        """Change a job.

        A new status goes by ``states.check_request``: QUEUED claims the job without client and lease if it is ready
        (IllegalTransitionError otherwise), RUNNING starts, COMPLETED and FAILED end the attempt (FAILED with cause
        ``exit``, and the retry policy applies), CANCELLED cancels, PENDING retries an ended job or gives a claimed one
        back (``states.after_release``; its attempt is LOST, and no loss is counted). The status that the job has
        already changes nothing, and so does any other value that is the present one.

        Name and priority can always change; project, task, parameters and dependencies only while the job waits:
        ConflictError otherwise. Of a waiting job the other fields change before its status, else after it.

        InvalidError guards the new task, new dependencies and new parameters (these with the dependencies that
        the job then has) as in ``submit``, CycleError those that would wait for each other; an edge that the
        job has already, with the same condition, stays as it is, even to a deleted job. Another project:
        NotFoundError if it is unknown, ConflictError if it is archived or the job has dependencies or children,
        InvalidError unless ``task_id`` names a task there.
        """
        ...

    def delete_jobs(self, job_ids: Sequence[int], now: datetime) -> int:
        """Delete jobs with all that is theirs and return how many there were; unknown ones are passed over."""
        ...

    def clear_queue(self, project_id: int, now: datetime, limit: int) -> int:
        """Delete up to ``limit`` PENDING jobs of the project and return how many; NotFoundError if no project.

        Newest first, so that what depends goes before what it depends on.
        """
        ...

    def cancel(self, job_ids: Sequence[int], now: datetime) -> Sequence[Job]:
        """Cancel jobs: waiting ones at once, held ones when their client confirms, at once if they have no lease.

        IllegalTransitionError for one that has ended, unless it is CANCELLED already; NotFoundError for an unknown one.
        Then nothing is changed. An ended attempt or job gets the cause ``cancelled`` and ``states.CANCELLED_BY_HAND``.
        """
        ...

    def retry(self, job_ids: Sequence[int], now: datetime) -> Sequence[Job]:
        """Bring FAILED and CANCELLED jobs back; their BLOCKED descendants return to PENDING.

        Counts start anew, and cause, message, exit code, result and times of the last attempt are cleared.
        IllegalTransitionError for a job in any other status; NotFoundError for an unknown one. Then nothing is changed.
        """
        ...

    # -- clients and attempts ------------------------------------------------------------------------------------------

    def register_client(self, spec: ClientSpec, now: datetime) -> Client:
        """Create the client, or update the one of that id and make it active, as ``ClientSpec.register`` says."""
        ...

    def update_client(self, client_id: str, changes: ClientChanges, now: datetime) -> Client:
        """Change a client as ``ClientChanges.apply`` says; NotFoundError if there is none of that id."""
        ...

    def delete_client(self, client_id: str, now: datetime) -> None:
        """Delete a client; the attempts that it holds are lost (``states.after_loss``).

        NotFoundError if there is none.
        """
        ...

    def heartbeat(self, client_id: str, now: datetime) -> Client:
        """Note that a client was heard of, and return it; NotFoundError if there is none of that id."""
        ...

    def claim(self, request: ClaimRequest, now: datetime) -> Sequence[Assignment]:
        """Give ready jobs to a client, best first, each with a new attempt, fence and lease.

        Which ones is decided by ``scheduling.plan_claim``, from the ready jobs of active projects. NotFoundError if a
        client is named and unknown; one that is inactive or drains gets nothing. The plan's reservation replaces the
        client's earlier one and counts for others while the client is active, does not drain, and
        ``RESERVATION_HOLDS``.

        A ``request`` number under which the session already got attempts returns those of them that it still holds, by
        priority descending and then id, and claims nothing.

        Jobs whose parameters ask for results of others (``references``) are handed out with these in place, now and
        for a repeated request; what is stored stays. A job for which something is not there is not handed out: its
        attempt ends by ``references.lacking``, and the claim looks again for others, ``CLAIM_ROUNDS`` at most.
        """
        ...

    def start(self, starts: Sequence[AttemptStart], session_id: str, now: datetime) -> Sequence[AttemptRef]:
        """Note that attempts run, and return those of them that the session does not hold (any more).

        A repeat changes nothing but the handle, if one is given.
        """
        ...

    def renew(self, refs: Sequence[AttemptRef], session_id: str, lease: timedelta, now: datetime) -> Renewal:
        """Renew the leases of a session's attempts, in the order given."""
        ...

    def note(self, notes: Sequence[AttemptNote], session_id: str) -> None:
        """Keep what an engine says of claimed attempts of a session that wait there, as their ``message``.

        Nothing happens to one that runs, has ended, or is not of the session. The start of an attempt clears it.
        """
        ...

    def adopt(
        self, refs: Sequence[AttemptRef], client_id: str, session_id: str, lease: timedelta, now: datetime
    ) -> Renewal:
        """Hand attempts of earlier sessions of the client, proved to run still, to its new session, and renew them.

        The numbers of the requests that claimed them are forgotten: they belonged to the old session.
        """
        ...

    def release(self, refs: Sequence[AttemptRef], session_id: str, now: datetime) -> Sequence[AttemptRef]:
        """Give jobs back that a session holds and did not start, and return those that it does not hold (any more).

        What follows is decided by ``states.after_release``; the attempts are LOST, and no loss is counted.
        """
        ...

    def finish(self, ends: Sequence[AttemptEnd], session_id: str | None, now: datetime) -> Sequence[EndOutcome]:
        """Take in how attempts ended, in the order given; a stale one is not accepted and changes nothing.

        An attempt counts if it is live and of this session (None: of no session). One that ended, and is not LOST, is
        accepted again without effect. The attempt becomes ``states.end_attempt``. What follows is decided by
        ``states.after_success`` and ``states.after_failure``; children's counts change by ``dependencies.change``,
        directly for the nearest ones and by ``settle`` for the rest of a large graph. If a job is FAILED by an end with
        ``stop_siblings``, its ``dependencies.siblings`` that have not ended are cancelled as by ``cancel``: the first
        ones directly, and the rest of a large set by ``settle``, before anything else, unless the job was retried or
        deleted meanwhile.
        """
        ...

    def append_log(
        self,
        ref: AttemptRef,
        stream: str,
        offset: int,
        data: bytes,
        *,
        skipped: int = 0,
        head: int,
        tail: int,
        now: datetime,
    ) -> int:
        """Append bytes to a stream of an attempt at ``offset`` and return the new size.

        Bytes that are there already are skipped, so a repeat is safe; an offset beyond the size is a LogOffsetError
        that carries the right one. ``skipped`` bytes before ``offset`` may be missing, because the sender leaves them
        out: they count in the size and are read as a part that was dropped. The new bytes of one call are one chunk. A
        chunk that lies wholly behind the first ``head`` bytes and before the last ``tail`` bytes is dropped.
        NotFoundError if no attempt; it may have ended.
        """
        ...

    def append_logs(self, pieces: Sequence[LogPiece], *, head: int, tail: int, now: datetime) -> Sequence[int | None]:
        """Append pieces of any streams, each as by ``append_log``, and return the sizes of their streams in that order.

        What that would refuse changes nothing: the size is then None if there is no such attempt, and less than where
        the piece begins if its offset is beyond the end.
        """
        ...

    # -- artifacts -----------------------------------------------------------------------------------------------------

    def open_artifact(self, spec: ArtifactSpec, now: datetime) -> ArtifactUpload:
        """Begin to take in a file.

        If size and checksum are given, and one of the same job, name, size, checksum and fence is being sent already,
        it goes on with that one, the oldest of several. Nobody sees the file before ``finish_artifact``; ``settle``
        clears away what was not finished ``UPLOAD_LASTS`` after its last bytes.

        NotFoundError if no job, or it has no such attempt; StaleFenceError if that attempt is lost, or is not the
        newest one of the job any more.
        """
        ...

    def append_artifact(self, upload_id: int, offset: int, data: bytes, now: datetime) -> int:
        """Append bytes to a file at ``offset`` and return how many there are now; the caller gives a MiB at most.

        Bytes that are there already are skipped, so a repeat is safe; an offset beyond the end is an OffsetError that
        carries the right one. NotFoundError if no such file is being sent, TooLargeError if it gets larger than it
        was said to be, StaleFenceError as for ``open_artifact``.
        """
        ...

    def finish_artifact(self, upload_id: int, sha256: str, now: datetime) -> Artifact:
        """Show a file that is whole, in the place of an older one of its name, whose bytes ``settle`` clears away.

        ``sha256`` is what the caller found its bytes to have: it has read them, outside of this transaction.
        InvalidError, and the file is kept as it is, if that or its size is not what was said when it was begun.
        NotFoundError and StaleFenceError as for ``append_artifact``.
        """
        ...

    def discard_artifact(self, upload_id: int) -> None:
        """Give up a file that is being sent, if it still is; ``settle`` clears its bytes away in small steps."""
        ...

    def delete_artifact(self, job_id: int, name: str) -> None:
        """Delete a file; NotFoundError as for ``artifact``. ``settle`` clears its bytes away in small steps."""
        ...

    # -- housekeeping --------------------------------------------------------------------------------------------------

    def attend(self, now: datetime, *, gap: timedelta, grace: timedelta) -> timedelta | None:
        """Note that a server is there, and return how long none was, if that is more than ``gap``; else None.

        What follows is decided by ``attendance.attend``: after an absence ``settle`` lets no lease lapse for ``grace``,
        whenever it was to, so that those who hold one have that long to be heard. Of several servers one is enough.
        """
        ...

    def settle(self, now: datetime, limit: int) -> Settled:
        """Do up to ``limit`` small pieces of what is due.

        Siblings to be stopped, lapsed leases (``states.after_loss``), ended back-offs, published batches that go into
        the queue, large graphs whose fate is being passed on, and what was deleted, replaced, discarded or abandoned.
        """
        ...

    def prune(self, before: datetime, limit: int) -> int:
        """Delete up to ``limit`` jobs that ended before a time, the earliest first, with all that is theirs.

        A job on which a PENDING or BLOCKED job depends (or an unpublished one) stays. Events from before that time of
        jobs that are gone go too. Returns how many jobs there were; no event tells of it.
        """
        ...


@runtime_checkable
class Storage(Protocol):
    """A storage backend, open for use by several threads."""

    def read(self) -> AbstractContextManager[Reader]:
        """Return a block with a consistent view; blocks of several threads do not wait for each other."""
        ...

    def write(self) -> AbstractContextManager[Writer]:
        """Return a block that is one transaction. Once it ends well, what it did survives a power cut.

        TransientStorageError, from any method inside or from the end of the block, means that it met a transaction of
        another server: all that it did is undone, savepoints or not, and the whole block may be run again.
        UncertainStorageError, from the end of the block, means that nobody knows whether it was kept. After any other
        error nothing of it was.
        """
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


@runtime_checkable
class NearStorage(Storage, Protocol):
    """A storage on a disk of this machine: it can write a little without waiting for anybody but that disk.

    A server that has nothing else to do then writes at once, instead of waking a thread for it and being woken again.
    """

    def write_at_once(self) -> AbstractContextManager[Writer]:
        """Return a block as ``write`` does; TransientStorageError at its beginning if somebody else writes now."""
        ...
