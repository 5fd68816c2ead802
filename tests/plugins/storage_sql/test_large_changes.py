"""Changes that concern thousands of jobs go on in steps, and end as if they had been made at once."""

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.plugins.storage_sql.invariants import check_invariants
from tests.plugins.storage_sql.spying import spying
from whatsnext_core.errors import NotFoundError
from whatsnext_core.model import JobSpec, JobStatus, Requirement, TaskSpec
from whatsnext_core.storage import Page
from whatsnext_core.testing.storage import Story
from whatsnext_storage_sql.database import get_engine
from whatsnext_storage_sql.models import Base, Halt, Project, Task
from whatsnext_storage_sql.storage import SQLStorage

S = JobStatus


@pytest.fixture
def story(storage: SQLStorage) -> Story:
    """A storage of each kind in turn."""
    return Story(storage)


def settle_in_steps(story: Story, limit: int = 200) -> None:
    while story.write(lambda writer: writer.settle(story.now, limit)).more:
        pass


def need(story: Story, task: int, cpu: int) -> None:
    spec = TaskSpec(name="task", requirement=Requirement(cpu=cpu))
    story.write(lambda writer: writer.update_task(task, spec, story.now))


def test_ready_jobs_of_a_changed_task_come_into_the_new_line(story: Story, sql_url: str) -> None:
    task = story.task(cpu=1)
    other = story.task("other", project=story.read(lambda reader: reader.project(task.project_id)), cpu=1)
    story.submit(*(JobSpec(name="j", task_id=task.id) for _ in range(1_300)))
    story.submit(*(JobSpec(name="j", task_id=other.id) for _ in range(5)))
    story.client(cpu=2_000)
    need(story, task.id, 900)
    settle_in_steps(story)
    taken = story.claim(cpu=2_000, limit=100)
    assert sorted(one.allocation.cpu for one in taken) == [1, 1, 1, 1, 1, 900, 900]
    check_invariants(sql_url)


def test_batch_goes_into_the_line_that_its_task_has_by_then(story: Story, sql_url: str) -> None:
    task = story.task(cpu=1)
    batch = story.write(lambda writer: writer.open_submission(task.project_id, story.now))
    story.submit(*(JobSpec(name="j", task_id=task.id) for _ in range(600)), submission=batch)
    story.write(lambda writer: writer.publish_submission(batch, story.now))
    story.write(lambda writer: writer.settle(story.now, 100))
    need(story, task.id, 3)
    settle_in_steps(story)
    story.client(cpu=7)
    assert [one.allocation.cpu for one in story.claim(cpu=7, limit=10)] == [3, 3]
    check_invariants(sql_url)


def test_deleted_task_and_project_are_cleared_in_steps_and_seen_no_more(story: Story, sql_url: str) -> None:
    task = story.task("kept")
    project = story.read(lambda reader: reader.project(task.project_id))
    ended = story.task("ended", project=project)
    ids = story.submit(*(JobSpec(name="j", task_id=ended.id) for _ in range(700)))
    child = story.job(task, after=ids[:2])
    story.write(lambda writer: writer.cancel(ids, story.now))
    story.write(lambda writer: writer.delete_task(ended.id))
    assert sum(story.counts(project.id).values()) == 1
    with pytest.raises(NotFoundError):
        story.read(lambda reader: reader.job(ids[0]))
    assert story.read(lambda reader: reader.dependencies(child)) == {ids[0]: ("j", None), ids[1]: ("j", None)}
    settle_in_steps(story)
    assert (story.status(child), sum(story.counts(project.id).values())) == (S.BLOCKED, 1)
    check_invariants(sql_url)
    story.write(lambda writer: writer.delete_project(project.id))
    assert story.read(lambda reader: reader.events(0, 10)) == []
    settle_in_steps(story)
    assert story.read(lambda reader: reader.projects(Page())) == []
    check_invariants(sql_url)


def test_abandoned_batch_leaves_nothing(story: Story, sql_url: str) -> None:
    task = story.task()
    batch = story.write(lambda writer: writer.open_submission(task.project_id, story.now))
    story.submit(*(JobSpec(name="j", task_id=task.id) for _ in range(500)), submission=batch)
    story.tick(2 * 86_400)
    settle_in_steps(story)
    with pytest.raises(NotFoundError):
        story.write(lambda writer: writer.publish_submission(batch, story.now))
    story.write(lambda writer: writer.delete_task(task.id))
    check_invariants(sql_url)


def test_one_look_is_enough_to_see_that_nothing_is_due(story: Story, storage: SQLStorage) -> None:
    story.jobs(story.task(), 3)
    story.client()
    story.claim(limit=1)
    with spying() as spy, storage.write() as writer:
        settled = writer.settle(story.now, 100)
    assert (settled.steps, settled.more) == (0, False)
    assert sum(statement.startswith("SELECT") for statement in spy.statements) == 2  # the servers' and this one


def delete_task(story: Story) -> None:
    task = story.task()
    story.write(lambda writer: writer.delete_task(task.id))


def delete_project(story: Story) -> None:
    project = story.project()
    story.write(lambda writer: writer.delete_project(project.id))


@pytest.mark.parametrize(("kind", "leave"), [(Task, delete_task), (Project, delete_project)])
def test_what_was_deleted_is_cleared_away_when_nothing_else_is_due(
    story: Story, sql_url: str, kind: type[Base], leave: Callable[[Story], None]
) -> None:
    leave(story)
    assert number(sql_url, kind) == 1
    settle_in_steps(story)
    assert number(sql_url, kind) == 0


def test_failed_job_whose_siblings_go_is_settled_when_nothing_else_is_due(story: Story, sql_url: str) -> None:
    engine = get_engine(sql_url)
    with Session(engine) as session, session.begin():
        session.add(Halt(job_id=1))
    engine.dispose()
    settle_in_steps(story)
    assert number(sql_url, Halt) == 0


def number(url: str, kind: type[Base]) -> int:
    """How many rows a table has."""
    engine = get_engine(url)
    with Session(engine) as session:
        found = len(session.scalars(select(kind)).all())
    engine.dispose()
    return found
