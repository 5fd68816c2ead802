"""9: how quickly jobs are taken in: through the API, over the same rows written in the shortest way there is."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.benchmarks import calibration
from tests.benchmarks.figure import Figure, ratios
from tests.benchmarks.plan import Plan
from tests.benchmarks.system import PROCESSES, postgresql, serving
from whatsnext.api.client import Server

BATCH = 50_000
"""Jobs in one request."""
CALLERS = 2
"""Threads that submit, so that the server works while one of them writes its request."""


def jobs_per_second(server: Server, name: str, jobs: int) -> float:
    """Jobs that are submitted in a second, in large batches, each of which is all or nothing."""
    project = server.append_project(name)
    task = project.create_task("idle")

    def submit(start: int) -> int:
        numbers = range(start, min(jobs, start + BATCH))
        batch = [{"name": "idle", "task_id": task.id, "parameters": {"number": number}} for number in numbers]
        return len(server.rest.create_jobs(project.id, batch, timeout=600))

    begin = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as pool:
        done = sum(pool.map(submit, range(0, jobs, BATCH)))
    seconds = time.perf_counter() - begin
    assert done == jobs, f"{done} of {jobs} jobs were taken in"
    return jobs / seconds


def measure(plan: Plan) -> list[Figure]:
    """On SQLite over `executemany`, on PostgreSQL over COPY."""
    jobs = plan.size(1_000_000, 40_000)
    ours, raw = [], []
    with serving() as (server, folder):
        for number in range(plan.rounds):
            before = calibration.executemany(folder / "raw.db", list(calibration.rows(jobs)))
            ours.append(jobs_per_second(server, f"round {number}", jobs))
            raw.append((before + calibration.executemany(folder / "raw.db", list(calibration.rows(jobs)))) / 2)
    lite = Figure(
        number=9,
        name="submit-sqlite",
        title=f"{jobs:,} jobs through the API by two callers / rows by one executemany, both SQLite FULL",
        ratios=ratios(ours, raw),
        must=0.1,
        aim=0.4,
        detail=f"{max(ours):.0f} jobs/s, {max(raw):.0f} rows/s",
    )
    ours, raw = [], []
    with (
        postgresql() as database,
        serving(database.url(database.create_database()), processes=PROCESSES) as (server, _),
    ):
        url = database.url(database.create_database())
        for number in range(plan.rounds):
            before = calibration.copy(url, calibration.rows(jobs), jobs)
            ours.append(jobs_per_second(server, f"round {number}", jobs))
            raw.append((before + calibration.copy(url, calibration.rows(jobs), jobs)) / 2)
    heavy = Figure(
        number=9,
        name="submit-postgresql",
        title=f"{jobs:,} jobs through the API by two callers, two server processes / rows by one COPY, "
        "both PostgreSQL with fsync",
        ratios=ratios(ours, raw),
        must=0.1,
        aim=0.4,
        detail=f"{max(ours):.0f} jobs/s, {max(raw):.0f} rows/s",
    )
    return [lite, heavy]
