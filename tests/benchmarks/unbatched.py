"""3: what one durable request costs: one caller, one job at a time, over the commits of one connection."""

from __future__ import annotations

import time

from tests.benchmarks import calibration
from tests.benchmarks.figure import Figure, ratios
from tests.benchmarks.plan import Plan
from tests.benchmarks.system import postgresql, serving
from whatsnext.api.client import Job, Project


def cycles_per_second(project: Project, jobs: int) -> float:
    """Submit, claim and finish one job at a time; each request is answered after its commit."""
    begin = time.perf_counter()
    for number in range(jobs):
        project.append_queue(Job("idle", "idle", {"number": number}))
        project.fetch_job().set_status("COMPLETED")
    return jobs / (time.perf_counter() - begin)


def measure(plan: Plan) -> list[Figure]:
    """On SQLite and on PostgreSQL."""
    jobs = plan.size(300, 60)
    cycles, commits = [], []
    with serving() as (server, folder):
        project = server.append_project("unbatched")
        project.create_task("idle")
        for _ in range(plan.rounds):
            before = calibration.sqlite_commits(folder / "plain.db", jobs * 2)
            cycles.append(cycles_per_second(project, jobs))
            commits.append((before + calibration.sqlite_commits(folder / "plain.db", jobs * 2)) / 2)
    lite = Figure(
        number=3,
        name="unbatched-sqlite",
        title="submit+claim+finish cycles/s through HTTP, one caller, SQLite FULL / its one-row commits/s",
        ratios=ratios(cycles, commits),
        must=0.15,
        aim=0.3,
        detail=f"{max(cycles):.0f} cycles/s, {max(commits):.0f} commits/s",
    )
    cycles, commits = [], []
    with postgresql() as database, serving(database.url(database.create_database())) as (server, folder):
        project = server.append_project("unbatched")
        project.create_task("idle")
        for _ in range(plan.rounds):
            before = calibration.pgbench(database, folder, clients=1, seconds=plan.size(2, 1))
            cycles.append(cycles_per_second(project, jobs))
            commits.append((before + calibration.pgbench(database, folder, clients=1, seconds=plan.size(2, 1))) / 2)
    heavy = Figure(
        number=3,
        name="unbatched-postgresql",
        title="the same, PostgreSQL with fsync / one-row commits/s of pgbench -c1",
        ratios=ratios(cycles, commits),
        must=0.15,
        aim=0.3,
        detail=f"{max(cycles):.0f} cycles/s, {max(commits):.0f} commits/s",
    )
    return [lite, heavy]
