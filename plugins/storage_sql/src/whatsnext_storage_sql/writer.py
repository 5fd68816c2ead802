"""The writing half of the contract, each method by the module of its noun."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

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
from whatsnext_storage_sql import artifacts
from whatsnext_storage_sql.attempts import attending, leasing, logs
from whatsnext_storage_sql.events import cursors
from whatsnext_storage_sql.jobs import controlling, editing, submitting
from whatsnext_storage_sql.projects import clients, projects, tasks
from whatsnext_storage_sql.queue import claiming, reclassing
from whatsnext_storage_sql.reader import SQLReader
from whatsnext_storage_sql.upkeep import deleting, pruning, settling


class SQLWriter(SQLReader):
    """A transaction that may write."""

    def savepoint(self) -> AbstractContextManager[None]:
        """Return a block whose writes are undone if it raises."""
        return self._tx.savepoint()

    # -- projects and tasks --------------------------------------------------------------------------------------------

    def create_project(self, name: str, description: str, now: datetime) -> Project:
        """Create a project."""
        return projects.create_project(self._tx, name, description, now)

    def update_project(self, project_id: int, changes: ProjectChanges, now: datetime) -> Project:
        """Change a project."""
        return projects.update_project(self._tx, project_id, changes, now)

    def delete_project(self, project_id: int) -> None:
        """Delete a project with all that it holds."""
        projects.delete_project(self._tx, project_id)

    def create_task(self, project_id: int, spec: TaskSpec, now: datetime) -> Task:
        """Create a task."""
        return tasks.create_task(self._tx, project_id, spec, now)

    def update_task(self, task_id: int, spec: TaskSpec, now: datetime) -> Task:
        """Replace what a person said of a task."""
        task = tasks.update_task(self._tx, task_id, spec, now)
        reclassing.reclass(self._tx, now, reclassing.AT_ONCE)
        return task

    def delete_task(self, task_id: int) -> None:
        """Delete a task and its ended jobs."""
        tasks.delete_task(self._tx, task_id)

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def reserve_job_ids(self, count: int) -> Sequence[int]:
        """Return new ids, ascending."""
        return submitting.reserve_job_ids(self._tx, count)

    def submit(
        self, project_id: int, specs: Sequence[JobSpec], now: datetime, submission: int | None = None
    ) -> Sequence[int]:
        """Write new jobs and return their ids in the order given."""
        return submitting.submit(self._tx, project_id, specs, now, submission)

    def open_submission(self, project_id: int, now: datetime) -> int:
        """Begin a batch that is written in several transactions."""
        return submitting.open_submission(self._tx, project_id, now)

    def publish_submission(self, submission: int, now: datetime) -> None:  # noqa: ARG002  # settle writes the events
        """Make all jobs of a batch visible at once."""
        submitting.publish_submission(self._tx, submission)

    def discard_submission(self, submission: int) -> None:
        """Give a batch up."""
        submitting.discard_submission(self._tx, submission)

    def update_job(self, job_id: int, changes: JobChanges, now: datetime) -> Job:
        """Change a job."""
        return editing.update_job(self._tx, job_id, changes, now)

    def delete_jobs(self, job_ids: Sequence[int], now: datetime) -> int:
        """Delete jobs and return how many there were."""
        return deleting.delete_jobs(self._tx, job_ids, now)

    def clear_queue(self, project_id: int, now: datetime, limit: int) -> int:
        """Delete PENDING jobs of a project, newest first, and return how many."""
        return deleting.clear_queue(self._tx, project_id, now, limit)

    def cancel(self, job_ids: Sequence[int], now: datetime) -> Sequence[Job]:
        """Cancel jobs."""
        return controlling.cancel(self._tx, job_ids, now)

    def retry(self, job_ids: Sequence[int], now: datetime) -> Sequence[Job]:
        """Bring FAILED and CANCELLED jobs back."""
        return controlling.retry(self._tx, job_ids, now)

    # -- clients and attempts ------------------------------------------------------------------------------------------

    def register_client(self, spec: ClientSpec, now: datetime) -> Client:
        """Create a client, or update and activate the one of that id."""
        return clients.register_client(self._tx, spec, now)

    def update_client(self, client_id: str, changes: ClientChanges, now: datetime) -> Client:  # noqa: ARG002  # no time of a change is kept
        """Change a client."""
        return clients.update_client(self._tx, client_id, changes)

    def delete_client(self, client_id: str, now: datetime) -> None:
        """Delete a client; the attempts that it holds are lost."""
        deleting.delete_client(self._tx, client_id, now)

    def heartbeat(self, client_id: str, now: datetime) -> Client:
        """Note that a client was heard of, and return it."""
        return clients.heartbeat(self._tx, client_id, now)

    def claim(self, request: ClaimRequest, now: datetime) -> Sequence[Assignment]:
        """Give ready jobs to a client, best first."""
        return claiming.claim(self._tx, request, now)

    def start(self, starts: Sequence[AttemptStart], session_id: str, now: datetime) -> Sequence[AttemptRef]:
        """Note that attempts run, and return those that the session does not hold."""
        return leasing.start(self._tx, starts, session_id, now)

    def renew(self, refs: Sequence[AttemptRef], session_id: str, lease: timedelta, now: datetime) -> Renewal:
        """Renew the leases of a session's attempts."""
        return leasing.renew(self._tx, refs, session_id, lease, now)

    def note(self, notes: Sequence[AttemptNote], session_id: str) -> None:
        """Keep what an engine says of claimed attempts of a session that wait there."""
        leasing.note(self._tx, notes, session_id)

    def adopt(
        self, refs: Sequence[AttemptRef], client_id: str, session_id: str, lease: timedelta, now: datetime
    ) -> Renewal:
        """Hand attempts of earlier sessions of the client to its new session, and renew them."""
        return leasing.adopt(self._tx, refs, client_id, session_id, lease, now)

    def release(self, refs: Sequence[AttemptRef], session_id: str, now: datetime) -> Sequence[AttemptRef]:
        """Give back what a session holds and did not start, and return what it does not hold."""
        return leasing.release(self._tx, refs, session_id, now)

    def finish(self, ends: Sequence[AttemptEnd], session_id: str | None, now: datetime) -> Sequence[EndOutcome]:
        """Take in how attempts ended."""
        return leasing.finish(self._tx, ends, session_id, now)

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
        now: datetime,  # noqa: ARG002  # no time of a chunk is kept
    ) -> int:
        """Append bytes to a stream of an attempt and return the new size."""
        return logs.append_log(self._tx, ref, stream, offset, data, skipped=skipped, head=head, tail=tail)

    def append_logs(
        self,
        pieces: Sequence[LogPiece],
        *,
        head: int,
        tail: int,
        now: datetime,  # noqa: ARG002  # no time of a chunk is kept
    ) -> Sequence[int | None]:
        """Append pieces of any streams and return the new sizes."""
        return logs.append_logs(self._tx, pieces, head=head, tail=tail)

    # -- cursors -------------------------------------------------------------------------------------------------------

    def take_cursor(self, name: str, holder: str, lease: timedelta, now: datetime) -> Cursor:
        """Return a cursor, held by ``holder`` if it may have it."""
        return cursors.take_cursor(self._tx, name, holder, lease, now)

    def move_cursor(
        self, name: str, holder: str, place: int, lease: timedelta, now: datetime, *, failures: int = 0, error: str = ""
    ) -> Cursor:
        """Move a cursor that ``holder`` holds."""
        return cursors.move_cursor(self._tx, name, holder, place, lease, now, failures=failures, error=error)

    def release_cursor(self, name: str, holder: str) -> None:
        """Give a cursor back."""
        cursors.release_cursor(self._tx, name, holder)

    # -- artifacts -----------------------------------------------------------------------------------------------------

    def open_artifact(self, spec: ArtifactSpec, now: datetime) -> ArtifactUpload:
        """Begin to take in a file, or go on with one."""
        return artifacts.open_artifact(self._tx, spec, now)

    def append_artifact(self, upload_id: int, offset: int, data: bytes, now: datetime) -> int:
        """Append bytes to a file and return how many there are."""
        return artifacts.append_artifact(self._tx, upload_id, offset, data, now)

    def finish_artifact(self, upload_id: int, sha256: str, now: datetime) -> Artifact:
        """Show a file that is whole."""
        return artifacts.finish_artifact(self._tx, upload_id, sha256, now)

    def discard_artifact(self, upload_id: int) -> None:
        """Give up a file that is being sent."""
        artifacts.discard_artifact(self._tx, upload_id)

    def delete_artifact(self, job_id: int, name: str) -> None:
        """Delete a file."""
        artifacts.delete_artifact(self._tx, job_id, name)

    # -- housekeeping --------------------------------------------------------------------------------------------------

    def attend(self, now: datetime, *, gap: timedelta, grace: timedelta) -> timedelta | None:
        """Note that a server is there, and return how long none was."""
        return attending.attend(self._tx, now, gap, grace)

    def settle(self, now: datetime, limit: int) -> Settled:
        """Do up to ``limit`` small pieces of what is due."""
        return settling.settle(self._tx, now, limit)

    def prune(self, before: datetime, limit: int) -> int:
        """Delete jobs that ended before a time and that nobody waits for."""
        return pruning.prune(self._tx, before, limit)
