"""A job, as the library shows it: made here, queued in a project, followed to its end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from whatsnext_client.artifact import Artifact
from whatsnext_client.jobfacts import JobFacts
from whatsnext_client.rest import Document, Rest
from whatsnext_client.sending import SendingFile
from whatsnext_client.task import Task
from whatsnext_core.converters import from_json, ignoring_extra_keys
from whatsnext_core.errors import ConflictError, InvalidError, NotFoundError
from whatsnext_core.model import Attempt, Condition, JobSpec, JobStatus
from whatsnext_core.model.job import is_plain

if TYPE_CHECKING:
    from whatsnext_client.resource import Resource
    from whatsnext_core.explaining import Explanation

Depends: TypeAlias = "Mapping[int, str] | Iterable[Job] | None"

ENDED: Final = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.BLOCKED})
"""Statuses that a job leaves only if a person does something."""
_LOG_PART: Final = 4 * 2**20
_ATTEMPTS: Final = ignoring_extra_keys(Attempt)
_NONE: Final[Mapping[Any, Any]] = {}
"""What most jobs wait for, which nobody changes: of the objects of a batch, Python searches each for garbage."""


class Job(JobFacts):
    """One task with parameters.

    ``Job("train-1", "train", {"lr": 0.1})`` exists only here until ``Project.append_queue`` gives it an ``id``. From
    then on its attributes are what the server last said; ``refresh`` asks again.

    Args:
        name: What people call it; need not be unique.
        task: The name of its task, or the Task.
        parameters: Values for the command, as JSON knows them.
        priority: Higher runs first; equal ones run oldest first.
        depends: The jobs that must complete before it: a mapping of job id to job name, or Jobs.
        conditions: For some of those, by id or Job, another condition than ``success``: ``finished`` or ``failure``.
        timeout: Seconds that an attempt may run, instead of the task's limit.
    """

    def __init__(
        self,
        name: str,
        task: str | Task,
        parameters: Mapping[str, Any] | None = None,
        priority: int = 0,
        depends: Depends = None,
        *,
        conditions: Mapping[int | Job, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.task = task.name if isinstance(task, Task) else task
        self.parameters: dict[str, Any] = dict(parameters) if parameters else {}
        self.priority = priority
        self.timeout = timeout
        self._depends, self._conditions = _read_depends(name, depends, conditions)
        self._rest: Rest | None = None

    @classmethod
    def from_document(cls, rest: Rest, document: Document) -> Job:
        """Return the job that a document of the server describes."""
        job = cls(document["name"], document["task_name"], document["parameters"])
        job.take(rest, document)
        return job

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def depends(self) -> dict[int, str]:
        """The jobs before this one, id to name; without those that are not queued yet."""
        return {_id(parent): _name(parent, name) for parent, name in self._depends.items() if _id(parent)}

    # -- what can be done with it --------------------------------------------------------------------------------------

    def refresh(self) -> Job:
        """Read the job again from the server, and return it."""
        rest, job_id = self._queued("refreshed")
        self.take(rest, rest.job(job_id))
        return self

    def set_status(self, status: str) -> bool:
        """Give the job another status on the server; True once it has it.

        Raises:
            InvalidError: there is no such status.
            ConflictError: a job cannot go there from where it is; the message says why.
        """
        rest, job_id = self._queued("given a status")
        wanted = JobStatus.parse(status)
        try:
            self.take(rest, rest.update_job(job_id, {"status": wanted.value}))
        except ConflictError:
            if self.refresh().status != wanted:
                raise
        return True

    def set_priority_to(self, priority: int) -> bool:
        """Give the job another priority; True once it has it."""
        self.priority = priority
        if self._rest is not None:
            self.take(self._rest, self._rest.update_job(self._queued("changed")[1], {"priority": priority}))
        return True

    def set_depends_to(self, jobs: Depends, *, conditions: Mapping[int | Job, str] | None = None) -> bool:
        """Make the job wait for exactly these jobs; True once it does. The arguments are those of ``Job``.

        Raises:
            ConflictError: the jobs would wait for each other, or this one does not wait any more.
        """
        self._depends, self._conditions = _read_depends(self.name, jobs, conditions)
        if self._rest is not None:
            changes = self.edges()
            self.take(self._rest, self._rest.update_job(self._queued("changed")[1], changes))
        return True

    def cancel(self) -> Job:
        """Cancel the job, and return it: CANCELLED at once if it waits, or as soon as its worker has ended it."""
        rest, job_id = self._queued("cancelled")
        self.take(rest, rest.cancel_job(job_id))
        return self

    def retry(self) -> Job:
        """Bring the job back to the queue after it failed or was cancelled, and return it."""
        rest, job_id = self._queued("retried")
        self.take(rest, rest.retry_job(job_id))
        return self

    def wait(self, timeout: float | None = None, *, poll: float = 1.0) -> str:
        """Wait until the job has ended or can never run, and return its status.

        Args:
            timeout: Seconds to wait at most; None for ever.
            poll: The longest pause in seconds between two looks at it.

        Raises:
            TimeoutError: it has not ended in time; it goes on regardless.
        """
        self._queued("waited for")
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = min(0.01, poll)
        while JobStatus.parse(self.refresh().status) not in ENDED:
            left = pause if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"Job {self.id} ({self.name}) is still {self.status} after {timeout:g} seconds.")
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, poll)
        return self.status

    def logs(self, stream: str = "stdout", *, attempt: int | None = None) -> str:
        """Return what the job wrote so far, of its newest attempt unless another is named.

        Args:
            stream: ``stdout`` or ``stderr``.
            attempt: Number of the attempt.
        """
        return self.log_bytes(stream, attempt=attempt).decode("utf-8", errors="replace")

    def log_bytes(self, stream: str = "stdout", *, attempt: int | None = None) -> bytes:
        """Return the same as bytes, exactly as they were written.

        Of very long output the server keeps the beginning and the end; a line in between says how much is missing.
        """
        rest, job_id = self._queued("asked for its logs")
        found, offset = bytearray(), 0
        while True:
            part = rest.read_log(job_id, stream, offset=offset, limit=_LOG_PART, fence=attempt)
            attempt = part.fence or attempt
            found += part.gap(offset) + part.data
            offset = part.offset + len(part.data)
            if not part.data or offset >= part.size:
                return bytes(found)

    def attempts(self) -> list[Attempt]:
        """Return every attempt at the job, oldest first: who ran it, when, with which devices, and how it ended."""
        rest, job_id = self._queued("asked for its attempts")
        what = f"attempt of job {job_id}"
        return [from_json(each, Attempt, what=what, converter=_ATTEMPTS) for each in rest.attempts(job_id)]

    def why(self) -> Explanation:
        """Return why the job stands where it stands: reasons in words, its place in the queue, when it may start.

        The reasons come weightiest first; each has a ``code``, a ``text``, and an ``advice`` if something can be done.
        """
        from whatsnext_core.explaining import Explanation

        rest, job_id = self._queued("explained")
        converter = ignoring_extra_keys(Explanation)
        return from_json(rest.why(job_id), Explanation, what=f"why of job {job_id}", converter=converter)

    def artifacts(self) -> list[Artifact]:
        """Return the files that the job left, or people sent for it, by name."""
        rest, job_id = self._queued("asked for its artifacts")
        return [Artifact.from_document(rest, document) for document in rest.artifacts(job_id)]

    def artifact(self, name: str) -> Artifact:
        """Return the file of this name; NotFoundError if the job has none."""
        rest, job_id = self._queued("asked for its artifacts")
        return Artifact.from_document(rest, rest.artifact(job_id, name))

    def upload_artifact(self, path: str | Path, name: str | None = None) -> Artifact:
        """Send a file as an artifact of the job, and return it; one of the same name is replaced.

        Args:
            path: The file.
            name: What it shall be called; its own name unless given. May contain ``/``.

        Raises:
            NotFoundError: there is no such file, or no such job any more.
            InvalidError: no artifact can have that name.
            TooLargeError: the server takes no file of this size.
        """
        rest, job_id = self._queued("given an artifact")
        found = Path(path)
        if not found.is_file():
            raise NotFoundError(f"The artifact {name or found.name!r} has no file at {found}.")
        sending = SendingFile(rest, job_id, name or found.name, found.resolve())
        return Artifact.from_document(rest, sending.send())

    def run(self, resource: Resource | None = None) -> int:
        """Run the job here and now, report it, and return the exit code of its command.

        It is claimed first if it is PENDING. The formatter and the devices are those of the resource's client; without
        a resource the task's own command template is run as a process.

        Raises:
            ConflictError: somebody else has it, or it waits for other jobs.
        """
        from whatsnext_client.engine.single import run_job

        rest, _ = self._queued("run")
        return run_job(rest, self, resource)

    # -- for the library itself ----------------------------------------------------------------------------------------

    def take(self, rest: Rest, document: Document) -> None:
        """Become what a document of the server describes."""
        self._rest, self._document = rest, document
        self.name, self.task = document["name"], document["task_name"]
        self.parameters, self.priority = dict(document["parameters"]), document["priority"]
        self.timeout = document.get("timeout", self.timeout)
        self._depends = {int(parent): str(name) for parent, name in document["depends"].items()}
        self._conditions = {int(key): Condition.parse(value) for key, value in document.get("conditions", {}).items()}

    def was_queued(self, rest: Rest, project_id: int, job_id: int) -> None:
        """Become a job that the server accepted under this id, in a batch whose answer says no more."""
        self._rest = rest
        self._document = {"id": job_id, "project_id": project_id}

    @property
    def number(self) -> int:
        """The ``id`` of a queued job; InvalidError if it is not queued."""
        return self._queued("named by its id")[1]

    def parents(self) -> list[Job]:
        """Return those jobs before this one that were given as Jobs."""
        return [parent for parent in self._depends if isinstance(parent, Job)]

    def body(self, refs: Mapping[Job, str] | None = None) -> dict[str, Any]:
        """Return the job as an item of a batch; ``refs`` names jobs of the same batch.

        Raises:
            InvalidError: a value is not allowed, or a job before this one is not queued.
        """
        name, parameters, priority, timeout = self.name, self.parameters, self.priority, self.timeout
        if timeout is not None or not is_plain(name, parameters, priority):
            JobSpec(name=name, task_id=1, parameters=parameters, priority=priority, timeout=timeout)
        body = {"name": name, "task": self.task, "parameters": parameters, "priority": priority}
        if timeout is not None:
            body["timeout"] = timeout
        if self._depends:
            body["depends_on"] = [self._edge(parent, refs or {}) for parent in self._depends]
        if refs and self in refs:
            body["ref"] = refs[self]
        return body

    def _edge(self, parent: int | Job, refs: Mapping[Job, str]) -> Any:
        named: int | str | None = _id(parent)
        if named is None and isinstance(parent, Job):
            named = refs.get(parent)
        if named is None:
            raise InvalidError(
                f"Job {self.name!r} depends on {_name(parent)!r}, which is not queued; "
                f"queue that one first, or both with one extend_queue."
            )
        condition = self._conditions.get(parent, Condition.SUCCESS)
        return named if condition is Condition.SUCCESS else {"job": named, "condition": condition.value}

    def edges(self) -> dict[str, Any]:
        """Return ``depends`` and ``conditions`` as the server wants them of one job; InvalidError as in ``body``."""
        found = [self._edge(parent, {}) for parent in self._depends]
        conditions = {str(edge["job"]): edge["condition"] for edge in found if isinstance(edge, dict)}
        depends = {str(parent): name for parent, name in self.depends.items()}
        return {"depends": depends, **({"conditions": conditions} if conditions else {})}

    def _queued(self, wish: str) -> tuple[Rest, int]:
        if self._rest is None or self.id is None:
            raise InvalidError(
                f"Job {self.name!r} is not queued, so it cannot be {wish}; append it to a project first."
            )
        return self._rest, self.id

    def __repr__(self) -> str:
        return f"Job(id={self.id}, name={self.name!r}, task={self.task!r}, status={self.status!r})"


def _read_depends(
    name: str, depends: Depends, conditions: Mapping[int | Job, str] | None
) -> tuple[Mapping[int | Job, str], Mapping[int | Job, Condition]]:
    if depends is None and not conditions:
        return _NONE, _NONE
    found: dict[int | Job, str] = {}
    if isinstance(depends, Mapping):
        found = {_checked_id(name, parent): str(parent_name) for parent, parent_name in depends.items()}
    elif depends is not None:
        for parent in depends:
            if not isinstance(parent, Job):
                raise InvalidError(
                    f"Job {name!r} depends on {parent!r:.60}; give a mapping of job id to job name, or a list of Job."
                )
            found[parent] = parent.name
    ids = {_id(parent): parent for parent in found}
    given = (conditions or {}).items()
    wanted = {key if key in found else ids.get(_id(key), key): Condition.parse(condition) for key, condition in given}
    for key in wanted:
        if key not in found:
            raise InvalidError(f"Job {name!r} has a condition for {_name(key)!r}, on which it does not depend.")
    return found, wanted


def _checked_id(name: str, parent: object) -> int:
    if isinstance(parent, bool) or not isinstance(parent, int):
        raise InvalidError(
            f"Job {name!r} depends on the id {parent!r}; ids are whole numbers, "
            f"and a job has one only after append_queue."
        )
    return parent


def _id(parent: int | Job) -> Any:
    return parent.id if isinstance(parent, Job) else parent


def _name(parent: int | Job, name: str = "") -> str:
    return parent.name if isinstance(parent, Job) else name or str(parent)
