"""A claim looks at the lines that it takes jobs from, however many others there are, and still gives the best jobs."""

from collections.abc import Callable
from itertools import chain

import pytest
from attrs import evolve

from tests.plugins.storage_sql.serving import claim, finish, request, write
from tests.plugins.storage_sql.spying import instructions
from tests.support import wait_until
from whatsnext_core.model import (
    AttemptRef,
    Capacity,
    JobChanges,
    JobSpec,
    JobStatus,
    ProjectChanges,
    ProjectStatus,
    TaskSpec,
)
from whatsnext_core.scheduling import Offer
from whatsnext_core.storage import JobOrder, JobQuery, Page, Place, Storage, Writer
from whatsnext_core.testing.storage import Story
from whatsnext_storage_sql.queue.lines import AT_ONCE
from whatsnext_storage_sql.storage import SQLStorage

Open = Callable[[str], SQLStorage]


def fill(storage: Storage, numbers: range, *, jobs: int = 3) -> dict[int, int]:
    """Make a project for each number, with a few jobs of that priority; returns the projects' ids."""

    def make(writer: Writer) -> dict[int, int]:
        now, found = storage.clock(), {}
        for number in numbers:
            found[number] = project = writer.create_project(f"project-{number}", "", now).id
            task = writer.create_task(project, TaskSpec(name="task"), now).id
            writer.submit(project, [JobSpec(name="job", task_id=task, priority=number)] * jobs, now)
        return found

    return write(storage, make)


def priorities(storage: Storage, limit: int) -> list[int]:
    """Claim, finish, and tell the priorities of the jobs."""
    given = claim(storage, "session", limit)
    finish(storage, "session", given)
    return [one.job.priority for one in given]


def put(storage: Storage, project: int, status: ProjectStatus) -> None:
    """Change the status of a project."""
    write(storage, lambda writer: writer.update_project(project, ProjectChanges(status=status), storage.clock()))


def test_the_best_of_many_lines_come_first(storage: SQLStorage) -> None:
    fill(storage, range(100))
    found = [priorities(storage, limit) for limit in (1, 7, 150, 1, 200)]
    assert [len(each) for each in found] == [1, 7, 150, 1, 141]
    assert [*chain(*found)] == sorted(list(range(100)) * 3, reverse=True)


def test_a_claim_costs_the_same_among_many_lines(sqlite_url: str, open_url: Open) -> None:
    storage, costs = open_url(sqlite_url), []
    for numbers in (range(10), range(10, 400)):
        fill(storage, numbers)
        assert priorities(storage, 1) == [numbers[-1]]  # it looks at all of them, which it had not yet
        costs.append(instructions(lambda: priorities(storage, 1)))
    assert costs[1] <= costs[0] * 1.2


def test_the_place_of_a_job_with_many_of_its_project_before_it_costs_the_same_among_many_lines(
    sqlite_url: str, open_url: Open
) -> None:
    storage, costs = open_url(sqlite_url), []
    (project,) = fill(storage, range(1), jobs=30).values()
    with storage.read() as reader:
        (last,) = reader.jobs(JobQuery(project_id=project, order=JobOrder.NEWEST, page=Page(limit=1)))

    def place(limit: int) -> Place:
        with storage.read() as reader:
            found = reader.place(last.id, limit)
        assert found is not None
        return found

    for numbers in (range(1, 10), range(10, 400)):
        fill(storage, numbers)
        assert [(each.project_id, each.number) for each in place(20).ahead] == [(project, 20)]
        assert (place(20).more, place(29).more, place(2_000).more) == (True, True, False)
        assert place(2_000).number == 29 + 3 * numbers[-1]
        costs.append(instructions(lambda: place(20)))
    assert 0 < costs[1] <= costs[0] * 1.2


@pytest.mark.parametrize("several", [False, True])
def test_a_look_at_lines_costs_the_same_however_long_they_are(sqlite_url: str, open_url: Open, several: bool) -> None:
    storage, costs = open_url(sqlite_url), []
    ids = fill(storage, range(5))
    with storage.read() as reader:
        task = reader.task_named(ids[4], "task").id
    asked = evolve(request("session", 1), project_ids=None if several else (ids[4],))
    for jobs in (10, 3_000):
        specs = [JobSpec(name="job", task_id=task)] * jobs
        write(storage, lambda writer, what=specs: writer.submit(ids[4], what, storage.clock()))  # type: ignore[misc]
        other = open_url(sqlite_url)  # one that has not looked yet
        costs.append(instructions(lambda to=other: write(to, lambda writer: writer.claim(asked, to.clock()))))  # type: ignore[misc]
    assert costs[1] <= costs[0] * 1.2


@pytest.mark.postgresql
def test_a_claim_keeps_few_of_many_lines_from_other_servers(migrated_postgresql_url: str, open_url: Open) -> None:
    one, other = open_url(migrated_postgresql_url), open_url(migrated_postgresql_url)
    fill(one, range(100), jobs=1)
    with one.write() as writer:
        given = writer.claim(request("session", 1), one.clock())
        assert [each.job.priority for each in given] == [99]
        assert len(claim(other, "other", limit=100)) == 100 - AT_ONCE


@pytest.mark.postgresql
def test_a_claim_keeps_no_line_from_others_that_its_client_could_never_run(
    migrated_postgresql_url: str, open_url: Open
) -> None:
    one, other = open_url(migrated_postgresql_url), open_url(migrated_postgresql_url)
    story = Story(one)
    small = [story.job(story.task(f"small-{number}"), priority=2) for number in range(2)]
    large = [story.job(story.task(f"large-{number}", cpu=8), priority=1) for number in range(4)]
    free = Capacity(cpu=4)
    with one.write() as writer:
        asked = evolve(request("session", 1), offer=Offer(free=free, total=free, limit=1))
        assert [each.job.id for each in writer.claim(asked, one.clock())] == small[:1]
        assert [each.job.id for each in claim(other, "other", limit=10)] == large


def test_what_another_server_does_counts(sql_url: str, open_url: Open) -> None:
    one, other = open_url(sql_url), open_url(sql_url)
    ids = fill(one, range(4))
    assert priorities(one, 1) == [3]
    put(other, ids[3], ProjectStatus.ARCHIVED)
    assert priorities(one, 1) == [2]
    assert priorities(other, 2) == [2, 2]
    assert priorities(one, 1) == [1]
    put(other, ids[3], ProjectStatus.ACTIVE)
    wait_until(lambda: 3 in priorities(one, 1))
    fill(other, range(7, 8))
    wait_until(lambda: 7 in priorities(one, 1))


def test_an_archived_project_gives_nothing_until_it_is_active(storage: SQLStorage) -> None:
    ids = fill(storage, range(3))
    assert priorities(storage, 1) == [2]
    for status, expected in ((ProjectStatus.ARCHIVED, 1), (ProjectStatus.ACTIVE, 2)):
        put(storage, ids[2], status)
        assert priorities(storage, 1) == [expected]
    write(storage, lambda writer: writer.delete_project(ids[2]))
    assert priorities(storage, 1) == [1]


def test_a_line_begins_anew_after_its_first_job_was_taken_out(storage: SQLStorage) -> None:
    fill(storage, range(3))
    first, second = claim(storage, "look", 2)
    refs = [AttemptRef(job_id=each.job.id, fence=each.fence) for each in (first, second)]
    write(storage, lambda writer: writer.release(refs, "look", storage.clock()))
    write(storage, lambda writer: writer.update_job(second.job.id, JobChanges(priority=-5), storage.clock()))
    write(storage, lambda writer: writer.cancel([first.job.id], storage.clock()))
    assert priorities(storage, 10) == [2, 1, 1, 1, 0, 0, 0, -5]


@pytest.mark.parametrize("jobs", [1, 300])
def test_better_jobs_in_another_line_come_first(storage: SQLStorage, jobs: int) -> None:
    ids = fill(storage, range(3))
    assert priorities(storage, 1) == [2]
    with storage.read() as reader:
        task = reader.task_named(ids[0], "task").id
    specs = [JobSpec(name="job", task_id=task, priority=7)] * jobs
    write(storage, lambda writer: writer.submit(ids[0], specs, storage.clock()))
    write(storage, lambda writer: writer.settle(storage.clock(), 1_000))
    assert [*priorities(storage, jobs), *priorities(storage, 1)] == [*[7] * jobs, 2]
    with storage.read() as reader:
        (last,) = reader.jobs(JobQuery(project_id=ids[0], statuses={JobStatus.PENDING}, page=Page(limit=1)))
    write(storage, lambda writer: writer.update_job(last.id, JobChanges(priority=5), storage.clock()))
    assert priorities(storage, 1) == [5]


@pytest.mark.parametrize("within", ["transaction", "savepoint"])
def test_undone_work_is_not_remembered(storage: SQLStorage, within: str) -> None:
    fill(storage, range(2))
    assert priorities(storage, 1) == [1]

    def fail(writer: Writer) -> None:
        assert len(writer.claim(request("session", 4), storage.clock())) == 4
        raise KeyError

    def fail_in_part(writer: Writer) -> None:
        with pytest.raises(KeyError), writer.savepoint():
            fail(writer)

    if within == "savepoint":
        write(storage, fail_in_part)
    else:
        with pytest.raises(KeyError):
            write(storage, fail)
    assert [priorities(storage, limit) for limit in (1, 5)] == [[1], [1, 0, 0, 0]]


def test_a_claim_that_finds_nothing_looks_again(sql_url: str, open_url: Open) -> None:
    one, other = open_url(sql_url), open_url(sql_url)
    fill(one, range(1))
    assert priorities(one, 5) == [0, 0, 0]
    fill(other, range(1, 2))
    assert priorities(one, 1) == [1]


def test_a_line_is_searched_from_behind_all_that_were_taken(storage: SQLStorage) -> None:
    fill(storage, range(2))
    with storage.read() as reader:
        keys = {job.project_id: (job.project_id, 1) for job in reader.jobs(JobQuery())}
        ids = [reader.task_named(project, "task").id for project in keys]
    for _ in range(3):  # in turn, so that in each line numbers are left out
        for project, task in zip(keys, ids, strict=True):
            with storage.write() as writer:
                writer.submit(project, [JobSpec(name="job", task_id=task, priority=5)], storage.clock())
    given = claim(storage, "session", 5)
    for project, key in keys.items():
        taken = max(each.job.id for each in given if each.job.project_id == project)
        assert storage._recall.first(key) == (-5, taken + 1)  # noqa: SLF001 - it is not seen from outside


def test_a_job_that_waited_is_reserved_as_soon_as_those_before_it_are_gone(storage: SQLStorage) -> None:
    story = Story(storage)
    story.client(cpu=4)
    task, small = story.task("large", cpu=3), story.task("small", cpu=1)
    waiting = story.job(task)
    story.tick(3_600)
    first = story.job(task, priority=1)
    smalls = story.jobs(small, 3)

    def claimed(free: int) -> list[int]:
        return [each.job.id for each in story.claim(free=Capacity(cpu=free), total=Capacity(cpu=4), limit=1)]

    assert claimed(2) == [smalls[0]]
    story.cancel(first)
    assert claimed(2) == []
    assert claimed(4) == [waiting]
