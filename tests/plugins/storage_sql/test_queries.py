"""Every question about lists of jobs has the answer that the model gives, however the database goes about it."""

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.plugins.storage_sql.spying import spying
from whatsnext_core.memory import MemoryStorage
from whatsnext_core.model import Condition, JobSpec, JobStatus
from whatsnext_core.storage import JobOrder, JobQuery, Page, Storage
from whatsnext_core.testing.storage import Story
from whatsnext_storage_sql.storage import SQLStorage

S = JobStatus
QUERIES = st.builds(
    JobQuery,
    project_id=st.none() | st.integers(1, 4),
    statuses=st.sets(st.sampled_from(JobStatus), max_size=3) | st.just(set(JobStatus)),
    task_id=st.none() | st.none() | st.integers(1, 5),
    task_name=st.none() | st.none() | st.sampled_from(["one", "two", "three", "nowhere"]),
    name=st.none() | st.none() | st.sampled_from(["a", "b", "c", "nobody"]),
    after_id=st.none() | st.integers(0, 60),
    before_id=st.none() | st.integers(0, 60),
    behind=st.none() | st.tuples(st.integers(-2, 3), st.integers(0, 60)),
    order=st.sampled_from(JobOrder),
    page=st.builds(Page, limit=st.integers(0, 20), skip=st.integers(0, 5)),
)


def fill(storage: Storage) -> None:
    """Three projects with jobs in every status, a hidden batch, and one project that is deleted but not cleared."""
    story = Story(storage)
    one = story.task("one")
    project = story.read(lambda reader: reader.project(one.project_id))
    two = story.task("two", project=project)
    three = story.task("three")
    gone = story.task("one", project=story.project("gone"))
    story.client()
    for place, task in enumerate([one, two, three, gone] * 8):
        story.submit(JobSpec(name="abc"[place % 3], task_id=task.id, priority=place % 4 - 1))
    for job, end in ((1, S.COMPLETED), (2, S.FAILED), (3, S.COMPLETED), (5, S.FAILED), (7, S.COMPLETED)):
        story.finish(job, end)
    story.cancel(6)
    story.submit(JobSpec(name="a", task_id=one.id, depends={2: Condition.SUCCESS}, priority=2))
    story.submit(JobSpec(name="b", task_id=two.id, depends={9: Condition.SUCCESS}))
    story.start(story.claim(limit=3)[1])
    batch = story.write(lambda writer: writer.open_submission(project.id, story.now))
    story.submit(*(JobSpec(name="c", task_id=one.id) for _ in range(5)), submission=batch)
    story.write(lambda writer: writer.delete_project(gone.project_id))


@pytest.fixture(scope="module")
def model() -> Storage:
    """What it is compared with."""
    storage = MemoryStorage()
    fill(storage)
    return storage


@hypothesis.settings(
    max_examples=150,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(query=QUERIES, inside=st.booleans())
def test_lists_are_those_of_the_model(filled: SQLStorage, model: Storage, query: JobQuery, inside: bool) -> None:
    with model.read() as reader:
        expected = list(reader.jobs(query))
    with filled.write() if inside else filled.read() as reader:
        assert list(reader.jobs(query)) == expected


@pytest.fixture
def filled(storage: SQLStorage) -> SQLStorage:
    """The same, in a database."""
    fill(storage)
    return storage


def test_lists_and_counts_show_what_the_transaction_itself_did(storage: SQLStorage) -> None:
    story = Story(storage)
    task = story.task()
    with storage.write() as writer:
        ids = writer.submit(task.project_id, [JobSpec(name="j", task_id=task.id)] * 3, story.now)
        writer.cancel(ids[:1], story.now)
        waiting = JobQuery(project_id=task.project_id, statuses={S.PENDING})
        assert [job.id for job in writer.jobs(waiting)] == list(ids[1:])
        assert [job.id for job in writer.jobs(JobQuery(statuses={S.CANCELLED}))] == [ids[0]]
        counts = writer.counts(task.project_id)
        assert (counts[S.PENDING], counts[S.CANCELLED]) == (2, 1)
        assert len(writer.events(0, 100)) == 4


def test_held_jobs_of_all_projects_are_looked_for_once(storage: SQLStorage) -> None:
    story = Story(storage)
    story.client("w")
    jobs = [story.job(story.task(f"task {number}")) for number in range(3)]
    assert len(story.claim("w", cpu=10)) == len(jobs)
    with spying() as spy:
        found = story.read(lambda reader: reader.jobs(JobQuery(statuses={JobStatus.QUEUED}, order=JobOrder.OLDEST)))
    assert [job.id for job in found] == jobs
    assert sum(statement.count("FROM lease") for statement in spy.statements) == 1
