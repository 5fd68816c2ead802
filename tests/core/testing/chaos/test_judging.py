"""Each promise that is broken is found, and a run without a fault breaks none."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from attrs import evolve

from whatsnext_core.states import LEASE_LAPSED
from whatsnext_core.testing.chaos import PROMISES, Evidence, judge
from whatsnext_core.testing.chaos.answers import Acknowledged
from whatsnext_core.testing.chaos.evidence import Submitted
from whatsnext_core.testing.chaos.judging import expected_log
from whatsnext_core.testing.chaos.workload import Line

Change = Callable[[Evidence], Evidence]


def job(job_id: int, status: str, **fields: Any) -> dict[str, Any]:
    plain = {
        "id": job_id,
        "name": f"job-{job_id}",
        "parameters": {"behaviour": "ok", "seconds": 0},
        "status": status,
        "depends": {},
        "conditions": {},
        "attempt": 1,
        "failures": 0,
        "cause": None,
        "message": "",
        "exit_code": 0,
        "result": f"{job_id}-1",
    }
    return plain | fields


def attempt(job_id: int, fence: int, status: str, **fields: Any) -> dict[str, Any]:
    plain = {
        "job_id": job_id,
        "fence": fence,
        "status": status,
        "client_id": "worker",
        "claimed_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:00:03Z",
        "cause": None,
        "message": "",
    }
    return plain | fields


def event(number: int, job_id: int, kind: str, **data: Any) -> dict[str, Any]:
    data = {key.rstrip("_"): value for key, value in data.items()}
    return {"id": number, "job_id": job_id, "kind": kind, "at": "2026-01-01T00:00:00Z", "data": data}


def life(first: int, job_id: int, fence: int, end: str, to: str) -> list[dict[str, Any]]:
    """The events of one attempt."""
    return [
        event(first, job_id, "claimed", from_="PENDING", to="QUEUED", fence=fence),
        event(first + 1, job_id, "started", from_="QUEUED", to="RUNNING", fence=fence),
        event(first + 2, job_id, end, from_="RUNNING", to=to, fence=fence),
    ]


@pytest.fixture
def fine() -> Evidence:
    """A run without a fault: 1 succeeds; 2 waits for it and is lost once; 3 fails, 4 is behind it; 5 was cancelled."""
    failing = {"behaviour": "failing", "seconds": 0}
    failed = {"cause": "exit", "exit_code": 7, "message": "Exit code 7", "result": None}
    return Evidence(
        submitted=[
            Submitted(job_id=1, name="job-1"),
            Submitted(job_id=2, name="job-2", parents={1: "success"}),
            Submitted(job_id=3, name="job-3"),
            Submitted(job_id=4, name="job-4", parents={3: "success"}),
            Submitted(job_id=5, name="job-5"),
        ],
        uncertain=[["never-1", "never-2"]],
        cancelled=frozenset({5}),
        acknowledged=frozenset({Acknowledged(1, 1, "COMPLETED"), Acknowledged(3, 2, "PENDING")}),
        record=[
            Line("begin", 1, 1), Line("done", 1, 1), Line("begin", 2, 1), Line("begin", 2, 2), Line("done", 2, 1),
            Line("done", 2, 2), *(Line(moment, 3, fence) for fence in (1, 2, 3) for moment in ("begin", "fail")),
        ],
        jobs={
            1: job(1, "COMPLETED"),
            2: job(2, "COMPLETED", attempt=2, depends={"1": "job-1"}, result="2-2"),
            3: job(3, "FAILED", attempt=3, failures=3, parameters=failing, **failed),
            4: job(4, "BLOCKED", attempt=0, depends={"3": "job-3"}, result=None),
            5: job(5, "CANCELLED", attempt=0, cause="cancelled", result=None),
        },
        attempts={
            1: [attempt(1, 1, "COMPLETED")],
            2: [attempt(2, 1, "LOST", cause="lost", message=LEASE_LAPSED), attempt(2, 2, "COMPLETED")],
            3: [attempt(3, fence, "FAILED", cause="exit") for fence in (1, 2, 3)],
            4: [],
            5: [],
        },
        events={
            1: [event(1, 1, "submitted", to="PENDING"), *life(11, 1, 1, "completed", "COMPLETED")],
            2: [
                event(2, 2, "submitted", to="PENDING"),
                *life(21, 2, 1, "lost", "PENDING"),
                *life(31, 2, 2, "completed", "COMPLETED"),
            ],
            3: [
                event(3, 3, "submitted", to="PENDING"),
                *life(41, 3, 1, "retrying", "PENDING"),
                *life(51, 3, 2, "retrying", "PENDING"),
                *life(61, 3, 3, "failed", "FAILED"),
            ],
            4: [event(4, 4, "submitted", to="PENDING"), event(65, 4, "blocked", from_="PENDING", to="BLOCKED")],
            5: [event(5, 5, "submitted", to="PENDING"), event(66, 5, "cancelled", from_="PENDING", to="CANCELLED")],
        },
        logs={1: expected_log(1, 1), 2: expected_log(2, 2)},
        lease=2.5,
    )  # fmt: skip


def without_job(evidence: Evidence) -> Evidence:
    def rest(part: Mapping[int, Any]) -> dict[int, Any]:
        return {job_id: value for job_id, value in part.items() if job_id != 4}

    return evolve(evidence, jobs=rest(evidence.jobs), attempts=rest(evidence.attempts), events=rest(evidence.events))


def with_job(job_id: int, **fields: Any) -> Change:
    return lambda evidence: evolve(evidence, jobs={**evidence.jobs, job_id: {**evidence.jobs[job_id], **fields}})


def with_attempt(job_id: int, place: int, **fields: Any) -> Change:
    def change(evidence: Evidence) -> Evidence:
        changed = [dict(each) for each in evidence.attempts[job_id]]
        changed[place] |= fields
        return evolve(evidence, attempts={**evidence.attempts, job_id: changed})

    return change


def with_event(job_id: int, place: int, **fields: Any) -> Change:
    def change(evidence: Evidence) -> Evidence:
        changed = [dict(each) for each in evidence.events[job_id]]
        changed[place] |= fields
        return evolve(evidence, events={**evidence.events, job_id: changed})

    return change


def with_record(*lines: Line) -> Change:
    return lambda evidence: evolve(evidence, record=[*evidence.record, *lines])


def early(evidence: Evidence) -> Evidence:
    record = [line for line in evidence.record if line.job_id != 2]
    return evolve(evidence, record=[Line("begin", 2, 2), *record, Line("done", 2, 2)])


BROKEN: list[tuple[str, Change]] = [
    ("no acknowledged submission is lost", without_job),
    ("no acknowledged submission is lost", with_job(1, name="other")),
    ("no acknowledged submission is lost", with_job(2, depends={})),
    ("no acknowledged submission is lost", with_job(1, name="job-3")),
    ("no acknowledged submission is lost", lambda it: evolve(it, uncertain=[["job-1", "never"]])),
    ("no acknowledged end is lost", lambda it: evolve(it, acknowledged=frozenset({Acknowledged(2, 1, "COMPLETED")}))),
    ("no acknowledged end is lost", lambda it: evolve(it, acknowledged=frozenset({Acknowledged(2, 3, "COMPLETED")}))),
    ("no acknowledged end is lost", lambda it: evolve(it, acknowledged=frozenset({Acknowledged(3, 3, "COMPLETED")}))),
    ("what was cancelled stays cancelled", lambda it: evolve(it, cancelled=frozenset({1, 5}))),
    ("every job ends as it should", with_job(4, status="PENDING")),
    ("every job ends as it should", with_job(4, status="COMPLETED")),
    ("every job ends as it should", with_job(3, cause="lost")),
    ("every job ends as it should", with_job(3, parameters={"behaviour": "ok"})),
    ("every job ends as it should", lambda it: evolve(it, cancelled=frozenset())),
    ("failures are counted", with_job(3, failures=2)),
    ("failures are counted", with_job(3, parameters={"behaviour": "flaky"})),
    ("failures are counted", with_attempt(3, 0, status="LOST", cause="lost")),
    ("attempts come one after the other", with_attempt(2, 0, fence=2)),
    ("attempts come one after the other", with_attempt(3, 0, status="RUNNING")),
    ("attempts come one after the other", with_attempt(2, 0, status="COMPLETED")),
    ("attempts come one after the other", with_job(2, result="2-1")),
    ("no lease lapses early", with_attempt(2, 0, finished_at="2026-01-01T00:00:02Z")),
    ("every attempt is executed once", with_record(Line("begin", 1, 1))),
    ("every attempt is executed once", with_record(Line("begin", 4, 1))),
    ("every attempt is executed once", lambda it: evolve(it, record=it.record[2:])),
    ("every attempt is executed once", lambda it: evolve(it, record=it.record[:-1])),
    ("attempts overlap only after a lapse", with_attempt(2, 0, message="It was given back.")),
    ("dependencies are respected", early),
    ("dependencies are respected", with_event(1, 3, id=25)),
    ("dependencies are respected", with_job(1, depends={"3": "job-3"})),
    ("events tell the same story", with_job(1, status="FAILED")),
    ("events tell the same story", with_event(1, 2, kind="submitted")),
    ("events tell the same story", with_event(1, 2, data={"from": "PENDING", "to": "RUNNING", "fence": 1})),
    ("events tell the same story", with_event(2, 4, data={"from": "PENDING", "to": "QUEUED", "fence": 1})),
    ("events tell the same story", with_event(2, 6, data={"from": "RUNNING", "to": "COMPLETED", "fence": 1})),
    ("events tell the same story", with_event(4, 1, data={"from": "PENDING", "to": "FAILED"})),
    ("events tell the same story", with_event(2, 3, kind="completed")),
    ("events tell the same story", lambda it: evolve(it, events={**it.events, 1: it.events[1][:-1]})),
    ("output is complete", lambda it: evolve(it, logs={1: expected_log(1, 1)[:-1]})),
    ("nothing is left running", lambda it: evolve(it, remains=["process 17: sleep 60"])),
]  # fmt: skip


def test_a_run_without_a_fault_breaks_no_promise(fine: Evidence) -> None:
    assert judge(fine) == []


@pytest.mark.parametrize(("promise", "change"), BROKEN, ids=map(str, range(len(BROKEN))))
def test_a_broken_promise_is_found(fine: Evidence, promise: str, change: Change) -> None:
    assert promise in {breach.promise for breach in judge(change(fine))}


def test_every_promise_has_been_seen_to_be_broken() -> None:
    assert {promise for promise, _ in BROKEN} == set(PROMISES)


def test_history_of_a_job_tells_all_that_is_known(fine: Evidence) -> None:
    words = "\n".join(fine.history(2))
    for part in ("waits for job 1 (success): COMPLETED", "event 23", "status=LOST", "line 3: begin of attempt 2"):
        assert part in words
    assert "acknowledged: the end of attempt 1" in "\n".join(fine.history(1))
    assert list(fine.history(99)) == ["job 99: the server does not know it"]
