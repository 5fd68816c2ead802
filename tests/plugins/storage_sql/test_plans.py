"""A hundred thousand jobs cost no more than a hundred: by the database's own plans, and by counting statements."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from attrs import evolve
from sqlalchemy import Engine, event, text

from tests.plugins.storage_sql.spying import Spy, instructions, is_of_many, spying
from whatsnext_core.model import (
    Artifact,
    ArtifactSpec,
    AttemptEnd,
    AttemptNote,
    AttemptRef,
    AttemptStart,
    Capacity,
    Cause,
    ClientSpec,
    Condition,
    EventKind,
    Job,
    JobChanges,
    JobSpec,
    JobStatus,
    Requirement,
    RetryPolicy,
    Task,
    TaskSpec,
)
from whatsnext_core.scheduling import Offer
from whatsnext_core.storage import ClaimRequest, EventFilter, JobOrder, JobQuery, Page, Reader, Storage, Writer
from whatsnext_core.testing.storage import Story
from whatsnext_storage_sql.database import get_engine
from whatsnext_storage_sql.storage import SQLStorage

BIG = ("job", "ready", "listing", "event")
HOT = ("job", "ready", "edge", "attempt", "lease", "listing", "event", "delayed", "log_chunk", "log_stream", "gone")
FILES = ("artifact", "artifact_chunk")
MANY = 20_000
SUM = sha256(b"abc").hexdigest()
FREE = Capacity(cpu=64)
OFFER = Offer(free=FREE, total=FREE, limit=20)


def fill(story: Story, number: int) -> int:
    """Submit so many jobs, a few of them with parents, in slices, with events of single ones; returns the task."""
    task = story.task(retry=RetryPolicy(retries=1, delay=5))
    for _ in range(0, number, 2_000):
        ids = story.write(lambda writer: writer.submit(task.project_id, specs(task.id, 1_800), story.now))
        below = [JobSpec(name="below", task_id=task.id, depends={parent: Condition.SUCCESS}) for parent in ids[:200]]
        story.submit(*below)
        story.cancel(*ids[200::2])
        story.retry(*ids[200::2])
    return task.id


def specs(task_id: int, number: int) -> list[JobSpec]:
    return [JobSpec(name=f"job {index}", task_id=task_id, priority=index % 3) for index in range(number)]


def everyday(story: Story) -> None:
    """Do with a few jobs all that happens to jobs, but for listing them."""
    now = story.now
    request = ClaimRequest(offer=OFFER, client_id="w", session_id="s", request=1, lease=timedelta(seconds=90))
    with story.storage.write() as writer:
        given = writer.claim(request, now)
        assert writer.claim(request, now) == given
        writer.claim(evolve(request, request=2, offer=evolve(OFFER, limit=1, time_left=60.0)), now)
        writer.heartbeat("w", now)
        starts = [AttemptStart(job_id=one.job.id, fence=one.fence, handle={"pid": 1}) for one in given]
        refs = [AttemptRef(job_id=one.job.id, fence=one.fence) for one in given]
        writer.start(starts, "s", now)
        writer.note([AttemptNote(job_id=one.job.id, fence=one.fence, message="why") for one in given], "s")
        writer.renew(refs, "s", timedelta(seconds=90), now)
        writer.append_log(refs[0], "stdout", 0, b"abc", head=1, tail=1, now=now)
        artifact = [send_file(writer, refs[0].job_id, name, now) for name in ("f", "f", "g")][-1]
        writer.delete_artifact(refs[0].job_id, "f")
        ends = [
            AttemptEnd(job_id=ref.job_id, fence=ref.fence, succeeded=ref.job_id % 2 > 0, cause=Cause.EXIT)
            for ref in refs
        ]
        ends[-1] = evolve(ends[-1], succeeded=False, cause=Cause.PROMISED, stop_siblings=True)
        writer.finish(ends[2:], "s", now)
        done = next(end.job_id for end in ends[2:] if end.succeeded)
        asks = JobSpec(
            name="asks",
            task_id=given[0].task.id,
            depends={done: Condition.SUCCESS},
            parameters={"x": {"$result": str(done)}},
            priority=9,
        )
        writer.submit(given[0].job.project_id, [asks], now)
        writer.claim(evolve(request, request=2), now)
        ids = writer.submit(given[0].job.project_id, specs(given[0].task.id, 20), now)
        batch = writer.open_submission(given[0].job.project_id, now)
        writer.submit(given[0].job.project_id, specs(given[0].task.id, 20), now, batch)
        writer.publish_submission(batch, now)
        writer.cancel(ids[:5], now)
        writer.retry(ids[:3], now)
        writer.update_job(ids[6], JobChanges(depends={ids[7]: Condition.FINISHED}, name="other", priority=7), now)
        writer.delete_jobs(ids[7:9], now)
        writer.settle(now + timedelta(hours=1), 1_000)
        writer.prune(now - timedelta(hours=1), 10)
    with story.storage.read() as reader:
        job = reader.job(ids[0])
        reader.dependencies(ids[6])
        reader.children(ids[6], Page())
        reader.attempts(ids[0])
        reader.live_attempts("w")
        reader.log(refs[0].job_id, refs[0].fence, "stdout", 0, 10)
        reader.artifacts(refs[0].job_id, Page())
        reader.artifact(refs[0].job_id, "g")
        assert reader.artifact_bytes(artifact.id, 1, 2) == b"bc"
        reader.events(100, 10)
        reader.events(100, 10, EventFilter(project_id=job.project_id))
        reader.events(100, 10, EventFilter(job_ids=frozenset(ids[:5]), project_id=job.project_id))
        reader.events(100, 10, EventFilter(kinds=frozenset({EventKind.LOST})), until=10_000)
        reader.event_before(now)
        reader.last_event()
        reader.counts(job.project_id)
        look(reader, job)
        reader.demand(100)


def send_file(writer: Writer, job_id: int, name: str, now: datetime) -> Artifact:
    upload = writer.open_artifact(ArtifactSpec(job_id=job_id, name=name, size=3, sha256=SUM, fence=1), now)
    writer.append_artifact(upload.id, 0, b"abc", now)
    return writer.finish_artifact(upload.id, SUM, now)


def look(reader: Reader, job: Job) -> None:
    """Ask all that tells why a job waits."""
    reader.unmet(job.id, 10)
    reader.place(job.id, 50)
    reader.past_runs(job.project_id, [job.task_id], 50)
    reader.holdings(["w", "v"], 50)
    reader.reservations()


@pytest.fixture
def full(storage: SQLStorage, sql_url: str) -> Story:
    """A storage with many jobs, of which the database knows that they are many."""
    story = Story(storage)
    fill(story, MANY)
    story.write(lambda writer: writer.register_client(ClientSpec(id="w", name="w"), story.now))
    analyze(sql_url)
    return story


def analyze(url: str) -> None:
    """Let PostgreSQL look at how much there is."""
    if url.startswith("postgresql"):
        engine = get_engine(url).execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))
        engine.dispose()


def spied(act: Callable[[], object]) -> Spy:
    with spying() as spy:
        act()
    return spy


def test_no_everyday_statement_goes_through_a_large_table(full: Story) -> None:
    spy = spied(lambda: everyday(full))
    assert len(spy.plans) > 40
    assert outside_of_lines(spy.scans(*BIG)) == []


def test_every_everyday_statement_has_an_index_to_go_by(
    full: Story, sql_url: str, open_url: Callable[[str], SQLStorage]
) -> None:
    def prefer_indexes(connection: Any, _: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            connection.execute("SET enable_seqscan = off")
            connection.commit()

    event.listen(Engine, "connect", prefer_indexes)
    try:
        full.storage = open_url(sql_url)
        spy = spied(lambda: everyday(full))
    finally:
        event.remove(Engine, "connect", prefer_indexes)
    assert outside_of_lines(spy.scans(*HOT, *FILES)) == []


@pytest.mark.parametrize("sql_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_rows_of_a_large_batch_are_found_by_their_keys(full: Story) -> None:
    free = Capacity(cpu=500)
    request = ClaimRequest(offer=Offer(free=free, total=free, limit=500), client_id="w", session_id="s")
    now = full.now

    def act() -> None:
        given = full.write(lambda writer: writer.claim(request, now))
        ends = [AttemptEnd(job_id=one.job.id, fence=one.fence, succeeded=True) for one in given]
        assert len(full.write(lambda writer: writer.finish(ends, "s", now))) == 500

    spy = spied(act)
    assert len(list(filter(is_of_many, spy.plans))) >= 6
    assert [found for found in spy.scans(*HOT) if is_of_many(found[0])] == []


@pytest.mark.parametrize("sql_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_rows_are_found_by_their_keys_in_tables_that_were_empty_when_last_looked_at(
    storage: SQLStorage, sql_url: str
) -> None:
    story = Story(storage)
    task = story.task()
    story.client("w")
    free = Capacity(cpu=500)
    request = ClaimRequest(offer=Offer(free=free, total=free, limit=500), client_id="w", session_id="s")

    def act() -> None:
        given = story.write(lambda writer: writer.claim(request, story.now))
        ends = [AttemptEnd(job_id=one.job.id, fence=one.fence, succeeded=True) for one in given]
        assert len(story.write(lambda writer: writer.finish(ends, "s", story.now))) == 500

    story.write(lambda writer: writer.submit(task.project_id, specs(task.id, 500), story.now))
    act()
    with psycopg.connect(sql_url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    story.write(lambda writer: writer.submit(task.project_id, specs(task.id, 2_000), story.now))
    plans = {statement: plan for statement, plan in spied(act).plans.items() if is_of_many(statement)}
    assert len(plans) >= 6
    assert [plan for plan in plans.values() if any("Join Filter" in line for line in plan)] == []


def outside_of_lines(scans: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The scans but for the search of the first line: that takes the first row of the key and stops."""
    return [found for found in scans if "AS first" not in found[0]]


def test_lists_go_through_no_table_either(full: Story) -> None:
    task = full.read(lambda reader: reader.tasks(Page(limit=1))[0])

    def look() -> None:
        with full.storage.read() as reader:
            for order in (JobOrder.OLDEST, JobOrder.NEWEST):
                reader.jobs(JobQuery(project_id=task.project_id, order=order))
                reader.jobs(JobQuery(project_id=task.project_id, order=order, statuses={JobStatus.FAILED}))
                reader.jobs(JobQuery(order=order, statuses={JobStatus.PENDING, JobStatus.QUEUED}))
                reader.jobs(JobQuery(task_id=task.id, order=order, after_id=50, before_id=90))

    assert spied(look).scans(*BIG) == []


def test_lists_of_held_and_waiting_jobs_go_through_no_table_but_that_of_leases(full: Story, sql_url: str) -> None:
    task = full.read(lambda reader: reader.tasks(Page(limit=1))[0])
    free = Capacity(cpu=300)
    request = ClaimRequest(offer=Offer(free=free, total=free, limit=300), client_id="w", session_id="s")
    full.start(*full.write(lambda writer: writer.claim(request, full.now))[::2], session="s")
    analyze(sql_url)

    def look() -> None:
        with full.storage.read() as reader:
            for order in (JobOrder.OLDEST, JobOrder.NEWEST):
                for skip in (0, 1_000):
                    page = Page(limit=100, skip=skip)
                    for statuses in ({JobStatus.RUNNING}, {JobStatus.QUEUED, JobStatus.RUNNING}, {JobStatus.PENDING}):
                        query = JobQuery(project_id=task.project_id, statuses=statuses, order=order, page=page)
                        held = JobStatus.PENDING not in statuses
                        assert len(reader.jobs(query)) == (0 if held and skip else 100)

    spy = spied(look)
    assert spy.scans(*BIG) == []
    walks = [
        line
        for statement, lines in spy.plans.items()
        if "lease" in statement
        for line in lines
        if ("pk_job on job" in line and not any("(id = ANY" in each for each in lines)) or "Anti Join" in line
    ]
    assert walks == []


def cost_of_claim(storage: Storage) -> tuple[int, list[str]]:
    """How many statements a claim runs, and which."""
    story = Story(storage)
    request = ClaimRequest(offer=OFFER, client_id="w", session_id="t", lease=timedelta(seconds=90))
    with storage.write() as writer, spying() as spy:
        assert len(writer.claim(request, story.now)) == OFFER.limit
    return len(spy.statements), [statement.split(" WHERE ")[0] for statement in spy.statements]


def test_claim_runs_as_many_statements_with_many_jobs_as_with_few(storage: SQLStorage) -> None:
    story = Story(storage)
    story.write(lambda writer: writer.register_client(ClientSpec(id="w", name="w"), story.now))
    fill(story, 2_000)
    few = cost_of_claim(storage)
    project = story.read(lambda reader: reader.tasks(Page())[0]).project_id
    task = story.read(lambda reader: reader.tasks(Page())[0]).id
    for _ in range(4):
        story.write(lambda writer: writer.submit(project, specs(task, 2_000), story.now))
    assert cost_of_claim(storage)[0] <= few[0]


def count(story: Story, act: Callable[[Writer], object]) -> int:
    with story.storage.write() as writer, spying() as spy:
        act(writer)
    return len(spy.statements)


def claim_with_parents(story: Story, task: Task, parents: Sequence[int], path: str) -> int:
    """How many statements a claim of jobs runs whose parameters ask for results, or hold plain text."""
    for parent in parents:
        story.job(task, after=[parent], parameters={"x": [{path: f"{parent}.n"}]})
    with spying() as spy:
        given = story.claim("w", cpu=10)
    asked = [[parent] if path == "$result" else [{path: f"{parent}.n"}] for parent in parents]
    assert [each.job.parameters["x"] for each in given] == asked
    for taken in given:
        story.end(taken)
    return len(spy.statements)


def test_claim_of_jobs_that_ask_for_results_runs_one_statement_more_at_most(storage: SQLStorage) -> None:
    story = Story(storage)
    task = story.task()
    story.client("w")
    parents = story.jobs(task, 6)
    for taken in story.claim("w", cpu=10):
        story.end(taken, result={"n": taken.job.id})
    claim_with_parents(story, task, parents, "plain")  # what is remembered from one claim to the next is known now
    plain = claim_with_parents(story, task, parents, "plain")
    assert claim_with_parents(story, task, parents, "$result") <= plain + 1


def test_jobs_that_do_not_fit_are_never_read(storage: SQLStorage) -> None:
    story = Story(storage)
    wide = story.task("wide", cpu=100)
    narrow = story.task("narrow", cpu=1, project=story.read(lambda reader: reader.project(wide.project_id)))
    story.write(lambda writer: writer.submit(wide.project_id, specs(wide.id, 1_000), story.now))
    story.write(lambda writer: writer.submit(wide.project_id, specs(narrow.id, 5), story.now))
    request = ClaimRequest(offer=OFFER)
    assert len(story.write(lambda writer: writer.claim(request, story.now))) == 5
    assert count(story, lambda writer: writer.claim(request, story.now)) <= 3


def test_statements_do_not_grow_with_the_batch(storage: SQLStorage) -> None:
    story = Story(storage)
    task = story.task()
    project = task.project_id
    few = count(story, lambda writer: writer.submit(project, specs(task.id, 30), story.now))
    many = count(story, lambda writer: writer.submit(project, specs(task.id, 1_000), story.now))
    assert many <= few
    ids = [job.id for job in story.read(lambda reader: reader.jobs(JobQuery(page=Page(limit=600))))]
    few = count(story, lambda writer: writer.cancel(ids[:30], story.now))
    assert count(story, lambda writer: writer.cancel(ids[30:500], story.now)) <= few


def test_line_is_one_per_distinct_requirement(storage: SQLStorage, sql_url: str) -> None:
    story = Story(storage)
    project = story.project()
    for number in range(30):
        task = story.task(f"task {number}", project=project, cpu=1 + number % 2)
        story.submit(*specs(task.id, 3))
    with spying() as spy:
        assert story.ready()
    heads = [each for each in spy.statements if "FROM ready" in each and "LIMIT" in each and "RECURSIVE" not in each]
    assert len(heads) == (2 if sql_url.startswith("sqlite") else 1)


def test_changed_requirement_is_interned_once(storage: SQLStorage, sql_url: str) -> None:
    story = Story(storage)
    task = story.task(cpu=3)
    for cpu in (4, 3, 4, 3):
        with storage.write() as writer:
            writer.update_task(task.id, TaskSpec(name="task", requirement=Requirement(cpu=cpu)), story.now)
    engine = get_engine(sql_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM requirement_class")).scalar_one() == 2
    engine.dispose()


@pytest.mark.parametrize("sql_url", ["sqlite"], indirect=True)
def test_sqlite_works_as_little_with_many_jobs_as_with_few(storage: SQLStorage) -> None:
    story = Story(storage)
    story.write(lambda writer: writer.register_client(ClientSpec(id="w", name="w"), story.now))
    fill(story, 2_000)
    last = story.read(lambda reader: reader.jobs(JobQuery(order=JobOrder.NEWEST, page=Page(limit=1))))[0]
    request = ClaimRequest(offer=evolve(OFFER, limit=1), client_id="w", session_id="s", lease=timedelta(seconds=90))

    def act() -> None:
        with storage.write() as writer:
            assert writer.claim(request, story.now)
        with storage.read() as reader:
            look(reader, last)

    act()
    few = instructions(act)
    for _ in range(5):
        story.write(lambda writer: writer.submit(last.project_id, specs(last.task_id, 2_000), story.now))
    assert instructions(act) < few * 1.5
