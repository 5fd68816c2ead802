"""What a run must not have done: the promises, each checked on all the evidence.

What leases promise is said exactly. A worker that froze, or was cut off, for longer than its lease may still run an
attempt while the next one runs: nobody can prevent that. So two attempts of a job may overlap only if the older one's
lease had lapsed; its end is then refused, so that no two attempts of a job both count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from attrs import frozen

from whatsnext_core.dependencies import Fate, fate
from whatsnext_core.model import AttemptStatus, Cause, Condition, EventKind, JobStatus
from whatsnext_core.states import LEASE_LAPSED, TRANSITIONS
from whatsnext_core.testing.chaos.evidence import Document, Evidence
from whatsnext_core.testing.chaos.workload import FAILED_EXIT, FLAKES, Behaviour

S = JobStatus
AT_REST: Final = frozenset({S.COMPLETED, S.FAILED, S.CANCELLED, S.BLOCKED})
"""How a job may be when the run is over."""
ENDS: Final = frozenset(
    {EventKind.COMPLETED, EventKind.FAILED, EventKind.RETRYING, EventKind.LOST, EventKind.RELEASED, EventKind.CANCELLED}
)
"""The events that end an attempt, if they name one."""


@frozen
class Breach:
    """A promise that was broken."""

    promise: str
    """Which."""
    words: str
    """How."""
    job_id: int | None = None
    """The job with which it was broken; None if it is about no single one."""

    def __str__(self) -> str:
        return f"{self.promise}: {self.words}"


def judge(evidence: Evidence) -> list[Breach]:
    """Return all promises that were broken."""
    return [Breach(promise, words, job_id) for promise, check in PROMISES.items() for job_id, words in check(evidence)]


Finding = Iterator[tuple[int | None, str]]


def submissions_are_kept(evidence: Evidence) -> Finding:
    """Every acknowledged job is there as it was submitted; a batch without an answer is there as a whole, or not."""
    for submitted in evidence.submitted:
        job = evidence.jobs.get(submitted.job_id)
        if job is None:
            yield submitted.job_id, f"job {submitted.name} was acknowledged and is gone"
        elif job["name"] != submitted.name:
            yield submitted.job_id, f"it was {submitted.name} and is {job['name']}"
        elif dict(evidence.conditions(submitted.job_id)) != dict(submitted.parents):
            yield submitted.job_id, f"it was to wait for {dict(submitted.parents)}"
    names = Counter(job["name"] for job in evidence.jobs.values())
    for name, times in names.items():
        if times > 1:
            yield None, f"job {name} is there {times} times"
    for batch in evidence.uncertain:
        there = sum(name in names for name in batch)
        if there not in {0, len(batch)}:
            yield None, f"of the {len(batch)} jobs of the batch with {batch[0]}, {there} are there"


def ends_are_kept(evidence: Evidence) -> Finding:
    """Every end that a server acknowledged counted, and counts still."""
    for end in evidence.acknowledged:
        attempt = _attempt(evidence, end.job_id, end.fence)
        if attempt is None:
            yield end.job_id, f"the end of attempt {end.fence} was acknowledged, and there is no such attempt"
            continue
        status = AttemptStatus(attempt["status"])
        if status.is_live or status is AttemptStatus.LOST:
            yield end.job_id, f"the end of attempt {end.fence} was acknowledged, and the attempt is {status}"
        elif end.status == S.COMPLETED and evidence.jobs[end.job_id]["status"] != S.COMPLETED:
            yield end.job_id, f"attempt {end.fence} was acknowledged as the one that completed it"


def cancelling_is_kept(evidence: Evidence) -> Finding:
    """A job that was acknowledged to be cancelled is CANCELLED."""
    for job_id in evidence.cancelled:
        if job_id in evidence.jobs and evidence.jobs[job_id]["status"] != S.CANCELLED:
            yield job_id, f"it was cancelled and is {evidence.jobs[job_id]['status']}"


def jobs_end_right(evidence: Evidence) -> Finding:
    """Every job has ended as it should, by what it does and by what became of the jobs that it waited for."""
    for job_id, job in evidence.jobs.items():
        status = S(job["status"])
        if status not in AT_REST:
            yield job_id, f"it never came to an end: {status}"
        elif status is not S.CANCELLED:
            expected = _expected(evidence, job_id)
            if status is not expected:
                yield job_id, f"it is {status} and should be {expected}"
            elif status is S.FAILED and (job["cause"], job["exit_code"]) != (Cause.EXIT, FAILED_EXIT):
                yield job_id, f"it failed for {job['cause']}, exit code {job['exit_code']}: {job['message']}"
        elif job_id not in evidence.cancelled:
            yield job_id, "nobody cancelled it"


def _expected(evidence: Evidence, job_id: int) -> JobStatus:
    for parent, condition in evidence.conditions(job_id):
        if fate(Condition(condition), S(evidence.jobs[parent]["status"])) is not Fate.MET:
            return S.BLOCKED
    return S.FAILED if evidence.behaviour(job_id) is Behaviour.FAILING else S.COMPLETED


def failures_are_counted(evidence: Evidence) -> Finding:
    """A job failed as often as its attempts did, and was tried again as its policy says."""
    for job_id, job in evidence.jobs.items():
        failed = [each for each in evidence.attempts[job_id] if _failed(each)]
        if job["failures"] != len(failed):
            yield job_id, f"it counts {job['failures']} failures, and {len(failed)} attempts failed"
        behaviour, status = evidence.behaviour(job_id), job["status"]
        most = {Behaviour.OK: 0, Behaviour.FLAKY: FLAKES, Behaviour.FAILING: behaviour.retries + 1}[behaviour]
        if len(failed) > most or (status == S.FAILED and len(failed) < most):
            yield job_id, f"{len(failed)} of its attempts failed, and {most} should"


def _failed(attempt: Document) -> bool:
    return bool(attempt["status"] == AttemptStatus.FAILED and attempt["cause"] != Cause.LOST)


def attempts_are_one_after_the_other(evidence: Evidence) -> Finding:
    """Fences ascend by one; none is live any more; one that completed is the last, and the job's result is its own."""
    for job_id, job in evidence.jobs.items():
        attempts = evidence.attempts[job_id]
        fences = [attempt["fence"] for attempt in attempts]
        if fences != list(range(1, job["attempt"] + 1)):
            yield job_id, f"it had {job['attempt']} attempts, and there are {fences}"
        if any(AttemptStatus(attempt["status"]).is_live for attempt in attempts):
            yield job_id, "an attempt is live though all is over"
        completed = [attempt["fence"] for attempt in attempts if attempt["status"] == AttemptStatus.COMPLETED]
        if completed != (fences[-1:] if job["status"] == S.COMPLETED else []):
            yield job_id, f"attempts {completed} completed it, of {fences}"
        elif completed and job["result"] != f"{job_id}-{completed[0]}":
            yield job_id, f"attempt {completed[0]} completed it, and its result is {job['result']!r}"


def no_lease_lapses_early(evidence: Evidence) -> Finding:
    """An attempt whose lease lapsed was held for a lease at least."""
    for job_id, attempts in evidence.attempts.items():
        for attempt in filter(_lapsed, attempts):
            held = (_time(attempt["finished_at"]) - _time(attempt["claimed_at"])).total_seconds()
            if held < evidence.lease:
                yield job_id, f"the lease of attempt {attempt['fence']} lapsed after {held:.3f} s"


def attempts_are_executed_once(evidence: Evidence) -> Finding:
    """No attempt begins twice, or is unknown to the server; one that counted is recorded from beginning to end."""
    recorded: dict[tuple[int, int], list[str]] = {}
    for line in evidence.record:
        recorded.setdefault((line.job_id, line.fence), []).append(line.moment)
    for (job_id, fence), moments in recorded.items():
        if moments not in (["begin"], ["begin", "done"], ["begin", "fail"]):
            yield job_id, f"attempt {fence} was executed like this: {', '.join(moments)}"
        if _attempt(evidence, job_id, fence) is None:
            yield job_id, f"attempt {fence} was executed, and the server does not know it"
    for job_id, attempts in evidence.attempts.items():
        for attempt in attempts:
            moments = recorded.get((job_id, attempt["fence"]), [])
            if attempt["status"] == AttemptStatus.COMPLETED and moments != ["begin", "done"]:
                yield job_id, f"attempt {attempt['fence']} counts as completed and recorded {moments}"
            elif _failed(attempt) and moments != ["begin", "fail"]:
                yield job_id, f"attempt {attempt['fence']} counts as failed and recorded {moments}"


def attempts_overlap_only_after_a_lapse(evidence: Evidence) -> Finding:
    """While a newer attempt runs, an older one does nothing any more, unless its lease had lapsed."""
    newest: dict[int, int] = {}
    told = set()
    for line in evidence.record:
        latest = newest.get(line.job_id, 0)
        if line.fence < latest and (line.job_id, line.fence) not in told:
            older = _attempt(evidence, line.job_id, line.fence)
            if older is not None and not _lapsed(older):
                told.add((line.job_id, line.fence))
                yield line.job_id, f"attempt {line.fence} went on ({line.moment}) while attempt {latest} ran"
        newest[line.job_id] = max(latest, line.fence)


def dependencies_are_respected(evidence: Evidence) -> Finding:
    """A job is claimed after all that it waits for did what they must, and records its first word after their last."""
    last_word = {
        line.job_id: place for place, line in enumerate(evidence.record) if _counts(evidence, line.job_id, line.fence)
    }
    first_word: dict[int, int] = {}
    for place, line in enumerate(evidence.record):
        first_word.setdefault(line.job_id, place)
    for job_id in evidence.jobs:
        claims = [event["id"] for event in evidence.events.get(job_id, ()) if event["kind"] == EventKind.CLAIMED]
        if not claims:
            continue
        for parent, condition in evidence.conditions(job_id):
            ends = [
                event["id"]
                for event in evidence.events.get(parent, ())
                if fate(Condition(condition), S(event["data"].get("to", S.PENDING))) is Fate.MET
            ]
            if not ends or ends[0] > claims[0]:
                yield job_id, f"it was claimed (event {claims[0]}) before job {parent} met {condition} (events {ends})"
            elif last_word.get(parent, -1) > first_word.get(job_id, len(evidence.record)):
                yield job_id, f"it began before the attempt of job {parent} was over that counted"


def _counts(evidence: Evidence, job_id: int, fence: int) -> bool:
    """Return whether an attempt ended its job by its own end."""
    attempt = _attempt(evidence, job_id, fence)
    return attempt is not None and (attempt["status"] == AttemptStatus.COMPLETED or _failed(attempt))


def events_tell_the_same(evidence: Evidence) -> Finding:
    """The events of a job lead by legal steps to what it is now, and name its attempts in order."""
    for job_id, job in evidence.jobs.items():
        yield from ((job_id, words) for words in _read_events(evidence.events.get(job_id, ()), job, evidence))


def _read_events(events: Sequence[Document], job: Document, evidence: Evidence) -> Iterator[str]:
    status: JobStatus | None = None
    live: int | None = None
    fence = 0
    ended: dict[int, EventKind] = {}
    for event in events:
        kind, data = EventKind(event["kind"]), event["data"]
        old, new = data.get("from"), data.get("to")
        if kind is EventKind.SUBMITTED:
            if status is not None:
                yield f"event {event['id']} submits it once more"
        elif kind is not EventKind.CANCEL_REQUESTED and old != status:
            yield f"event {event['id']} ({kind}) leads from {old}, and it was {status}"
        elif new is not None and status is not None and S(new) not in TRANSITIONS[status]:
            yield f"event {event['id']} ({kind}) leads from {old} to {new}"
        status = status if new is None else S(new)
        if kind is EventKind.CLAIMED:
            if live is not None or data["fence"] != fence + 1:
                yield f"event {event['id']}: attempt {data['fence']} was claimed after {fence}, of which {live} is live"
            live = fence = data["fence"]
        elif data.get("fence") is not None and data["fence"] != live:
            yield f"event {event['id']} ({kind}) tells of attempt {data['fence']}, and {live} is live"
        if kind in ENDS and data.get("fence") is not None:
            ended[data["fence"]] = kind
            live = None
    if status != job["status"]:
        yield f"the events end with {status}"
    for attempt in evidence.attempts[job["id"]]:
        kind_of_end = ended.get(attempt["fence"])
        if kind_of_end is None:
            yield f"no event tells how attempt {attempt['fence']} ended"
        elif (kind_of_end is EventKind.COMPLETED) is not (attempt["status"] == AttemptStatus.COMPLETED):
            yield f"attempt {attempt['fence']} is {attempt['status']}, and an event says {kind_of_end}"


def output_is_complete(evidence: Evidence) -> Finding:
    """The server has each byte that the attempt wrote which completed a job."""
    for job_id, text in evidence.logs.items():
        expected = expected_log(job_id, evidence.jobs[job_id]["attempt"])
        if text != expected:
            yield job_id, f"it wrote {expected!r}, and the server has {text!r}"


def expected_log(job_id: int, fence: int) -> str:
    """Return what an attempt writes that succeeds."""
    return f"began {job_id}-{fence}\nended {job_id}-{fence}\n"


def nothing_is_left_running(evidence: Evidence) -> Finding:
    """No process of a job is there any more."""
    for process in evidence.remains:
        yield None, process


PROMISES: Final[dict[str, Callable[[Evidence], Finding]]] = {
    "no acknowledged submission is lost": submissions_are_kept,
    "no acknowledged end is lost": ends_are_kept,
    "what was cancelled stays cancelled": cancelling_is_kept,
    "every job ends as it should": jobs_end_right,
    "failures are counted": failures_are_counted,
    "attempts come one after the other": attempts_are_one_after_the_other,
    "no lease lapses early": no_lease_lapses_early,
    "every attempt is executed once": attempts_are_executed_once,
    "attempts overlap only after a lapse": attempts_overlap_only_after_a_lapse,
    "dependencies are respected": dependencies_are_respected,
    "events tell the same story": events_tell_the_same,
    "output is complete": output_is_complete,
    "nothing is left running": nothing_is_left_running,
}
"""What is promised, and what looks for breaches of it."""


def _attempt(evidence: Evidence, job_id: int, fence: int) -> Document | None:
    return next((each for each in evidence.attempts.get(job_id, ()) if each["fence"] == fence), None)


def _lapsed(attempt: Document) -> bool:
    return bool(attempt["status"] == AttemptStatus.LOST and attempt["message"] == LEASE_LAPSED)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
