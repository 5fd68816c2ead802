"""What must hold in a database whatever happened to it."""

from collections import Counter

from sqlalchemy import select
from sqlalchemy.orm import Session

from whatsnext_core.dependencies import Counts, Fate, fate, weigh
from whatsnext_core.model import Condition, JobStatus
from whatsnext_storage_sql.connection.transaction import ALL_TASKS
from whatsnext_storage_sql.database import get_engine
from whatsnext_storage_sql.models import (
    Attempt,
    Delayed,
    Edge,
    Job,
    Lease,
    Listing,
    Ready,
    Ripple,
    Submission,
    Task,
)
from whatsnext_storage_sql.models import (
    Counter as CounterRow,
)

LIVE = ("QUEUED", "RUNNING")
OPEN = ("PENDING", *LIVE)


def check_invariants(url: str) -> None:
    """Fail unless the narrow tables beside the jobs say the same as the jobs themselves."""
    engine = get_engine(url)
    try:
        with Session(engine) as session:
            _check(session)
    finally:
        engine.dispose()


def _check(session: Session) -> None:
    jobs = {job.id: job for job in session.scalars(select(Job))}
    batches = {batch.id: batch for batch in session.scalars(select(Submission))}

    def in_queue(job: Job) -> bool:
        batch = batches.get(job.submission_id)
        return batch is None or job.id <= batch.cursor

    lists = list(session.scalars(select(Listing)))
    listed = sorted((row.project_id, row.status, row.job_id, row.neg_priority) for row in lists)
    assert listed == sorted(
        (job.project_id, "OPEN" if job.status in OPEN else job.status, job.id, -job.priority) for job in jobs.values()
    )
    ended = {row.job_id: row.ended_at for row in lists if row.ended_at}
    assert ended == {job.id: job.finished_at for job in jobs.values() if JobStatus(job.status).is_final}

    ready = sorted(
        (row.project_id, row.class_id, row.neg_priority, row.job_id) for row in session.scalars(select(Ready))
    )
    assert ready == sorted(
        (job.project_id, job.class_id, -job.priority, job.id)
        for job in jobs.values()
        if job.status == "PENDING" and not job.unmet and job.not_before is None and in_queue(job)
    )
    delayed = sorted((row.not_before, row.job_id) for row in session.scalars(select(Delayed)))
    assert delayed == sorted((job.not_before, job.id) for job in jobs.values() if job.not_before is not None)

    held = {row.job_id: row.fence for row in session.scalars(select(Lease))}
    assert held == {job.id: job.attempt for job in jobs.values() if job.status in LIVE}
    live = {row.job_id: row.fence for row in session.scalars(select(Attempt)) if row.status in {"CLAIMED", "RUNNING"}}
    assert live == held

    gone = {task.id for task in session.scalars(select(Task)) if task.deleted}
    counted: Counter[tuple[int, int, str]] = Counter()
    totals: Counter[tuple[int, int, str]] = Counter()
    for row in session.scalars(select(CounterRow)):
        if row.task_id != ALL_TASKS:
            counted[row.project_id, row.task_id, row.status] += row.number
        totals[row.project_id, row.submission_id, row.status] += row.number if row.task_id != ALL_TASKS else -row.number
    assert not any(totals.values())
    found = Counter((job.project_id, job.task_id, job.status) for job in jobs.values())
    assert {key: number for key, number in counted.items() if number and key[1] not in gone} == {
        key: number for key, number in found.items() if key[1] not in gone
    }
    _check_edges(session, jobs)


def _check_edges(session: Session, jobs: dict[int, Job]) -> None:
    told: dict[int, Counts] = dict.fromkeys(jobs, Counts())
    late = {row.parent_id: row.cursor for row in session.scalars(select(Ripple))}
    for edge in session.scalars(select(Edge)):
        told[edge.child_id] += weigh(Fate.MET, Fate(edge.fate))
        parent = jobs.get(edge.parent_id)
        if parent is None:
            assert edge.parent_id in late or edge.fate != Fate.OPEN.value
        elif edge.child_id > late.get(edge.parent_id, 0) and edge.parent_id in late:
            continue
        else:
            assert Fate(edge.fate) is fate(Condition(edge.condition), JobStatus(parent.status))
    for job in jobs.values():
        assert Counts(job.unmet, job.impossible) == told[job.id]
