"""A transaction on the storage in memory: each method hands over to the part that knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from whatsnext_core.memory import (
    artifacts,
    attempts,
    clients,
    cursors,
    jobs,
    logs,
    projects,
    settling,
    stopping,
    submitting,
)
from whatsnext_core.memory.reader import MemoryReader
from whatsnext_core.model import (
    Artifact,
    ArtifactSpec,
    ArtifactUpload,
    Assignment,
    AttemptEnd,
    AttemptNote,
    AttemptRef,
    AttemptStart,
    Client,
    ClientChanges,
    ClientSpec,
    Cursor,
    EndOutcome,
    Job,
    JobChanges,
    JobSpec,
    LogPiece,
    Project,
    ProjectChanges,
    Task,
    TaskSpec,
)
from whatsnext_core.storage import ClaimRequest, Renewal, Settled


class MemoryWriter(MemoryReader):
    """A transaction; ``MemoryStorage`` keeps or undoes what it did."""

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the block did if it raises."""
        mark = self._state.journal.mark()
        try:
            yield
        except BaseException:
            self._state.journal.undo_to(mark)
            raise

    def create_project(self, name: str, description: str, now: datetime) -> Project:
        """Create a project."""
        return projects.create_project(self._state, name, description, now)

    def update_project(self, project_id: int, changes: ProjectChanges, now: datetime) -> Project:
        """Change a project."""
        return projects.update_project(self._state, project_id, changes, now)

    def delete_project(self, project_id: int) -> None:
        """Delete a project with all that it holds."""
        projects.delete_project(self._state, project_id)

    def create_task(self, project_id: int, spec: TaskSpec, now: datetime) -> Task:
        """Create a task."""
        return projects.create_task(self._state, project_id, spec, now)

    def update_task(self, task_id: int, spec: TaskSpec, now: datetime) -> Task:
        """Replace what a person said of a task."""
        return projects.update_task(self._state, task_id, spec, now)

    def delete_task(self, task_id: int) -> None:
        """Delete a task and its ended jobs."""
        projects.delete_task(self._state, task_id)

    def reserve_job_ids(self, count: int) -> Sequence[int]:
        """Return new ids, ascending."""
        return submitting.reserve_job_ids(self._state, count)

    def submit(
        self, project_id: int, specs: Sequence[JobSpec], now: datetime, submission: int | None = None
    ) -> Sequence[int]:
        """Write new jobs and return their ids in the order given."""
        return submitting.submit(self._state, project_id, specs, now, submission)

    def open_submission(self, project_id: int, now: datetime) -> int:
        """Begin a batch that is written in several transactions."""
        return submitting.open_submission(self._state, project_id, now)

    def publish_submission(self, submission: int, now: datetime) -> None:  # noqa: ARG002 - nothing is dated here
        """Make all jobs of a batch visible at once."""
        submitting.publish_submission(self._state, submission)

    def discard_submission(self, submission: int) -> None:
        """Give a batch up."""
        submitting.discard_submission(self._state, submission)

    def update_job(self, job_id: int, changes: JobChanges, now: datetime) -> Job:
        """Change a job."""
        with self.savepoint():
            return jobs.update_job(self._state, job_id, changes, now)

    def delete_jobs(self, job_ids: Sequence[int], now: datetime) -> int:
        """Delete jobs and return how many there were."""
        return jobs.delete_jobs(self._state, job_ids, now)

    def clear_queue(self, project_id: int, now: datetime, limit: int) -> int:
        """Delete up to ``limit`` PENDING jobs of a project."""
        return jobs.clear_queue(self._state, project_id, now, limit)

    def cancel(self, job_ids: Sequence[int], now: datetime) -> Sequence[Job]:
        """Cancel jobs."""
        with self.savepoint():
            return jobs.cancel(self._state, job_ids, now)

    def retry(self, job_ids: Sequence[int], now: datetime) -> Sequence[Job]:
        """Bring FAILED and CANCELLED jobs back."""
        with self.savepoint():
            return jobs.retry(self._state, job_ids, now)

    def register_client(self, spec: ClientSpec, now: datetime) -> Client:
        """Create a client, or update and activate the one of that id."""
        return clients.register_client(self._state, spec, now)

    def update_client(self, client_id: str, changes: ClientChanges, now: datetime) -> Client:  # noqa: ARG002 - no date
        """Change a client."""
        return clients.update_client(self._state, client_id, changes)

    def delete_client(self, client_id: str, now: datetime) -> None:
        """Delete a client; the attempts that it holds are lost."""
        clients.delete_client(self._state, client_id, now)

    def heartbeat(self, client_id: str, now: datetime) -> Client:
        """Note that a client was heard of, and return it."""
        return clients.heartbeat(self._state, client_id, now)

    def claim(self, request: ClaimRequest, now: datetime) -> Sequence[Assignment]:
        """Give ready jobs to a client, best first."""
        return attempts.claim(self._state, request, now)

    def start(self, starts: Sequence[AttemptStart], session_id: str, now: datetime) -> Sequence[AttemptRef]:
        """Note that attempts run, and return those that the session does not hold."""
        return attempts.start(self._state, starts, session_id, now)

    def renew(self, refs: Sequence[AttemptRef], session_id: str, lease: timedelta, now: datetime) -> Renewal:
        """Renew the leases of a session's attempts."""
        return attempts.renew(self._state, refs, session_id, lease, now)

    def note(self, notes: Sequence[AttemptNote], session_id: str) -> None:
        """Keep what an engine says of claimed attempts of a session that wait there."""
        attempts.note(self._state, notes, session_id)

    def adopt(
        self, refs: Sequence[AttemptRef], client_id: str, session_id: str, lease: timedelta, now: datetime
    ) -> Renewal:
        """Hand attempts of a client's earlier sessions to its new one, and renew them."""
        return attempts.adopt(self._state, refs, client_id, session_id, lease, now)

    def release(self, refs: Sequence[AttemptRef], session_id: str, now: datetime) -> Sequence[AttemptRef]:
        """Give back what a session holds, and return what it does not hold."""
        return attempts.release(self._state, refs, session_id, now)

    def finish(self, ends: Sequence[AttemptEnd], session_id: str | None, now: datetime) -> Sequence[EndOutcome]:
        """Take in how attempts ended."""
        outcomes = attempts.finish(self._state, ends, session_id, now)
        stopping.stop_siblings(self._state, now, stopping.AT_ONCE)
        return outcomes

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
        now: datetime,  # noqa: ARG002 - bytes are not dated here
    ) -> int:
        """Append bytes to a stream of an attempt and return the new size."""
        return logs.append_log(self._state, ref, stream, offset, data, skipped=skipped, head=head, tail=tail)

    def append_logs(
        self,
        pieces: Sequence[LogPiece],
        *,
        head: int,
        tail: int,
        now: datetime,  # noqa: ARG002 - bytes are not dated here
    ) -> Sequence[int | None]:
        """Append pieces of any streams and return the new sizes."""
        return [logs.append_piece(self._state, piece, head=head, tail=tail) for piece in pieces]

    def attend(self, now: datetime, *, gap: timedelta, grace: timedelta) -> timedelta | None:
        """Note that a server is there, and return how long none was."""
        return settling.attend(self._state, now, gap, grace)

    def take_cursor(self, name: str, holder: str, lease: timedelta, now: datetime) -> Cursor:
        """Return a cursor, held by ``holder`` if it may have it."""
        return cursors.take_cursor(self._state, name, holder, lease, now)

    def move_cursor(
        self, name: str, holder: str, place: int, lease: timedelta, now: datetime, *, failures: int = 0, error: str = ""
    ) -> Cursor:
        """Move a cursor that ``holder`` holds."""
        return cursors.move_cursor(self._state, name, holder, place, lease, now, failures=failures, error=error)

    def release_cursor(self, name: str, holder: str) -> None:
        """Give a cursor back."""
        cursors.release_cursor(self._state, name, holder)

    def open_artifact(self, spec: ArtifactSpec, now: datetime) -> ArtifactUpload:
        """Begin to take in a file, or go on with one."""
        return artifacts.open_artifact(self._state, spec, now)

    def append_artifact(self, upload_id: int, offset: int, data: bytes, now: datetime) -> int:
        """Append bytes to a file and return how many there are."""
        return artifacts.append_artifact(self._state, upload_id, offset, data, now)

    def finish_artifact(self, upload_id: int, sha256: str, now: datetime) -> Artifact:
        """Show a file that is whole."""
        return artifacts.finish_artifact(self._state, upload_id, sha256, now)

    def discard_artifact(self, upload_id: int) -> None:
        """Give up a file that is being sent."""
        artifacts.discard_artifact(self._state, upload_id)

    def delete_artifact(self, job_id: int, name: str) -> None:
        """Delete a file."""
        artifacts.delete_artifact(self._state, job_id, name)

    def settle(self, now: datetime, limit: int) -> Settled:
        """Do up to ``limit`` small pieces of what is due."""
        return settling.settle(self._state, now, limit)

    def prune(self, before: datetime, limit: int) -> int:
        """Delete up to ``limit`` jobs that ended before a time."""
        return settling.prune(self._state, before, limit)
