"""What the scenarios are told with: a storage, a clock that stands still until it is moved, and short words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar

from whatsnext_core.errors import TransientStorageError
from whatsnext_core.model import (
    Artifact,
    ArtifactSpec,
    ArtifactUpload,
    Assignment,
    Attempt,
    AttemptEnd,
    AttemptRef,
    AttemptStart,
    Capacity,
    Cause,
    Client,
    ClientChanges,
    ClientSpec,
    Condition,
    Cursor,
    EndOutcome,
    Event,
    EventKind,
    Job,
    JobChanges,
    JobSpec,
    JobStatus,
    LogPiece,
    Project,
    Requirement,
    RetryPolicy,
    Task,
    TaskSpec,
)
from whatsnext_core.scheduling import Offer
from whatsnext_core.storage import ClaimRequest, JobQuery, LogPart, Page, Reader, Renewal, Settled, Storage, Writer

T = TypeVar("T")
START = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
"""When every story begins; with microseconds, which a storage must keep."""
LEASE = timedelta(seconds=90)
"""How long leases are in the stories."""
STEADY = RetryPolicy(retries=2, delay=10, factor=2, jitter=0)
"""A policy whose back-offs are 10 and 20 seconds sharp."""


class Story:
    """A storage and its present time. Each word is one transaction."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.now = START

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def read(self, ask: Callable[[Reader], T]) -> T:
        """Return what a reader answers."""
        with self.storage.read() as reader:
            return ask(reader)

    def write(self, act: Callable[[Writer], T]) -> T:
        """Return what a writer answers, once it is committed; a transaction that met another one runs again."""
        while True:
            try:
                with self.storage.write() as writer:
                    return act(writer)
            except TransientStorageError:
                continue

    def project(self, name: str = "project") -> Project:
        """Create a project."""
        return self.write(lambda writer: writer.create_project(name, f"about {name}", self.now))

    def task(self, name: str = "task", *, project: Project | None = None, **spec: Any) -> Task:
        """Create a task, in a project of its own if none is given; ``cpu`` and the like make its requirement."""
        needs = {key: spec.pop(key) for key in ("cpu", "accelerators", "memory", "labels") if key in spec}
        task_spec = TaskSpec(name=name, **{"requirement": Requirement(**needs), **spec})
        project_id = (project or self.project(f"project of {name}")).id
        return self.write(lambda writer: writer.create_task(project_id, task_spec, self.now))

    def submit(self, *specs: JobSpec, submission: int | None = None) -> Sequence[int]:
        """Submit jobs to the project of the first one's task."""
        project_id = self.read(lambda reader: reader.task(specs[0].task_id)).project_id
        return self.write(lambda writer: writer.submit(project_id, specs, self.now, submission))

    def job(
        self, task: Task, *, after: Sequence[int] = (), condition: Condition = Condition.SUCCESS, **spec: Any
    ) -> int:
        """Submit one job, behind the jobs ``after``."""
        spec = {"name": "job", "depends": dict.fromkeys(after, condition), **spec}
        return self.submit(JobSpec(task_id=task.id, **spec))[0]

    def jobs(self, task: Task, count: int) -> Sequence[int]:
        """Submit several equal jobs in one call."""
        return self.submit(*(JobSpec(name=f"job {number}", task_id=task.id) for number in range(count)))

    def reserve(self, count: int) -> Sequence[int]:
        """Return reserved ids."""
        return self.write(lambda writer: writer.reserve_job_ids(count))

    def client(self, client_id: str = "worker", *, cpu: int = 4, **spec: Any) -> Client:
        """Register a client."""
        spec = {"id": client_id, "name": client_id, "available_cpu": cpu, **spec}
        return self.write(lambda writer: writer.register_client(ClientSpec(**spec), self.now))

    def claim(
        self,
        client: str | None = "worker",
        *,
        cpu: int = 4,
        limit: int = 100,
        session: str | None = "session",
        free: Capacity | None = None,
        total: Capacity | None = None,
        lease: timedelta | None = LEASE,
        ignore: bool = False,
        time_left: float | None = None,
        **request: Any,
    ) -> Sequence[Assignment]:
        """Claim jobs for a client that is there already."""
        free = free or Capacity(cpu=cpu)
        ignored = {"ignore_cpu": ignore, "ignore_accelerators": ignore}
        offer = Offer(free=free, total=total or free, limit=limit, time_left=time_left, **ignored)
        asked = ClaimRequest(offer=offer, client_id=client, session_id=session, lease=lease, **request)
        return self.write(lambda writer: writer.claim(asked, self.now))

    def take(self, *, client: str = "worker", **claim: Any) -> Assignment:
        """Register a client and claim the best job."""
        self.client(client)
        (taken,) = self.claim(client, limit=1, **claim)
        return taken

    def start(self, *taken: Assignment | AttemptRef, session: str = "session") -> Sequence[AttemptRef]:
        """Report that attempts run."""
        starts = [AttemptStart(job_id=ref.job_id, fence=ref.fence) for ref in map(ref_of, taken)]
        return self.write(lambda writer: writer.start(starts, session, self.now))

    def end(
        self,
        taken: Assignment | AttemptRef,
        cause: Cause | None = None,
        *,
        session: str | None = "session",
        **end: Any,
    ) -> EndOutcome:
        """Report how an attempt ended: well, unless there is a cause."""
        ref = ref_of(taken)
        report = AttemptEnd(job_id=ref.job_id, fence=ref.fence, succeeded=cause is None, cause=cause, **end)
        (outcome,) = self.write(lambda writer: writer.finish([report], session, self.now))
        return outcome

    def finish(self, job_id: int, status: JobStatus = JobStatus.COMPLETED) -> None:
        """Bring a ready job to its end: claimed and ended by hand, or cancelled."""
        if status is not JobStatus.CANCELLED:
            self.change(job_id, status=JobStatus.QUEUED)
        self.change(job_id, status=status)

    def change(self, job_id: int, **changes: Any) -> Job:
        """Change a job."""
        return self.write(lambda writer: writer.update_job(job_id, JobChanges(**changes), self.now))

    def cancel(self, *job_ids: int) -> Sequence[Job]:
        """Cancel jobs."""
        return self.write(lambda writer: writer.cancel(job_ids, self.now))

    def retry(self, *job_ids: int) -> Sequence[Job]:
        """Retry jobs."""
        return self.write(lambda writer: writer.retry(job_ids, self.now))

    def delete(self, *job_ids: int) -> int:
        """Delete jobs."""
        return self.write(lambda writer: writer.delete_jobs(job_ids, self.now))

    def attend(self, *, gap: float = 30, grace: timedelta = LEASE) -> timedelta | None:
        """Note that a server is there."""
        return self.write(lambda writer: writer.attend(self.now, gap=timedelta(seconds=gap), grace=grace))

    def settle(self, limit: int = 1_000) -> Settled:
        """Settle until nothing is due any more, and return what the last step said."""
        while True:
            settled = self.write(lambda writer: writer.settle(self.now, limit))
            if not settled.more:
                return settled

    def see(self, job_id: int) -> Job:
        """Return a job."""
        return self.read(lambda reader: reader.job(job_id))

    def status(self, job_id: int) -> JobStatus:
        """Return the status of a job."""
        return self.see(job_id).status

    def statuses(self, job_ids: Sequence[int]) -> list[JobStatus]:
        """Return the statuses of jobs."""
        return [self.status(job_id) for job_id in job_ids]

    def ready(self) -> list[int]:
        """Return the jobs that a claim would get now, best first, without claiming them."""
        found: list[int] = []
        free = Capacity(cpu=4_000, memory=2**50)
        offer = Offer(free=free, total=free, limit=1_000, ignore_accelerators=True)

        def look(writer: Writer) -> None:
            found[:] = [taken.job.id for taken in writer.claim(ClaimRequest(offer=offer), self.now)]
            raise _NotMeantError

        with suppress(_NotMeantError):
            self.write(look)
        return found

    def found(self, **query: Any) -> list[int]:
        """Return the ids of the jobs that a query finds."""
        return [job.id for job in self.read(lambda reader: reader.jobs(JobQuery(**query)))]

    def counts(self, project_id: int) -> Mapping[JobStatus, int]:
        """Return the counts of a project."""
        return self.read(lambda reader: reader.counts(project_id))

    def attempts(self, job_id: int) -> Sequence[Attempt]:
        """Return the attempts of a job."""
        return self.read(lambda reader: reader.attempts(job_id))

    def append(
        self,
        ref: AttemptRef,
        offset: int,
        data: bytes,
        stream: str = "stdout",
        *,
        skipped: int = 0,
        head: int = 100,
        tail: int = 100,
    ) -> int:
        """Append to a log."""
        return self.write(
            lambda writer: writer.append_log(
                ref, stream, offset, data, skipped=skipped, head=head, tail=tail, now=self.now
            )
        )

    def append_pieces(self, *pieces: LogPiece, head: int = 100, tail: int = 100) -> Sequence[int | None]:
        """Append to several logs."""
        return self.write(lambda writer: writer.append_logs(pieces, head=head, tail=tail, now=self.now))

    def log(self, ref: AttemptRef, offset: int = 0, limit: int = 1_000, stream: str = "stdout") -> LogPart:
        """Read from a log."""
        return self.read(lambda reader: reader.log(ref.job_id, ref.fence, stream, offset, limit))

    def open_upload(self, job_id: int, name: str, **said: Any) -> ArtifactUpload:
        """Begin to send a file."""
        spec = ArtifactSpec(job_id=job_id, name=name, **said)
        return self.write(lambda writer: writer.open_artifact(spec, self.now))

    def send(self, upload_id: int, offset: int, data: bytes) -> int:
        """Send a piece of a file."""
        return self.write(lambda writer: writer.append_artifact(upload_id, offset, data, self.now))

    def show(self, upload_id: int, content: bytes) -> Artifact:
        """Finish a file that has this content."""
        found = sha256(content).hexdigest()
        return self.write(lambda writer: writer.finish_artifact(upload_id, found, self.now))

    def upload(self, job_id: int, name: str, content: bytes, **said: Any) -> Artifact:
        """Send a whole file, in one piece."""
        upload = self.open_upload(job_id, name, **said)
        self.send(upload.id, 0, content)
        return self.show(upload.id, content)

    def file(self, job_id: int, name: str) -> Artifact:
        """Return a file of a job."""
        return self.read(lambda reader: reader.artifact(job_id, name))

    def files(self, job_id: int) -> list[Artifact]:
        """Return the files of a job."""
        return list(self.read(lambda reader: reader.artifacts(job_id, Page())))

    def bytes_of(self, artifact: Artifact) -> bytes:
        """Return what is in a file."""
        return self.read(lambda reader: reader.artifact_bytes(artifact.id, 0, artifact.size + 1))

    def open(self, task: Task) -> int:
        """Open a submission in the project of a task."""
        return self.write(lambda writer: writer.open_submission(task.project_id, self.now))

    def publish(self, submission: int) -> None:
        """Publish a submission."""
        self.write(lambda writer: writer.publish_submission(submission, self.now))

    def discard(self, submission: int) -> None:
        """Discard a submission."""
        self.write(lambda writer: writer.discard_submission(submission))

    def change_client(self, client_id: str = "worker", **changes: Any) -> Client:
        """Change a client."""
        return self.write(lambda writer: writer.update_client(client_id, ClientChanges(**changes), self.now))

    def renew(self, *refs: AttemptRef, session: str = "session", lease: timedelta = LEASE) -> Renewal:
        """Renew leases."""
        return self.write(lambda writer: writer.renew(refs, session, lease, self.now))

    def take_cursor(self, name: str, holder: str) -> Cursor:
        """Take a cursor, or renew it."""
        return self.write(lambda writer: writer.take_cursor(name, holder, LEASE, self.now))

    def move_cursor(self, name: str, holder: str, place: int, **failed: Any) -> Cursor:
        """Move a cursor."""
        return self.write(lambda writer: writer.move_cursor(name, holder, place, LEASE, self.now, **failed))

    def events(self, job_id: int | None = None, after: int = 0) -> list[Event]:
        """Return the events of a job, or all."""
        found = self.read(lambda reader: reader.events(after, 10_000))
        return [event for event in found if job_id in {None, event.job_id}]

    def kinds(self, job_id: int) -> list[EventKind]:
        """Return what happened to a job."""
        return [event.kind for event in self.events(job_id)]


class _NotMeantError(Exception):
    """Ends a transaction that only looked."""


def ref_of(taken: Assignment | AttemptRef) -> AttemptRef:
    """Return the reference of an attempt."""
    return taken if isinstance(taken, AttemptRef) else AttemptRef(job_id=taken.job.id, fence=taken.fence)
