"""Why a job stands where it stands, as sentences. Pure: a decision from facts that somebody else gathered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from attrs import field, frozen

from whatsnext_core.dependencies import Fate, fate
from whatsnext_core.model import Capacity, Condition, Job, JobStatus, ProjectStatus, Requirement
from whatsnext_core.resources import shortfalls, whole


@frozen(kw_only=True)
class Parent:
    """A job that comes before the one in question."""

    id: int
    """Its id."""
    name: str
    """Its name."""
    status: JobStatus | None
    """Where it stands; None if it was deleted."""


@frozen(kw_only=True)
class Worker:
    """A worker that is active."""

    id: str
    """Its id."""
    capacity: Capacity
    """All that it offers."""
    draining: bool = False
    """Whether it takes no more jobs."""


@frozen(kw_only=True)
class Facts:
    """What decides about a job, all of one moment."""

    now: datetime
    """That moment."""
    job: Job
    """The job."""
    project_status: ProjectStatus
    """Whether its project hands jobs out."""
    requirement: Requirement
    """What its task needs."""
    parents: tuple[Parent, ...] = ()
    """The jobs before it."""
    workers: tuple[Worker, ...] = ()
    """The active workers."""
    ahead: int | None = None
    """Pending jobs before it in the queue; None if nobody counted so far."""


@frozen(kw_only=True)
class Reason:
    """One thing that explains where a job stands."""

    code: str
    """What kind of thing, for programs: ``dependency``, ``no-worker``, ``does-not-fit``, ..."""
    text: str
    """The same as a sentence, with what to do."""
    job_ids: tuple[int, ...] = field(default=())
    """The other jobs that it is about."""


def explain(facts: Facts) -> list[Reason]:
    """Return why the job stands where it stands, the weightiest reason first."""
    return list(_ANSWERS[facts.job.status](facts))


def _pending(facts: Facts) -> Iterable[Reason]:
    held = [*_archived(facts), *_parents(facts, Fate.OPEN), *_backoff(facts)]
    yield from held
    unfit = list(_workers(facts))
    yield from unfit
    if not held and not unfit:
        yield _in_line(facts)


def _blocked(facts: Facts) -> Iterable[Reason]:
    found = list(_parents(facts, Fate.IMPOSSIBLE))
    yield from found
    if not found:
        text = "A job that it depends on was deleted or can never do what is asked of it; cancel this one."
        yield Reason(code="dependency", text=text)


def _queued(facts: Facts) -> Iterable[Reason]:
    yield Reason(code="claimed", text=f"{_holder(facts.job)} has claimed it and has not reported its start yet.")
    yield from _cancelling(facts)


def _running(facts: Facts) -> Iterable[Reason]:
    job = facts.job
    since = f", for {_length(facts.now - job.started_at)} now" if job.started_at else ""
    yield Reason(code="running", text=f"It runs on {_holder(job).lower()}, attempt {job.attempt}{since}.")
    yield from _cancelling(facts)


def _completed(facts: Facts) -> Iterable[Reason]:
    attempts = "at the first attempt" if facts.job.attempt <= 1 else f"at attempt {facts.job.attempt}"
    yield Reason(code="completed", text=f"Its command succeeded {attempts}; that is final.")


def _failed(facts: Facts) -> Iterable[Reason]:
    job = facts.job
    tries = job.failures + job.losses
    how = f"Its last attempt ended with cause {job.cause}" if job.cause else "It was declared as failed"
    code = f", exit code {job.exit_code}" if job.exit_code is not None else ""
    message = f": {job.message}" if job.message else "."
    yield Reason(code="failed", text=f"{how}{code}{message}")
    if tries > 1:
        were = "was" if job.losses == 1 else "were"
        text = f"{job.failures} attempts failed and {job.losses} {were} lost; no retry is left."
        yield Reason(code="attempts", text=text)
    yield Reason(code="retry", text=f"To run it again: whatsnext jobs retry {job.id}")


def _cancelled(facts: Facts) -> Iterable[Reason]:
    yield Reason(code="cancelled", text=f"It was cancelled. To run it after all: whatsnext jobs retry {facts.job.id}")


_ANSWERS: Mapping[JobStatus, Callable[[Facts], Iterable[Reason]]] = {
    JobStatus.PENDING: _pending,
    JobStatus.BLOCKED: _blocked,
    JobStatus.QUEUED: _queued,
    JobStatus.RUNNING: _running,
    JobStatus.COMPLETED: _completed,
    JobStatus.FAILED: _failed,
    JobStatus.CANCELLED: _cancelled,
}


def _archived(facts: Facts) -> Iterable[Reason]:
    if facts.project_status is ProjectStatus.ARCHIVED:
        yield Reason(
            code="archived", text="Its project is archived and hands out no jobs; bring the project back first."
        )


def _parents(facts: Facts, wanted: Fate) -> Iterable[Reason]:
    asked = {
        Condition.SUCCESS: "to complete",
        Condition.FINISHED: "to end in any way",
        Condition.FAILURE: "to fail",
    }
    for parent in facts.parents:
        condition = facts.job.conditions.get(parent.id, Condition.SUCCESS)
        if fate(condition, parent.status) is not wanted:
            continue
        stands = f"is {parent.status}" if parent.status else "was deleted"
        text = f"It waits for job {parent.id} ({parent.name}) {asked[condition]}; that one {stands}."
        if wanted is Fate.IMPOSSIBLE:
            text = f"It can never run: job {parent.id} ({parent.name}) {stands}, and it had {asked[condition]}."
            text += _way_out(parent)
        yield Reason(code="dependency", text=text, job_ids=(parent.id,))


def _way_out(parent: Parent) -> str:
    if parent.status in {JobStatus.FAILED, JobStatus.CANCELLED}:
        return f" To bring both back: whatsnext jobs retry {parent.id}"
    if parent.status is JobStatus.BLOCKED:
        return f" What holds that one: whatsnext jobs why {parent.id}"
    return ""


def _backoff(facts: Facts) -> Iterable[Reason]:
    job = facts.job
    if job.not_before is not None and job.not_before > facts.now:
        cause = f" ({job.cause})" if job.cause else ""
        text = f"Attempt {job.attempt} failed{cause}; the next one may start in {_length(job.not_before - facts.now)}."
        yield Reason(code="back-off", text=text)


def _workers(facts: Facts) -> Iterable[Reason]:
    needs = facts.requirement.describe()
    if not facts.workers:
        yield Reason(code="no-worker", text="No worker is active. Start one: whatsnext worker")
        return
    lacks = {worker.id: shortfalls(facts.requirement, whole(worker.capacity)) for worker in facts.workers}
    fitting = [worker for worker in facts.workers if not lacks[worker.id]]
    if not fitting:
        each = "; ".join(
            f"{name}: {', '.join(words for _, words in found)}" for name, found in list(lacks.items())[:10]
        )
        text = f"It fits no active worker. It needs {needs}. {each}."
        yield Reason(code="does-not-fit", text=text)
    elif all(worker.draining for worker in fitting):
        names = ", ".join(worker.id for worker in fitting[:10])
        yield Reason(code="draining", text=f"It fits only workers that take no more jobs: {names}.")


def _in_line(facts: Facts) -> Reason:
    fitting = [one.id for one in facts.workers if not shortfalls(facts.requirement, whole(one.capacity))]
    names = ", ".join(fitting[:5]) + (f" and {len(fitting) - 5} more" if len(fitting) > 5 else "")  # noqa: PLR2004 - a line
    where = "it is the next in the queue" if facts.ahead == 0 else "others are before it in the queue"
    if facts.ahead:
        where = f"{facts.ahead:,} pending {'job is' if facts.ahead == 1 else 'jobs are'} before it in the queue"
    text = f"It is ready and fits {names}: {where}. It starts when {facts.requirement.describe()} are free there."
    return Reason(code="in-line", text=text)


def _cancelling(facts: Facts) -> Iterable[Reason]:
    if facts.job.cancel_requested:
        yield Reason(code="cancelling", text="Somebody cancelled it; its worker has not confirmed yet that it ended.")


def _holder(job: Job) -> str:
    return f"Worker {job.client_id}" if job.client_id else "A client without a name"


def _length(span: timedelta) -> str:
    seconds = span.total_seconds()
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"  # noqa: PLR2004 - where minutes read better
