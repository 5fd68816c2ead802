"""What is said of a job that a client has, and of one that has ended."""

from typing import Any

import pytest
from attrs import evolve

from tests.core.explaining.given import NOW, client, codes, facts, job, parent, reasons, runs, said, seconds, task
from whatsnext_core.explaining import explain
from whatsnext_core.explaining.ended import ADVICE
from whatsnext_core.model import Allocation, Attempt, AttemptStatus, Cause, JobStatus, RetryPolicy

S = JobStatus
QUEUED = job(S.QUEUED, attempt=2, client_id="login-1")
RUNNING = job(S.RUNNING, attempt=1, client_id="gpu-1", started_at=NOW - seconds(300))
FAILED = job(
    S.FAILED, attempt=3, failures=3, cause=Cause.EXIT, exit_code=2, message="Exit code 2: no such file",
    client_id="gpu-1", started_at=NOW - seconds(100), finished_at=NOW - seconds(40),
)  # fmt: skip


def attempt(message: str = "", **fields: Any) -> Attempt:
    """The live attempt."""
    return Attempt(
        job_id=7, fence=2, status=AttemptStatus.CLAIMED, client_id="login-1", session_id="s",
        allocation=Allocation(), claimed_at=NOW - seconds(120), message=message, **fields,
    )  # fmt: skip


# -- held --------------------------------------------------------------------------------------------------------------


def test_a_claimed_job_says_who_has_it() -> None:
    (only,) = reasons(QUEUED, attempt=attempt())
    assert only.text == "It is with login-1 (attempt 2, claimed 2 min ago), which has not reported yet that it runs."
    assert (only.code, only.client_ids) == ("claimed", ("login-1",))
    nobody = reasons(evolve(QUEUED, client_id=None))[0]
    assert nobody.text == "It is with a client without a name (attempt 2), which has not reported yet that it runs."
    assert nobody.client_ids == ()


def test_what_the_engine_says_comes_first() -> None:
    found = reasons(QUEUED, attempt=attempt("waits in Slurm: Resources"))
    assert [each.code for each in found] == ["engine", "claimed"]
    assert found[0].text == "The engine of login-1 has it wait, and says: waits in Slurm: Resources."
    assert found[1].text == "It is attempt 2, claimed 2 min ago."


def test_a_silent_client_is_told_of_with_what_follows() -> None:
    silent = client("login-1", heard=46)
    until = NOW + seconds(44)
    found = reasons(QUEUED, attempt=attempt(expires_at=until), holder=silent)
    assert [each.code for each in found] == ["silent", "claimed"]
    assert found[0].text == (
        "login-1 has not been heard of for 46 s. Unless it reports by 12:00:44 UTC, the job returns to the queue."
    )
    assert found[0].until == until
    assert said("silent", QUEUED, attempt=attempt(), holder=silent).text == "login-1 has not been heard of for 46 s."
    assert said("silent", RUNNING, holder=silent).until is None
    assert codes(RUNNING, holder=client(heard=45)) == ["running"]


def test_a_running_job_says_where_for_how_long_and_how_long_it_may_take() -> None:
    assert said("running", RUNNING).text == "It runs on gpu-1, attempt 1, for 5 min now."
    known = said("running", RUNNING, runs=runs(250, 310, 400), task=task(timeout=3600))
    assert known.text.endswith("for 5 min now. The last 3 runs of its task took 4 min to 7 min. It may take 60 min.")
    own = said("running", evolve(RUNNING, timeout=30.0, started_at=None), task=task(timeout=3600))
    assert own.text == "It runs on gpu-1, attempt 1. It may take 30 s."


def test_a_cancel_that_is_not_confirmed_comes_first() -> None:
    found = reasons(evolve(RUNNING, cancel_requested=True))
    assert [each.code for each in found] == ["cancelling", "running"]
    assert found[0].text == "Somebody cancelled it, and gpu-1 has yet to confirm that it ended."


# -- ended -------------------------------------------------------------------------------------------------------------


def test_a_completed_job_is_final() -> None:
    done = job(S.COMPLETED, attempt=1)
    assert said("completed", done).text == "Its command succeeded at the first attempt; that is final."
    times: dict[str, Any] = {"started_at": NOW - seconds(90_000), "finished_at": NOW - seconds(86_400)}
    again = evolve(done, attempt=2, client_id="gpu-1", **times)
    assert said("completed", again).text == (
        "Its command succeeded at attempt 2 on gpu-1 after 60 min, at 2026-01-30 12:00 UTC; that is final."
    )


def test_a_failed_job_says_how_why_no_more_and_what_a_retry_does() -> None:
    found = reasons(FAILED, task=task(RetryPolicy(retries=2)))
    assert [each.text for each in found] == [
        "Attempt 3 on gpu-1 failed after 60 s: Exit code 2: no such file.",
        "3 attempts failed; its task allows 2 retries.",
        "A retry brings it back to the queue with all its attempts before it.",
    ]
    assert found[0].advice == "What it wrote: whatsnext jobs logs 7 --stream stderr"
    assert found[2].advice == "whatsnext jobs retry 7"
    plain = reasons(job(S.FAILED, attempt=1, failures=1, losses=1), task=task(RetryPolicy(retries=1)))
    assert [each.text for each in plain[:2]] == [
        "Attempt 1 failed.",
        "1 attempt failed, 1 was lost; its task allows 1 retry.",
    ]
    assert plain[0].advice == ""


@pytest.mark.parametrize(
    ("changes", "policy", "words"),
    [
        ({"cause": Cause.LOST, "losses": 6}, RetryPolicy(), "6 attempts were lost; its task allows 5."),
        ({"cause": Cause.LOST, "losses": 1}, RetryPolicy(max_losses=0), "1 attempt was lost; its task allows 0."),
        (
            {"cause": Cause.PROMISED},
            RetryPolicy(retries=3, causes=frozenset({Cause.EXIT})),
            "Its task's retry policy does not retry the cause promised.",
        ),
        ({"losses": 2}, RetryPolicy(), "3 attempts failed, 2 were lost; its task allows no retry."),
    ],
)
def test_the_policy_says_why_it_is_not_tried_again(changes: dict[str, Any], policy: RetryPolicy, words: str) -> None:
    assert said("attempts", evolve(FAILED, **changes), task=task(policy)).text == words


def test_a_retry_would_bring_back_what_it_blocks_or_stay_blocked() -> None:
    assert said("retry", FAILED, children=2).text.endswith(", and what it blocks with it (2 jobs directly behind it).")
    assert "(more than 10 jobs directly" in said("retry", FAILED, children=10, children_are_all=False).text
    stuck = said("retry", FAILED, unmet=(parent(3, S.FAILED), parent(4, S.RUNNING)))
    assert (stuck.text, stuck.advice) == (
        "A retry would leave it BLOCKED by job 3 'job-3'.",
        "First: whatsnext jobs retry 3",
    )


def test_a_cancelled_job_can_be_retried() -> None:
    found = reasons(job(S.CANCELLED))
    assert [each.code for each in found] == ["cancelled", "retry"]
    assert found[0].text == "It was cancelled."
    ran = job(S.CANCELLED, client_id="gpu-1", started_at=NOW, finished_at=NOW)
    assert reasons(ran)[0].text == "It was cancelled at 12:00:00 UTC. It had run on gpu-1."


def test_every_cause_has_advice_or_is_no_cause_of_a_failure() -> None:
    assert set(Cause) - ADVICE.keys() == {Cause.CANCELLED}


@pytest.mark.parametrize("status", S)
def test_there_is_always_a_reason(status: JobStatus) -> None:
    found = explain(facts(job(status)))
    assert found.reasons
    assert (found.job_id, found.name, found.status, found.at) == (7, "train", status, NOW)
