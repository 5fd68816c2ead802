"""Two servers on one database neither give a job twice nor miss each other's changes."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest
from sqlalchemy import Engine, event

from tests.plugins.storage_sql.invariants import check_invariants
from tests.plugins.storage_sql.serving import at_once, claim, finish, write
from tests.plugins.storage_sql.spying import spying
from tests.support import wait_until
from whatsnext_core.errors import StorageError, TransientStorageError, UncertainStorageError
from whatsnext_core.model import Condition, JobChanges, JobSpec, JobStatus, RetryPolicy, TaskSpec
from whatsnext_core.storage import JobQuery, Page, Storage, Writer
from whatsnext_core.testing.storage import Story
from whatsnext_storage_sql.config import SQLConfig
from whatsnext_storage_sql.connection.transaction import COUNTER_LOCK
from whatsnext_storage_sql.storage import SQLStorage, open_storage

Open = Callable[[str], SQLStorage]
S = JobStatus


@pytest.fixture
def servers(sql_url: str, open_url: Open) -> tuple[SQLStorage, SQLStorage]:
    """Two storages on one database, of each kind in turn."""
    return open_url(sql_url), open_url(sql_url)


def statuses(storage: Storage, project: int) -> dict[JobStatus, int]:
    with storage.read() as reader:
        return {status: number for status, number in reader.counts(project).items() if number}


def submit(storage: Storage, project: int, spec: JobSpec) -> None:
    write(storage, lambda writer: writer.submit(project, [spec], storage.clock()))


def cancel(storage: Storage, job: int) -> None:
    write(storage, lambda writer: writer.cancel([job], storage.clock()))


def retry(storage: Storage, job: int) -> None:
    write(storage, lambda writer: writer.retry([job], storage.clock()))


def drain(storage: Storage, session: str, total: int, taken: list[int], done: threading.Event) -> None:
    """Claim and finish until so many jobs were taken by all together."""
    while not done.is_set():
        given = claim(storage, session)
        taken.extend(one.job.id for one in given)
        finish(storage, session, given)
        if len(taken) >= total:
            done.set()


def test_every_job_is_given_exactly_once(servers: tuple[SQLStorage, SQLStorage], sql_url: str) -> None:
    story = Story(servers[0])
    task = story.task()
    story.submit(*(JobSpec(name="j", task_id=task.id, priority=i % 4) for i in range(300)))
    taken: list[int] = []
    done = threading.Event()
    at_once(*(partial(drain, servers[i % 2], f"s{i}", 300, taken, done) for i in range(4)))
    assert sorted(taken) == sorted(set(taken))
    assert len(taken) == 300
    assert statuses(servers[1], task.project_id) == {S.COMPLETED: 300}
    check_invariants(sql_url)


def test_every_edge_is_respected(servers: tuple[SQLStorage, SQLStorage], sql_url: str) -> None:
    story = Story(servers[0])
    task = story.task()
    ids = story.reserve(120)
    parents = {job: [ids[place - back] for back in (1, 7, 20) if place >= 20] for place, job in enumerate(ids)}
    story.submit(
        *(
            JobSpec(name="j", task_id=task.id, id=job, depends=dict.fromkeys(parents[job], Condition.SUCCESS))
            for job in ids
        )
    )
    ended: set[int] = set()
    early: list[int] = []
    done = threading.Event()

    def work(storage: Storage, session: str) -> None:
        while not done.is_set():
            given = claim(storage, session, limit=3)
            early.extend(one.job.id for one in given if not set(parents[one.job.id]) <= ended)
            ended.update(one.job.id for one in given)
            finish(storage, session, given)
            if len(ended) == len(ids):
                done.set()

    at_once(*(partial(work, storage, f"s{place}") for place, storage in enumerate(servers)))
    assert early == []
    assert statuses(servers[0], task.project_id) == {S.COMPLETED: 120}
    check_invariants(sql_url)


def test_new_edge_and_end_of_its_parent_never_miss_each_other(
    servers: tuple[SQLStorage, SQLStorage], sql_url: str
) -> None:
    one, other = servers
    story = Story(one)
    task = story.task()
    for _ in range(25):
        (parent,) = story.submit(JobSpec(name="parent", task_id=task.id))
        given = claim(one, "s")
        assert [each.job.id for each in given] == [parent]
        child = JobSpec(name="child", task_id=task.id, depends={parent: Condition.SUCCESS})
        at_once(
            partial(finish, one, "s", given),
            partial(submit, other, task.project_id, child),
        )
        after = claim(other, "s")
        assert [each.job.depends for each in after] == [{parent: "parent"}]
        finish(other, "s", after)
    check_invariants(sql_url)


def test_changes_across_each_other_all_happen(servers: tuple[SQLStorage, SQLStorage], sql_url: str) -> None:
    story = Story(servers[0])
    task = story.task()
    roots = story.jobs(task, 6)
    for _ in range(20):
        story.job(task, after=roots)

    def toggle(storage: Storage, jobs: Sequence[int]) -> None:
        for _ in range(3):
            for job in jobs:
                cancel(storage, job)
                retry(storage, job)

    at_once(partial(toggle, servers[0], roots[:3]), partial(toggle, servers[1], roots[3:][::-1]))
    assert statuses(servers[0], task.project_id) == {S.PENDING: 26}
    check_invariants(sql_url)


def test_who_follows_the_events_misses_none(
    servers: tuple[SQLStorage, SQLStorage], open_url: Open, sql_url: str
) -> None:
    reading = open_url(sql_url)
    task = Story(servers[0]).task()
    done = threading.Event()
    followed: list[int] = []

    def produce(storage: Storage) -> None:
        for _ in range(25):
            submit(storage, task.project_id, JobSpec(name="j", task_id=task.id))

    def follow() -> None:
        while True:
            last_look = done.is_set()
            with reading.read() as reader:
                followed.extend(event.id for event in reader.events(followed[-1] if followed else 0, 100))
            if last_look:
                return

    def produce_all() -> None:
        try:
            at_once(*(partial(produce, storage) for storage in servers))
        finally:
            done.set()

    at_once(produce_all, follow)
    with reading.read() as reader:
        assert followed == [event.id for event in reader.events(0, 1_000)]
    assert len(followed) == 50


def test_same_name_twice_at_once_makes_one_thing(servers: tuple[SQLStorage, SQLStorage]) -> None:
    outcomes: Counter[str] = Counter()

    def create(storage: Storage) -> None:
        try:
            write(storage, lambda writer: writer.create_project("same", "", storage.clock()))
            outcomes["made"] += 1
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001  # its kind is what is looked at
            outcomes[type(error).__name__] += 1

    at_once(*(partial(create, storage) for storage in servers))
    assert outcomes == {"made": 1, "DuplicateError": 1}


def test_requirement_that_two_servers_meet_at_once_is_one_class(servers: tuple[SQLStorage, SQLStorage]) -> None:
    projects = [Story(servers[0]).project(name) for name in ("a", "b")]
    spec = TaskSpec(name="t", retry=RetryPolicy(retries=1))
    at_once(
        *(
            lambda storage=storage, project=project: write(
                storage, lambda writer: writer.create_task(project.id, spec, storage.clock())
            )
            for storage, project in zip(servers, projects, strict=True)
        )
    )
    with servers[0].read() as reader:
        assert len(reader.tasks(Page())) == 2


def test_batch_is_published_while_its_parents_end(servers: tuple[SQLStorage, SQLStorage], sql_url: str) -> None:
    one, other = servers
    story = Story(one)
    task = story.task()
    parents = story.jobs(task, 30)
    batch = write(one, lambda writer: writer.open_submission(task.project_id, one.clock()))
    specs = [JobSpec(name="child", task_id=task.id, depends={parent: Condition.SUCCESS}) for parent in parents]
    write(one, lambda writer: writer.submit(task.project_id, specs, one.clock(), batch))

    def end_parents() -> None:
        while given := [each for each in claim(one, "s", limit=2) if each.job.id in parents]:
            finish(one, "s", given)

    def publish() -> None:
        write(other, lambda writer: writer.publish_submission(batch, other.clock()))
        while write(other, lambda writer: writer.settle(other.clock(), 3)).more:
            pass

    at_once(publish, end_parents)
    with one.read() as reader:
        children = reader.jobs(JobQuery(statuses={S.PENDING, S.QUEUED}))
    assert len(children) + statuses(one, task.project_id).get(S.COMPLETED, 0) == 60
    check_invariants(sql_url)


def test_job_that_another_server_brings_back_is_found(servers: tuple[SQLStorage, SQLStorage]) -> None:
    one, other = servers
    story = Story(one)
    first, *_ = story.jobs(story.task(), 20)
    assert first in [each.job.id for each in claim(one, "s")]
    write(other, lambda writer: writer.update_job(first, JobChanges(status=S.PENDING), other.clock()))
    again = wait_until(lambda: [each for each in claim(one, "s", limit=1) if each.job.id == first])
    assert again[0].fence == 2


def test_dead_rows_that_an_old_snapshot_keeps_are_not_searched(migrated_postgresql_url: str, open_url: Open) -> None:
    storage = open_url(migrated_postgresql_url)
    story = Story(storage)
    task = story.task()
    story.submit(*(JobSpec(name="j", task_id=task.id) for _ in range(3_000)))
    with psycopg.connect(migrated_postgresql_url) as old:
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM ready")
        for _ in range(29):
            claim(storage, "s", limit=100)
        # Now and then a claim searches from the beginning all the same, lest it miss what another server brought back.
        looked_at = [blocks_of_a_claim(storage, migrated_postgresql_url) for _ in range(4)]
        old.rollback()
    assert min(looked_at) < 35


def blocks_of_a_claim(storage: SQLStorage, url: str) -> int:
    """How many blocks a claim looks at for the heads of the lines; 56 if it goes through 2,900 dead rows."""
    with spying() as spy:
        claim(storage, "s", limit=10)
    (head,) = [statement for statement in spy.statements if "SKIP LOCKED" in statement and "LATERAL" in statement]
    with psycopg.connect(url) as looking:
        plan = looking.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {head}", spy.parameters[head]).fetchone()
    assert plan is not None
    return int(plan[0][0]["Plan"]["Shared Hit Blocks"])


def cut_connections(url: str) -> None:
    """Break all connections of storages to a PostgreSQL database, as its restart does."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'whatsnext'"
        )


@pytest.fixture
def wary(migrated_postgresql_url: str) -> Iterator[SQLStorage]:
    """A storage that checks each connection before it uses it."""
    storage = open_storage(migrated_postgresql_url, SQLConfig(check_after=0))
    yield storage
    storage.close()


def test_connection_that_breaks_in_a_transaction_undoes_it_and_the_next_one_works(
    migrated_postgresql_url: str, wary: SQLStorage
) -> None:
    story = Story(wary)
    story.project("before")

    def break_off(writer: Writer) -> None:
        writer.create_project("half", "", story.now)
        cut_connections(migrated_postgresql_url)
        writer.create_project("other half", "", story.now)

    with pytest.raises(TransientStorageError, match="broke before anything was written"), wary.write() as writer:
        break_off(writer)
    story.project("after")
    assert [project.name for project in story.read(lambda reader: reader.projects(Page()))] == ["before", "after"]


def test_connection_that_broke_while_it_rested_is_replaced(migrated_postgresql_url: str, wary: SQLStorage) -> None:
    Story(wary).project("before")
    wary.check()
    cut_connections(migrated_postgresql_url)
    wary.check()
    Story(wary).project("after")


def test_commit_that_breaks_is_told_to_be_uncertain(migrated_postgresql_url: str, wary: SQLStorage) -> None:
    story = Story(wary)

    def break_off(_: object) -> None:
        cut_connections(migrated_postgresql_url)

    event.listen(Engine, "commit", break_off)
    try:
        with pytest.raises(UncertainStorageError, match="unknown whether that was kept"), wary.write() as writer:
            writer.create_project("perhaps", "", story.now)
    finally:
        event.remove(Engine, "commit", break_off)
    story.project("surely")


def test_connection_that_broke_before_the_last_changes_were_sent_undoes_them(
    migrated_postgresql_url: str, wary: SQLStorage
) -> None:
    story = Story(wary)
    task = story.task()

    def break_off(writer: Writer) -> None:
        writer.submit(task.project_id, [JobSpec(name="j", task_id=task.id)], story.now)
        cut_connections(migrated_postgresql_url)

    with pytest.raises(TransientStorageError, match="broke before anything was written"), wary.write() as writer:
        break_off(writer)
    assert statuses(wary, task.project_id) == {}


@pytest.mark.parametrize(
    ("end", "is_uncertain"), [("terminate", True), ("cancel", False)], ids=["broken", "refused by the database"]
)
def test_last_changes_and_their_commit_are_uncertain_only_if_the_connection_breaks(
    migrated_postgresql_url: str, wary: SQLStorage, end: str, is_uncertain: bool
) -> None:
    story = Story(wary)
    task = story.task()
    waiting = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    with psycopg.connect(migrated_postgresql_url, autocommit=True) as other:
        other.execute(f"SELECT pg_advisory_lock({COUNTER_LOCK})")

        def end_it() -> None:
            wait_until(lambda: other.execute(f"SELECT pg_{end}_backend(pid) {waiting}").fetchall())

        with ThreadPoolExecutor() as pool:
            ending = pool.submit(end_it)
            with pytest.raises(StorageError) as failure:
                submit(wary, task.project_id, JobSpec(name="j", task_id=task.id))
            ending.result()
    assert isinstance(failure.value, UncertainStorageError) is is_uncertain
    assert not isinstance(failure.value, TransientStorageError)
    assert statuses(wary, task.project_id) == {}
