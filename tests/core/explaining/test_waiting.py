"""What is said of a job that waits for others, for its retry, or can never run."""

from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.explaining.given import NOW, client, codes, facts, job, parent, reasons, runs, said, seconds, task
from whatsnext_core.explaining import Chain, explain, follow
from whatsnext_core.explaining.facts import LONGEST_CHAIN
from whatsnext_core.model import Cause, Condition, JobStatus, ProjectStatus, RetryPolicy
from whatsnext_core.storage import Parent

S = JobStatus


def waits(*links: Parent, **chain: Any) -> dict[str, Any]:
    """Facts of a job that waits for the first of a chain."""
    return {"unmet": links[:1], "chains": (Chain(links=links, **chain),), "place": None}


# -- dependencies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "words"),
    [(Condition.SUCCESS, "to complete"), (Condition.FINISHED, "to end"), (Condition.FAILURE, "to fail")],
)
def test_a_dependency_is_told_with_what_it_asks_for(condition: Condition, words: str) -> None:
    running = parent(12, S.RUNNING, condition, client_id="gpu-1", started_at=NOW - seconds(300))
    (only,) = reasons(**waits(running))
    assert (only.code, only.job_ids, only.advice) == ("dependency", (12,), "")
    assert only.text == f"It waits for job 12 'job-12' {words}, which is RUNNING on gpu-1 for 5 min."


@pytest.mark.parametrize(
    ("above", "words"),
    [
        (parent(3, S.RUNNING), "is RUNNING."),
        (parent(3, S.QUEUED, client_id="gpu-1"), "is QUEUED on gpu-1."),
        (parent(3, S.QUEUED), "is QUEUED."),
        (parent(3, S.PENDING, not_before=NOW + seconds(5)), "is PENDING until 12:00:05 UTC, when its back-off ends."),
        (parent(3, S.PENDING, not_before=NOW - seconds(5)), "is PENDING."),
        (parent(3, S.COMPLETED), "is COMPLETED; this job learns of that in a moment."),
        (parent(3, S.CANCELLED), "is CANCELLED."),
        (parent(3, S.FAILED, cause=Cause.EXIT, exit_code=3), "FAILED (exit code 3)."),
        (parent(3, None), "was deleted."),
    ],
)
def test_a_parent_is_told_with_where_it_stands(above: Parent, words: str) -> None:
    assert reasons(**waits(above))[0].text == f"It waits for job 3 'job-3' to complete, which {words}"


def test_past_runs_of_a_running_parent_tell_how_long_it_may_take() -> None:
    running = parent(3, S.RUNNING, task_id=9)
    assert reasons(**waits(running), runs=runs(50, 60, 65, task_id=9))[0].text.endswith(
        "which is RUNNING (the last 3 runs of its task took 50 s to 65 s)."
    )


def test_what_a_parent_waits_for_is_told_step_by_step() -> None:
    links = (parent(5, S.PENDING), parent(4, S.PENDING, Condition.FINISHED), parent(3, S.RUNNING, client_id="gpu-1"))
    assert reasons(**waits(*links[1:]))[0].text == (
        "It waits for job 4 'job-4' to end, which is PENDING; that one waits for job 3 'job-3' to complete, "
        "which is RUNNING on gpu-1."
    )
    far = reasons(**waits(parent(9, S.PENDING), parent(8, S.PENDING), parent(7, S.PENDING), *links))[0]
    assert far.text == (
        "It waits for job 9 'job-9' to complete, which is PENDING; that one waits for job 8 'job-8' to complete, "
        "which is PENDING; and so on up to job 3 'job-3', 5 jobs further up, which is RUNNING on gpu-1."
    )
    assert far.job_ids == (9, 8, 7, 5, 4, 3)


def test_a_chain_that_goes_on_names_where_to_look_further() -> None:
    fork = reasons(**waits(parent(4, S.PENDING), forks=True))[0]
    assert fork.text.endswith("which is PENDING and waits for several jobs.")
    assert fork.advice == "What holds that one: whatsnext jobs why 4"
    assert reasons(**waits(parent(4, S.PENDING), is_cut=True))[0].text.endswith(" and waits for another job.")


def test_many_parents_are_counted_first() -> None:
    many = (*(parent(number, S.PENDING) for number in range(1, 5)), parent(5, S.RUNNING), parent(6, None))
    chains = tuple(Chain(links=(each,)) for each in many[:3])
    found = reasons(unmet=many, chains=chains, place=None)
    assert [each.code for each in found] == ["dependency"] * 4
    assert found[0].text == (
        "It waits for 6 jobs: 4 PENDING, 1 RUNNING, 1 deleted. The next reasons tell of the first."
    )
    more = reasons(unmet=many, chains=chains, place=None, unmet_is_all=False)
    assert more[0].text.startswith("It waits for more than 6 jobs:")


def test_what_it_waits_for_and_what_it_does_not_fit_are_both_told() -> None:
    given: dict[str, Any] = waits(parent(3, S.RUNNING))
    assert codes(**given, task=task(cpu=99)) == ["dependency", "does-not-fit"]
    assert codes(**given, task=task(cpu=4)) == ["dependency"]


def test_back_off_tells_until_when_and_why() -> None:
    waiting = job(attempt=2, failures=2, cause=Cause.EXIT, exit_code=1, not_before=NOW + seconds(12))
    (only,) = reasons(waiting, task=task(RetryPolicy(retries=5)), place=None)
    assert only.text == (
        "Attempt 2 failed (exit code 1); the next one may start in 12 s, at 12:00:12 UTC. "
        "Its policy allows 5 after the first, and 2 failed so far."
    )
    assert (only.code, only.until) == ("back-off", NOW + seconds(12))
    assert codes(evolve(waiting, not_before=NOW - seconds(1)), place=None) == ["settling"]


def test_an_archived_project_comes_first() -> None:
    archived = evolve(facts().project, status=ProjectStatus.ARCHIVED)
    found = explain(facts(project=archived, **waits(parent(3, S.RUNNING))))
    assert [each.code for each in found.reasons] == ["archived", "dependency"]
    assert found.reasons[0].text == "Its project 'digits' is archived and hands out no jobs."


# -- blocked -----------------------------------------------------------------------------------------------------------


def blocked(*links: Parent, **fields: Any) -> Any:
    return said("dependency", job(S.BLOCKED), **{**waits(*links), **fields})


def test_a_failed_parent_blocks_and_can_be_retried() -> None:
    failed = parent(3, S.FAILED, cause=Cause.EXIT, exit_code=2, message="Exit code 2: no such file\nmore")
    found = blocked(failed)
    assert found.text == (
        "It can never run as things stand: job 3 'job-3' FAILED (Exit code 2: no such file), and it had to complete."
    )
    assert (found.advice, found.job_ids) == ("To bring it back with all that it blocks: whatsnext jobs retry 3", (3,))


def test_the_root_cause_stands_at_the_end_of_a_chain_of_blocked_jobs() -> None:
    root = parent(1, S.FAILED, cause=Cause.OOM, message="killed")
    assert blocked(parent(2, S.BLOCKED), root).text == (
        "It can never run as things stand: job 2 'job-2' is BLOCKED, and it had to complete; the cause is "
        "job 1 'job-1', which FAILED (oom: killed) and had to complete."
    )
    far = blocked(parent(4, S.BLOCKED), parent(3, S.BLOCKED), parent(2, S.BLOCKED), root)
    assert "; the cause, 3 jobs up, is job 1 'job-1', which FAILED (oom: killed)" in far.text
    assert far.advice.endswith("whatsnext jobs retry 1")
    assert far.job_ids == (4, 3, 2, 1)


def test_what_cannot_be_retried_is_final() -> None:
    completed = blocked(parent(3, S.COMPLETED, Condition.FAILURE))
    assert completed.text.endswith("job 3 'job-3' is COMPLETED, and it had to fail.")
    assert completed.advice == "That is final: give job 7 other dependencies, or cancel it."
    deleted = blocked(parent(3, S.BLOCKED), parent(2, None))
    assert "the cause is job 2 'job-2', which was deleted and had to complete." in deleted.text
    assert deleted.advice == "That is final: give job 3 other dependencies, or cancel it."


def test_a_very_long_chain_names_where_to_look_further() -> None:
    given = {"unmet": (parent(3, S.BLOCKED),), "place": None}
    chain = Chain(links=(parent(3, S.BLOCKED), parent(2, S.BLOCKED)), is_cut=True)
    cut = said("dependency", job(S.BLOCKED), chains=(chain,), **given)
    assert cut.text.endswith("the cause is job 2 'job-2', which is BLOCKED.")
    assert cut.advice == "What blocks that one: whatsnext jobs why 2"


def test_all_that_block_it_are_counted() -> None:
    dead = tuple(parent(number, S.CANCELLED) for number in range(1, 6))
    unmet = (*dead, parent(6, S.RUNNING))
    chains = tuple(Chain(links=(each,)) for each in unmet[:3])
    found = reasons(job(S.BLOCKED), unmet=unmet, chains=chains, place=None)
    assert found[-1].text == "In all 5 jobs that it depends on block it."
    more = reasons(job(S.BLOCKED), unmet=unmet, chains=chains, place=None, unmet_is_all=False)
    assert more[-1].text == "In all at least 5 jobs that it depends on block it."


def test_a_job_that_is_blocked_no_more_learns_of_it_soon() -> None:
    assert codes(job(S.BLOCKED), **waits(parent(3, S.RUNNING))) == ["settling"]


# -- following a chain -------------------------------------------------------------------------------------------------


@given(
    st.dictionaries(
        st.integers(1, 12),
        st.tuples(st.sampled_from([*S, None]), st.lists(st.integers(1, 12), max_size=3)),
        max_size=12,
    )
)
@settings(max_examples=200)
def test_a_chain_ends_at_what_holds_all_up(graph: dict[int, tuple[JobStatus | None, list[int]]]) -> None:
    def above(job_id: int, limit: int) -> Sequence[Parent]:
        _, parents = graph.get(job_id, (None, []))
        return [parent(each, graph.get(each, (None, []))[0]) for each in parents][:limit]

    for number, (status, _) in graph.items():
        chain = follow(parent(number, status), above)
        assert 1 <= len(chain.links) <= LONGEST_CHAIN
        for lower, upper in zip(chain.links, chain.links[1:], strict=False):
            assert upper == above(lower.id, 1)[0]
            assert lower.status in {S.PENDING, S.BLOCKED}
            assert lower.status is S.BLOCKED or len(above(lower.id, 2)) == 1
        assert chain.is_cut == (len(chain.links) == LONGEST_CHAIN)
        if chain.root.status in {S.PENDING, S.BLOCKED} and not chain.is_cut:
            assert chain.forks == bool(above(chain.root.id, 2))


def test_clients_are_no_matter_to_a_blocked_job() -> None:
    assert codes(job(S.BLOCKED), clients=(client(),), **waits(parent(3, None))) == ["dependency"]


def test_a_chain_is_followed_only_so_far() -> None:
    chain = follow(parent(1, S.PENDING), lambda job_id, limit: [parent(job_id + 1, S.PENDING)][:limit])
    assert (chain.ids, chain.is_cut) == (tuple(range(1, LONGEST_CHAIN + 1)), True)
