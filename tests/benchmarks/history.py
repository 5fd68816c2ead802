"""`python -m tests.benchmarks.history`: whether a queue stays quick over millions of finished jobs, and forgets them.

Nothing here has a bound to reach: two databases with the same queue are measured alternately, of which one has finished
millions of jobs before, and the forgetting of those is watched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

import click
from sqlalchemy import Connection, Engine, func, select, text, update

from tests.benchmarks.depot import Depot, opened
from tests.benchmarks.scale import tell
from tests.benchmarks.system import postgresql, scratch, sqlite_url
from whatsnext_core.model import JobStatus
from whatsnext_core.storage import JobOrder, JobQuery, Page, Storage
from whatsnext_storage_sql.database import Base, get_engine

SEED: Final = 5_000
"""Jobs that really run; the rows that they leave are written again with other ids until there are enough."""
QUEUED: Final = 20_000
"""Jobs that wait on either database."""
STEP: Final = 500
"""Jobs that the server forgets in one transaction."""

_TABLES: Final[Mapping[str, str]] = {"job": "id", "listing": "job_id", "attempt": "job_id", "event": "job_id"}
"""What a finished job leaves, and the column that names it."""
FULL: Final = 60
"""Percent of a page of PostgreSQL that finished jobs fill: new ones fill half of it, and grow until they end. Were the
copies to fill half, too, new jobs would go one by one to pages all over the table, which no real history makes them."""


def multiply(engine: Engine, jobs: int) -> None:
    """Write what finished jobs left, again and again with other ids, until there is of so many."""
    have = SEED
    is_postgresql = engine.dialect.name == "postgresql"
    if is_postgresql:
        _fill_pages(engine, FULL)
    while have < jobs:
        count = min(have, jobs - have)
        with engine.begin() as connection:
            for table, key in _TABLES.items():
                _copy(connection, table, key, shift=have, count=count)
        have += count
    counter, values = Base.metadata.tables["counter"], Base.metadata.tables["sequence_value"]
    with engine.begin() as connection:
        completed = counter.c.status == JobStatus.COMPLETED.value
        connection.execute(update(counter).where(completed).values(number=jobs))
        connection.execute(update(values).values(last=jobs))
        if is_postgresql:
            connection.execute(text("SELECT setval('job_id', :jobs)"), {"jobs": jobs})
            connection.execute(text("SELECT setval(pg_get_serial_sequence('event', 'id'), max(id)) FROM event"))
    if is_postgresql:
        _fill_pages(engine, Base.metadata.tables["job"].dialect_options["postgresql"]["with"]["fillfactor"])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if is_postgresql:
            # What a database does in the weeks in which millions of jobs end, and else would do while we measure.
            connection.execute(text("VACUUM (ANALYZE)"))
            connection.execute(text("CHECKPOINT"))
        else:
            connection.execute(text("ANALYZE"))


def _fill_pages(engine: Engine, percent: int) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE job SET (fillfactor = {percent})"))


def _copy(connection: Connection, table: str, key: str, *, shift: int, count: int) -> None:
    rows = Base.metadata.tables[table]
    moved: dict[str, Any] = {key: rows.c[key] + shift}
    if table == "event":
        moved["id"] = rows.c.id + connection.execute(select(func.max(rows.c.id))).scalar_one()
    columns = [moved.get(column.name, column) for column in rows.c]
    wanted = select(*columns).where(rows.c[key] <= count).order_by(rows.c[key])
    connection.execute(rows.insert().from_select([column.name for column in rows.c], wanted))


def finished(url: str, jobs: int) -> None:
    """Make a database that has finished so many jobs."""
    with opened(url) as storage:
        depot = Depot(storage, "past")
        depot.fill(SEED)
        assert depot.drain(500) == SEED
    engine = get_engine(url)
    try:
        multiply(engine.execution_options(isolation_level="READ COMMITTED") if "postgresql" in url else engine, jobs)
    finally:
        engine.dispose()


def milliseconds(call: Callable[[], Any]) -> float:
    """How long a call takes."""
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1e3


class Side:
    """One of the two databases, with a queue in it."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.depot = Depot(storage, "present")
        self.depot.fill(QUEUED)

    def acts(self) -> Mapping[str, Callable[[], Any]]:
        """What is measured, each a transaction or a view of its own."""
        depot = self.depot
        return {
            "submit 500": lambda: depot.fill(500),
            "claim 1": lambda: depot.finish(depot.claim(1)),
            "claim and finish 100": lambda: depot.finish(depot.claim(100)),
            "newest 100": lambda: self.find(JobQuery(order=JobOrder.NEWEST, page=Page(limit=100))),
            "counts": self.count,
        }

    def find(self, query: JobQuery) -> None:
        """List jobs."""
        with self.storage.read() as reader:
            assert reader.jobs(query)

    def count(self) -> None:
        """Count the jobs of the project that finished many."""
        with self.storage.read() as reader:
            assert reader.counts(self.depot.project_id)


def compare(large: Side, small: Side, jobs: int, rounds: int) -> None:
    """Print what each act costs on either side; sides and acts take turns, so that all have the same hour."""
    took: Mapping[str, list[tuple[float, float]]] = {name: [] for name in large.acts()}
    for _ in range(rounds):
        for name, pairs in took.items():
            pairs.append((milliseconds(large.acts()[name]), milliseconds(small.acts()[name])))
    for name, pairs in took.items():
        one, other = map(median, zip(*pairs, strict=True))
        tell(f"{name} over {jobs:,} finished jobs", f"{one:.2f} ms, without {other:.2f} ms, ratio {one / other:.2f}")


def forget(side: Side, steps: int) -> None:
    """Let finished jobs be forgotten as the server does, and claim one job after each step."""
    took, claims, forgotten = [], [], 0
    for _ in range(steps):
        begin = time.perf_counter()
        with side.storage.write() as writer:
            forgotten += writer.prune(side.storage.clock(), STEP)
        took.append((time.perf_counter() - begin) * 1e3)
        claims.append(milliseconds(lambda: side.depot.claim(1)))
    tell(f"forgetting {forgotten:,} jobs, {STEP} a step", f"{median(took):.1f} ms a step, slowest {max(took):.1f} ms")
    tell("a claim after each step", f"{median(claims):.2f} ms, slowest {max(claims):.2f} ms")


@contextmanager
def databases(name: str) -> Iterator[tuple[str, str]]:
    """Two empty databases."""
    if name == "sqlite":
        with scratch() as one, scratch() as other:
            yield sqlite_url(one), sqlite_url(other)
    else:
        with postgresql() as server:
            yield server.url(server.create_database()), server.url(server.create_database())


@click.command()
@click.option("--jobs", default=5_000_000, show_default=True, help="Finished jobs.")
@click.option("--rounds", default=50, show_default=True, help="Measurements of each act.")
@click.option("--steps", default=100, show_default=True, help="Steps of forgetting.")
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="sqlite", show_default=True)
def main(jobs: int, rounds: int, steps: int, database: str) -> None:
    """Fill a database with finished jobs, compare it with one that has none, and let them be forgotten."""
    with databases(database) as (large, small):
        begin = time.perf_counter()
        finished(large, jobs)
        tell(f"{jobs:,} finished jobs written", f"in {time.perf_counter() - begin:.0f} s")
        if database == "sqlite":
            size = Path(large.removeprefix("sqlite:///")).stat().st_size
            tell("disk for each of them", f"{size / jobs:.0f} bytes, with their attempts and events")
        with opened(large) as one, opened(small) as other:
            sides = Side(one), Side(other)
            compare(*sides, jobs, rounds)
            forget(sides[0], steps)


if __name__ == "__main__":
    main()
