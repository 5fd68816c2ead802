"""A process or a database that is killed loses nothing of what it acknowledged, and nothing is left half done."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.components import PostgreSQLServer
from tests.plugins.storage_sql.invariants import check_invariants
from tests.support import ROOT, Daemon, wait_until
from whatsnext_core.model import Condition, JobSpec, JobStatus
from whatsnext_core.storage import JobQuery, Page
from whatsnext_core.testing.storage import Story
from whatsnext_storage_sql.storage import SQLStorage, upgrade_storage

Open = Callable[[str], SQLStorage]
S = JobStatus


class Victim(Daemon):
    """A process that writes to a storage, and what it said."""

    def __init__(self, what: str, url: str, log: Path) -> None:
        argv = [sys.executable, "-m", "tests.plugins.storage_sql.crashing", what, url]
        super().__init__(argv, log, cwd=ROOT)

    def said(self) -> list[dict[str, Any]]:
        """All that it acknowledged, but for a line that it was killed in."""
        return [
            json.loads(line)
            for line in self.log.read_text().splitlines(keepends=True)
            if line[:1] == "{" and line.endswith("}\n")
        ]

    def let_run(self, lines: int) -> None:
        """Wait until it said so much."""
        wait_until(lambda: len(self.said()) >= lines or not self.alive(), why=f"{lines} lines were said")
        assert self.alive() or self.process.returncode == 0, self.tail()


@pytest.fixture
def victims(tmp_path: Path) -> Iterator[Callable[[str, str], Victim]]:
    """What starts a victim; all are gone after the test."""
    started: list[Victim] = []

    def start(what: str, url: str) -> Victim:
        started.append(Victim(what, url, tmp_path / f"victim-{len(started)}"))
        return started[-1]

    yield start
    for victim in started:
        victim.kill()


def check_acknowledged(said: list[dict[str, Any]], story: Story) -> None:
    """Fail unless all that was said is so."""
    found = {job.id: job.status for job in story.read(lambda reader: reader.jobs(JobQuery(page=Page(limit=10_000))))}
    assert {job for line in said for job in line.get("submitted", [])} <= found.keys()
    claimed = {job for line in said for job in line.get("claimed", [])}
    finished = {job for line in said for job in line.get("finished", [])}
    assert all(found[job] in {S.QUEUED, S.COMPLETED} for job in claimed)
    assert all(found[job] is S.COMPLETED for job in finished)


def test_killed_process_loses_nothing(sql_url: str, open_url: Open, victims: Callable[[str, str], Victim]) -> None:
    victim = victims("work", sql_url)
    victim.let_run(24)
    victim.kill()
    check_invariants(sql_url)
    story = Story(open_url(sql_url))
    check_acknowledged(victim.said(), story)
    story.task("after", project=story.read(lambda reader: reader.project(1)))


def test_killed_database_loses_nothing(
    durable_postgresql: PostgreSQLServer,
    durable_postgresql_url: str,
    open_url: Open,
    victims: Callable[[str, str], Victim],
) -> None:
    upgrade_storage(durable_postgresql_url)
    victim = victims("work", durable_postgresql_url)
    victim.let_run(25)
    durable_postgresql.kill()
    wait_until(lambda: not victim.alive(), why="the writer noticed that its database is gone")
    durable_postgresql.start()
    check_invariants(durable_postgresql_url)
    check_acknowledged(victim.said(), Story(open_url(durable_postgresql_url)))


def test_killed_housekeeping_goes_on_where_it_was(
    sql_url: str, open_url: Open, victims: Callable[[str, str], Victim]
) -> None:
    story = Story(open_url(sql_url))
    task, doomed = story.task("kept"), story.task("doomed")
    (root,) = story.submit(JobSpec(name="root", task_id=task.id))
    story.submit(*(JobSpec(name="child", task_id=task.id, depends={root: Condition.SUCCESS}) for _ in range(900)))
    story.cancel(root)
    batch = story.write(lambda writer: writer.open_submission(task.project_id, story.now))
    story.submit(*(JobSpec(name="batch", task_id=task.id) for _ in range(500)), submission=batch)
    story.write(lambda writer: writer.publish_submission(batch, story.now))
    story.submit(*(JobSpec(name="gone", task_id=doomed.id) for _ in range(300)))
    story.write(lambda writer: writer.delete_project(doomed.project_id))

    for lines in (5, 15, 25):
        victim = victims("settle", sql_url)
        victim.let_run(lines)
        victim.kill()
        check_invariants(sql_url)
    while story.write(lambda writer: writer.settle(story.now, 500)).more:
        pass
    counts = story.counts(task.project_id)
    assert {status: number for status, number in counts.items() if number} == {
        S.CANCELLED: 1,
        S.BLOCKED: 900,
        S.PENDING: 500,
    }
    assert len(story.ready()) == 500
    assert max(story.read(lambda reader: [job.id for job in reader.jobs(JobQuery(page=Page(limit=10_000)))])) == 1_401
    check_invariants(sql_url)
