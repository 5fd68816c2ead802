"""Children are told in steps what became of their parents, and learn all that they would have learned at once."""

from collections.abc import Sequence

import pytest

from tests.plugins.storage_sql.invariants import check_invariants
from tests.plugins.storage_sql.spying import instructions, spying
from whatsnext_core.model import Condition, EventKind, JobSpec, JobStatus, Task
from whatsnext_core.testing.storage import Story
from whatsnext_storage_sql.jobs.graph import AT_ONCE
from whatsnext_storage_sql.storage import SQLStorage

S = JobStatus
WIDTH = 200


@pytest.fixture
def story(storage: SQLStorage) -> Story:
    """A storage of each kind in turn."""
    return Story(storage)


def below(story: Story, task: Task, parents: Sequence[Sequence[int]]) -> Sequence[int]:
    """Submit jobs, each with parents that it waits for."""
    return story.submit(
        *(JobSpec(name="j", task_id=task.id, depends=dict.fromkeys(above, Condition.SUCCESS)) for above in parents)
    )


def layers(story: Story, task: Task, number: int, width: int = WIDTH) -> tuple[int, list[int]]:
    """A graph below one root, each job with three parents in the layer above."""
    root = story.job(task)
    layer = below(story, task, [[root]] * width)
    found = [*layer]
    for _ in range(number - 1):
        layer = below(story, task, [[layer[(place + step) % width] for step in range(3)] for place in range(width)])
        found += layer
    return root, found


def settle(story: Story, limit: int) -> bool:
    """Do one step and tell whether there is more to do."""
    settled = story.write(lambda writer: writer.settle(story.now, limit))
    assert settled.steps <= limit
    return settled.more


def heard(story: Story) -> dict[int, list[EventKind]]:
    """What happened to each job."""
    found: dict[int, list[EventKind]] = {}
    for event in story.events():
        found.setdefault(event.job_id, []).append(event.kind)
    return found


def test_all_below_a_cancelled_root_learn_it_once(story: Story, sql_url: str) -> None:
    task = story.task()
    root, jobs = layers(story, task, 4)
    story.cancel(root)
    check_invariants(sql_url)
    while settle(story, 250):
        check_invariants(sql_url)
    counts = story.counts(task.project_id)
    assert (counts[S.CANCELLED], counts[S.BLOCKED]) == (1, len(jobs))
    events = heard(story)
    assert [events[job] for job in jobs] == [[EventKind.SUBMITTED, EventKind.BLOCKED]] * len(jobs)


def test_what_changes_while_children_are_told_is_told_as_well(story: Story, sql_url: str) -> None:
    task = story.task()
    root, jobs = layers(story, task, 4)
    story.cancel(root)
    settle(story, 100)
    story.write(lambda writer: writer.retry([root], story.now))
    story.delete(jobs[WIDTH])
    check_invariants(sql_url)
    while settle(story, 100):
        check_invariants(sql_url)
    counts = story.counts(task.project_id)
    lost = 3 + 5
    assert (counts[S.PENDING], counts[S.BLOCKED]) == (len(jobs) - lost, lost)


def test_children_hear_of_several_parents_what_they_would_have_heard_one_by_one(story: Story, sql_url: str) -> None:
    task = story.task()
    first, second = story.jobs(task, 2)
    children = below(story, task, [[first, second]] * (AT_ONCE + 50))
    story.cancel(first)
    while settle(story, 1_000):
        pass
    story.write(lambda writer: writer.retry([first], story.now))
    story.cancel(second)
    while settle(story, 1_000):
        pass
    events = heard(story)
    one_by_one = [EventKind.SUBMITTED, EventKind.BLOCKED, EventKind.UNBLOCKED, EventKind.BLOCKED]
    assert [events[child] for child in children] == [one_by_one] * len(children)
    check_invariants(sql_url)


def test_step_runs_as_many_statements_whatever_number_it_tells(story: Story) -> None:
    root, _ = layers(story, story.task(), 6)
    story.cancel(root)
    found = []
    for limit in (30, 300):
        with spying() as spy:
            assert settle(story, limit)
        found.append(len(spy.statements))
    assert found[1] <= found[0] + 2


@pytest.mark.parametrize("sql_url", ["sqlite"], indirect=True)
def test_sqlite_works_as_little_when_many_are_to_be_told(story: Story) -> None:
    task = story.task()
    found = []
    for width in (AT_ONCE + 100, AT_ONCE + 3_000):
        root, _ = layers(story, task, 2, width)
        story.cancel(root)
        settle(story, width - AT_ONCE)
        found.append(instructions(lambda: settle(story, 20)))
        while settle(story, 1_000):
            pass
    assert found[1] < found[0] * 1.5
