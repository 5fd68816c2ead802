"""2: durable cycles through HTTP in batches, over the one-row commits of the database itself."""

from __future__ import annotations

import time

from tests.benchmarks import calibration
from tests.benchmarks.figure import Figure, ratios
from tests.benchmarks.plan import Plan
from tests.benchmarks.puller import drain_at_once
from tests.benchmarks.system import PROCESSES, postgresql, serving
from whatsnext.api.client import Job, Server

BATCH = 500
"""Jobs in one request."""


def cycles_per_second(server: Server, name: str, jobs: int) -> float:
    """Jobs that are submitted, claimed and finished in a second, in batches, each answered after its commit."""
    project = server.append_project(name)
    project.create_task("idle")
    begin = time.perf_counter()
    for start in range(0, jobs, BATCH):
        project.extend_queue([Job("idle", "idle", {"number": start + place}) for place in range(BATCH)])
    done = drain_at_once(server, project, BATCH)
    seconds = time.perf_counter() - begin
    assert done == jobs, f"{done} of {jobs} jobs came"
    return jobs / seconds


def measure(plan: Plan) -> list[Figure]:
    """On SQLite over its commits, and on PostgreSQL over those of eight connections at once."""
    jobs = plan.size(10_000, 3_000)
    cycles, commits = [], []
    with serving() as (server, folder):
        for number in range(plan.rounds):
            before = calibration.sqlite_commits(folder / "plain.db", plan.size(2_000, 500))
            cycles.append(cycles_per_second(server, f"round {number}", jobs))
            commits.append((before + calibration.sqlite_commits(folder / "plain.db", plan.size(2_000, 500))) / 2)
    lite = Figure(
        number=2,
        name="durable-sqlite",
        title="submit+claim+finish cycles/s, HTTP, 500 at a time by two sessions, SQLite FULL / one-row commits/s",
        ratios=ratios(cycles, commits),
        must=1.0,
        aim=5.0,
        detail=f"{max(cycles):.0f} cycles/s, {max(commits):.0f} commits/s",
    )
    cycles, commits = [], []
    with (
        postgresql() as database,
        serving(database.url(database.create_database()), processes=PROCESSES) as (server, folder),
    ):
        for number in range(plan.rounds):
            before = calibration.pgbench(database, folder, clients=8, seconds=plan.size(3, 1))
            cycles.append(cycles_per_second(server, f"round {number}", jobs))
            commits.append((before + calibration.pgbench(database, folder, clients=8, seconds=plan.size(3, 1))) / 2)
    heavy = Figure(
        number=2,
        name="durable-postgresql",
        title="the same by two server processes, PostgreSQL with fsync / one-row commits/s of pgbench -c8",
        ratios=ratios(cycles, commits),
        must=1.0,
        aim=5.0,
        detail=f"{max(cycles):.0f} cycles/s, {max(commits):.0f} commits/s",
    )
    return [lite, heavy]
