"""New jobs in memory, at once or as a batch that stays invisible until it is published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from attrs import evolve

from whatsnext_core.dependencies import Counts
from whatsnext_core.errors import ConflictError, InvalidError, NotFoundError
from whatsnext_core.memory.graph import connect, note_change, place, recount, spread
from whatsnext_core.memory.state import State, plain
from whatsnext_core.memory.tables import Row, Stage, Submission
from whatsnext_core.model import EventKind, Job, JobSpec, JobStatus, Project, ProjectStatus, event_data
from whatsnext_core.model.limits import shorten
from whatsnext_core.references import check_references, refers


def reserve_job_ids(state: State, count: int) -> Sequence[int]:
    """Return new ids, ascending."""
    first = state.number("job", count)
    return range(first, first + count)


def submit(
    state: State, project_id: int, specs: Sequence[JobSpec], now: datetime, submission: int | None
) -> Sequence[int]:
    """Write new jobs and return their ids in the order given."""
    project = _check_open(state, project_id)
    if submission is not None and _open_submission(state, submission).project_id != project_id:
        raise InvalidError(f"Submission {submission} is not one of project {project_id}.")
    given = [spec.id for spec in specs if spec.id is not None]
    names = {spec.id: spec.name for spec in specs if spec.id is not None}
    if len(names) < len(given):
        raise InvalidError("Two jobs of the batch have the same id; reserve an id for each.")
    for spec in specs:
        _check(state, project, spec, names, submission)
        if refers(spec.parameters):
            parents = {parent: names.get(parent) or state.jobs[parent].job.name for parent in spec.depends}
            check_references(spec.parameters, parents, f"job {shorten(spec.name)}")
    ids = [spec.id if spec.id is not None else state.number("job") for spec in specs]
    for job_id, spec in zip(ids, specs, strict=True):
        _write(state, project_id, job_id, spec, names, now, submission)
    for job_id in ids:
        if state.jobs[job_id].job.status is JobStatus.BLOCKED:
            note_change(state, job_id)
    spread(state, now)
    return ids


def _check(state: State, project: Project, spec: JobSpec, names: dict[int, str], submission: int | None) -> None:
    what = f"Job {shorten(spec.name)}"
    if spec.id is not None and spec.id in state.jobs:
        raise InvalidError(f"{what} has the id {spec.id}, which another job has already; reserve a new one.")
    check_task(state, project, spec.task_id, what)
    check_parents(state, project.id, (parent for parent in spec.depends if parent not in names), what, submission)


def check_task(state: State, project: Project, task_id: int, what: str) -> None:
    """Raise InvalidError unless the task is one of the project."""
    task = state.tasks.get(task_id)
    if task is None or task.project_id != project.id:
        raise InvalidError(f"{what} names the task {task_id}, which project {shorten(project.name)} does not have.")


def check_parents(
    state: State, project_id: int, parents: Iterable[int], what: str, submission: int | None = None
) -> None:
    """Raise InvalidError unless the jobs are visible, or of the same submission, and of the project."""
    for parent in parents:
        row = state.jobs.get(parent)
        if row is None or not (state.is_visible(row) or (submission is not None and row.submission == submission)):
            raise InvalidError(f"{what} depends on job {parent}, which does not exist; remove that dependency.")
        if row.job.project_id != project_id:
            raise InvalidError(
                f"{what} depends on job {parent}, which is one of another project; remove that dependency."
            )


def _write(
    state: State,
    project_id: int,
    job_id: int,
    spec: JobSpec,
    names: dict[int, str],
    now: datetime,
    submission: int | None,
) -> None:
    counts = Counts()
    for parent, condition in spec.depends.items():
        counts += connect(state, job_id, parent, condition, new_parent=parent in names)
    job = Job(
        id=job_id,
        name=spec.name,
        project_id=project_id,
        task_id=spec.task_id,
        task_name=state.tasks[spec.task_id].name,
        parameters=plain(spec.parameters),
        status=counts.status if submission is None else JobStatus.PENDING,
        priority=spec.priority,
        depends={parent: names.get(parent) or state.jobs[parent].job.name for parent in spec.depends},
        conditions=dict(spec.depends),
        created_at=now,
        updated_at=now,
        timeout=spec.timeout,
    )
    row = Row(job, counts, submission)
    state.jobs.put(job_id, row)
    if submission is None:
        state.tell(job, EventKind.SUBMITTED, now, event_data(None, job.status))
        place(state, row, now)


def open_submission(state: State, project_id: int, now: datetime) -> int:
    """Begin a batch and return its number."""
    _check_open(state, project_id)
    number = state.number("submission")
    state.submissions.put(number, Submission(project_id, now))
    return number


def publish_submission(state: State, number: int) -> None:
    """Make all jobs of a batch visible."""
    submission = _open_submission(state, number)
    _check_open(state, submission.project_id)
    for job_id in state.jobs.of_submission.keys(number):
        job = state.jobs[job_id].job
        for parent, name in job.depends.items():
            if parent not in state.jobs:
                raise InvalidError(
                    f"Job {shorten(job.name)} depends on job {parent} ({shorten(name)}), which was deleted meanwhile; "
                    f"submit the batch again without that dependency."
                )
    state.submissions.put(number, evolve(submission, stage=Stage.PUBLISHED))


def discard_submission(state: State, number: int) -> None:
    """Give a batch up."""
    submission = _open_submission(state, number)
    state.submissions.put(number, evolve(submission, stage=Stage.DISCARDED))


def admit(state: State, row: Row, now: datetime) -> Row:
    """Bring a job of a published batch into the queue, if it is not there yet."""
    if row.submission is None:
        return row
    row = evolve(row, submission=None)
    state.jobs.put(row.job.id, row)
    state.tell(row.job, EventKind.SUBMITTED, now, event_data(None, row.job.status))
    return recount(state, row, row.counts, now)


def _check_open(state: State, project_id: int) -> Project:
    project = state.project(project_id)
    if project.status is ProjectStatus.ARCHIVED:
        raise ConflictError(f"Project {shorten(project.name)} is archived and takes no new jobs; make it ACTIVE first.")
    return project


def _open_submission(state: State, number: int) -> Submission:
    submission = state.submissions.get(number)
    if submission is None or submission.stage is not Stage.OPEN or submission.project_id not in state.projects:
        raise NotFoundError(f"Submission {number} not found, or not open any more.")
    return submission
