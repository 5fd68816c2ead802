"""Runs one job here and now, outside of any worker: ``Job.run``."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from whatsnext_client.engine.emptiness import requirement_of
from whatsnext_client.engine.leftovers import look_through
from whatsnext_client.engine.runner import descriptor_of
from whatsnext_client.engine.surroundings import Surroundings
from whatsnext_client.engine.waking import Waker
from whatsnext_client.rest import Document, Rest
from whatsnext_client.sending import SendingFile
from whatsnext_core.converters import from_json, ignoring_extra_keys, parse_time
from whatsnext_core.errors import ConflictError, NotFoundError, TemplateError, WhatsNextError
from whatsnext_core.formatting import Engine, Execution, ExecutionState, Formatter, Handle, LogFiles, artifacts_folder
from whatsnext_core.model import Allocation, Assignment, JobStatus, Task
from whatsnext_core.model import Job as JobRecord
from whatsnext_core.references import refers, results_needed, with_results

if TYPE_CHECKING:
    from whatsnext_client.job import Job
    from whatsnext_client.resource import Resource

_log = logging.getLogger(__name__)

LOOK_EVERY: Final = 0.1
"""Seconds between two looks at an execution."""
CHUNK: Final = 512 * 1024
"""Bytes of output in one request."""
_CONVERTER: Final = ignoring_extra_keys(JobRecord)


def run_job(rest: Rest, job: Job, resource: Resource | None) -> int:
    """Run a job and report it; returns the exit code of its command. See ``Job.run``."""
    if JobStatus.parse(job.status) is JobStatus.PENDING:
        job.set_status(JobStatus.QUEUED)
    document = rest.job(job.number)
    project_id = document["project_id"]
    task = _task(rest.task(document["task_id"]))
    assignment = Assignment(
        job=from_json(document, JobRecord, what=f"job {job.id}", converter=_CONVERTER),
        task=task,
        fence=document["attempt"],
        allocation=Allocation(cpu=task.requirement.cpu) if resource is None else resource.allocation,
    )
    surroundings = Surroundings(
        server=rest.transport.address.url,
        client_id="" if resource is None else resource.client.id,
        project_names={project_id: rest.project(project_id)["name"]},
        deals_devices=resource is not None and bool(resource.client.capacity.devices),
        filters=resource is not None,
    )
    engine = _Templates() if resource is None else resource.client.formatter
    try:
        with tempfile.TemporaryDirectory(prefix="whatsnext-") as folder:
            execution = _execute(rest, engine, surroundings, assignment, Path(folder))
    except WhatsNextError:
        _report(job, JobStatus.FAILED)
        raise
    except BaseException:
        _report(job, JobStatus.PENDING)
        raise
    finally:
        if resource is None:
            engine.close()
    _report(job, JobStatus.COMPLETED if execution.succeeded else JobStatus.FAILED)
    return execution.exit_code if execution.exit_code is not None else int(not execution.succeeded)


def _execute(rest: Rest, engine: Engine, surroundings: Surroundings, assignment: Assignment, folder: Path) -> Execution:
    context = surroundings.context(evolve(assignment, job=_with_results(rest, assignment.job)), folder)
    invocation = surroundings.complete(engine.prepare(context), context)
    artifacts_folder(context).mkdir()
    rest.update_job(assignment.job.id, {"status": JobStatus.RUNNING.value})
    handle = engine.start(invocation)
    timeout = assignment.job.timeout if assignment.job.timeout is not None else assignment.task.timeout
    try:
        execution = _await(engine, handle, assignment.task, timeout)
    except BaseException:
        engine.kill(handle)
        _await(engine, handle, assignment.task, None)
        raise
    _upload(rest, assignment, engine.logs(handle))
    _send_files(rest, assignment, artifacts_folder(context))
    engine.forget(handle)
    return execution


def _with_results(rest: Rest, job: JobRecord) -> JobRecord:
    """Return the job with what it asks for of the results of others, as a worker gets it from the server."""
    if not refers(job.parameters):
        return job
    results = {}
    for parent in results_needed(job):
        with suppress(NotFoundError):
            results[parent] = rest.job(parent)["result"]
    return with_results(job, results)


def _await(engine: Engine, handle: Handle, task: Task, timeout: float | None) -> Execution:
    """Return how an execution ended; after ``timeout`` seconds it is asked to end."""
    waker = Waker()
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        while True:
            execution = engine.poll({"job": handle}).get("job")
            if execution is not None and execution.state is ExecutionState.ENDED:
                return execution
            if deadline is not None and time.monotonic() > deadline:
                engine.cancel(handle, task.signal, task.grace)
                deadline = None
            descriptor = descriptor_of(engine)
            waker.sleep(LOOK_EVERY, *(() if descriptor is None else (descriptor,)))
    finally:
        waker.close()


def _upload(rest: Rest, assignment: Assignment, logs: LogFiles) -> None:
    """Give the server what the job has written."""
    for stream, path in (("stdout", logs.stdout), ("stderr", logs.stderr)):
        offset = 0
        with path.open("rb") as file:
            while data := file.read(CHUNK):
                offset = rest.append_log(assignment.job.id, stream, data, fence=assignment.fence, offset=offset)


def _send_files(rest: Rest, assignment: Assignment, folder: Path) -> None:
    """Give the server the files that the job has left; what it does not take is left out with a warning."""
    found = look_through(folder)
    for name, path in found.files:
        try:
            SendingFile(rest, assignment.job.id, name, path, fence=assignment.fence).send()
        except (WhatsNextError, OSError) as error:
            found.complaints.append(f"Artifact {name!r} was left out: {error}")
    for complaint in found.complaints:
        _log.warning("Job %d: %s", assignment.job.id, complaint)


def _report(job: Job, status: JobStatus) -> None:
    """Tell how the job ended, unless it was cancelled or taken away meanwhile."""
    try:
        job.set_status(status)
    except ConflictError:
        job.refresh()


def _task(document: Document) -> Task:
    return Task(
        id=document["id"],
        name=document["name"],
        project_id=document["project_id"],
        command_template=document["command_template"],
        requirement=requirement_of(document),
        timeout=document["timeout"],
        signal=document["signal"],
        grace=document["grace"],
        environment=document["environment"],
        options=document["options"],
        created_at=parse_time(document["created_at"]),
        updated_at=parse_time(document["updated_at"]),
    )


class _Templates(Formatter):
    """Runs what a task's own template says."""

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:
        """Say that there is no template."""
        raise TemplateError(
            f"Task {task!r} has no command template; run its jobs with a resource of a client, whose formatter makes "
            f"their commands (given here: {', '.join(parameters) or 'no parameters'})."
        )
