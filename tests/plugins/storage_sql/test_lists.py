"""Lists go along an index that has their rows in their order, whatever the database thinks how many there are."""

import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from itertools import product

import psycopg
import pytest
from attrs import evolve

from tests.plugins.storage_sql.spying import Spy, blocks, instructions, spying
from whatsnext_core.model import Capacity, Condition, Job, JobSpec, JobStatus, Task
from whatsnext_core.scheduling import Offer
from whatsnext_core.storage import ClaimRequest, JobOrder, JobQuery, Page
from whatsnext_core.testing.storage import Story
from whatsnext_storage_sql.storage import SQLStorage

S = JobStatus
MANY = 6_000
WAY = re.compile(
    r"Scan(?: Backward)? using (\w+) on listing|SEARCH listing USING (?:COVERING INDEX (\w+)|(PRIMARY KEY))"
)
BY_PRIORITY = "ix_listing_project_id_neg_priority_job_id"
BY_ID = {"sqlite": "PRIMARY KEY", "postgresql": "pk_listing"}
WANTED = ({S.PENDING}, {S.PENDING, S.QUEUED, S.RUNNING}, {S.PENDING, S.RUNNING, S.FAILED})
"""No job has FAILED."""


def ways(spy: Spy) -> set[str]:
    """The indexes along which rows of ``listing`` were found, and the lines of plans that tell of no such way."""
    steps = {line for plan in spy.plans.values() for line in plan if re.search("(Scan.* on|SEARCH|SCAN) listing", line)}
    found = {line: WAY.search(line) for line in steps}
    return {next(filter(None, match.groups())) if match else line for line, match in found.items()}


def submit(story: Story, task: Task, number: int) -> None:
    """Submit jobs of several priorities; those of the highest wait for one of the lowest."""
    (root,) = story.submit(JobSpec(name="root", task_id=task.id, priority=-5))
    waiting = JobSpec(name="waits", task_id=task.id, priority=5, depends={root: Condition.SUCCESS})
    story.submit(*[waiting] * 10)
    ready = [JobSpec(name="ready", task_id=task.id, priority=place % 4) for place in range(number)]
    story.write(lambda writer: writer.submit(task.project_id, ready, story.now))


def cancel_many(story: Story, task: Task) -> None:
    """Submit many jobs and cancel them."""
    ids = story.jobs(task, MANY)
    for start in range(0, MANY, 500):
        story.cancel(*ids[start : start + 500])


def hold(story: Story, number: int) -> None:
    """Claim the first so many jobs, and start half of them."""
    free = Capacity(cpu=number)
    request = ClaimRequest(offer=Offer(free=free, total=free, limit=number), client_id="w", session_id="s")
    given = story.write(lambda writer: writer.claim(request, story.now))
    assert len(given) == number
    story.start(*given[::2], session="s")


def listed(story: Story, query: JobQuery) -> Sequence[Job]:
    """The jobs that a query describes."""
    with story.storage.read() as reader:
        return reader.jobs(query)


def analyze(url: str) -> None:
    """Let the database look at how much there is of what."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            file.execute("ANALYZE")
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")


def forget(url: str) -> None:
    """Put a PostgreSQL database into the state of one that was vacuumed and never analyzed."""
    if url.startswith("postgresql"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DELETE FROM pg_statistic WHERE starelid IN ('listing'::regclass, 'lease'::regclass)")
            connection.execute("VACUUM")


@pytest.fixture(params=["never", "now", "when nothing was open"])
def deep(
    request: pytest.FixtureRequest, storage: SQLStorage, sql_url: str, open_url: Callable[[str], SQLStorage]
) -> Story:
    """Two projects with many waiting jobs, and a database that looked at how many there are at some time."""
    story = Story(storage)
    one, other = story.task("one"), story.task("other")
    story.client("w")
    if request.param == "when nothing was open":
        cancel_many(story, one)
        analyze(sql_url)
    submit(story, one, MANY)
    submit(story, other, 100)
    if request.param == "now":
        analyze(sql_url)
    elif request.param == "never":
        forget(sql_url)
    story.storage = open_url(sql_url)
    return story


def test_open_jobs_are_found_along_an_index_in_every_order(deep: Story, sql_url: str) -> None:
    by_id = BY_ID[sql_url.partition(":")[0]]
    found, expected = {}, {}
    for held in (0, 400):
        if held:
            hold(deep, held)
        for order, statuses, project_id, skip in product(JobOrder, WANTED, (1, None), (0, 1_000)):
            page = Page(limit=100, skip=skip)
            query = JobQuery(project_id=project_id, statuses=statuses, order=order, page=page)
            with spying() as spy:
                assert len(listed(deep, query)) == 100
            key = (held, order, *sorted(statuses), project_id, skip)
            found[key] = ways(spy)
            expected[key] = {BY_PRIORITY if order is JobOrder.QUEUE else by_id}
    assert found == expected


def test_few_jobs_behind_a_long_history_are_listed_by_their_ids_along_those(storage: SQLStorage, sql_url: str) -> None:
    story = Story(storage)
    task = story.task()
    cancel_many(story, task)
    analyze(sql_url)
    story.jobs(task, 100)
    by_id = BY_ID[sql_url.partition(":")[0]]
    for order, statuses in product((JobOrder.OLDEST, JobOrder.NEWEST), WANTED):
        with spying() as spy:
            query = JobQuery(project_id=task.project_id, statuses=statuses, order=order)
            assert len(listed(story, query)) == 100
        assert ways(spy) == {by_id}


@pytest.mark.parametrize("sql_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_index_of_the_queue_is_known_before_the_parameters_are(storage: SQLStorage, sql_url: str) -> None:
    story = Story(storage)
    task = story.task()
    submit(story, task, MANY)
    analyze(sql_url)
    with spying() as spy:
        listed(story, JobQuery(statuses={S.PENDING}, order=JobOrder.QUEUE))
    (statement,) = [each for each in spy.plans if "FROM listing" in each]
    given = spy.parameters[statement]
    numbered = statement % {name: f"${place}" for place, name in enumerate(given, start=1)}
    with psycopg.connect(sql_url, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("SET plan_cache_mode = force_generic_plan")
        connection.execute(f"PREPARE look AS {numbered}")
        plan = connection.execute(f"EXPLAIN EXECUTE look ({', '.join(['%s'] * len(given))})", list(given.values()))
        assert any(BY_PRIORITY in line for (line,) in plan)


def test_head_of_the_queue_is_listed_as_quickly_before_many_jobs_as_before_few(
    storage: SQLStorage, sql_url: str
) -> None:
    story = Story(storage)
    task = story.task()
    effort = instructions if sql_url.startswith("sqlite") else blocks
    query = JobQuery(project_id=task.project_id, statuses={S.PENDING}, order=JobOrder.QUEUE, page=Page(limit=100))
    look = partial(listed, story, query)
    submit(story, task, 2_000)
    look()
    few = effort(look)
    behind = [JobSpec(name="behind", task_id=task.id, priority=-9)] * 10_000
    story.write(lambda writer: writer.submit(task.project_id, behind, story.now))
    assert effort(look) < few * 2


def test_page_in_the_middle_of_the_queue_is_listed_as_quickly_as_the_first(storage: SQLStorage, sql_url: str) -> None:
    story = Story(storage)
    task = story.task()
    effort = instructions if sql_url.startswith("sqlite") else blocks
    submit(story, task, MANY)
    first = JobQuery(project_id=task.project_id, statuses={S.PENDING}, order=JobOrder.QUEUE, page=Page(limit=100))
    every = listed(story, evolve(first, page=Page(limit=10_000)))
    middle = every[MANY // 2]
    later = evolve(first, behind=(middle.priority, middle.id))
    assert listed(story, later) == every[MANY // 2 + 1 :][:100]
    assert effort(partial(listed, story, later)) < 2 * effort(partial(listed, story, first))
