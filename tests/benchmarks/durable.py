"""2: durable cycles through HTTP in batches, over the one-row commits of the database itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from tests.benchmarks import calibration
from tests.benchmarks.figure import Figure, ratios
from tests.benchmarks.plan import Plan
from tests.benchmarks.puller import Puller
from tests.benchmarks.system import PROCESSES, postgresql, serving
from whatsnext.api.client import Job, Server

BATCH = 1_000
"""Jobs in one request."""
CALLERS = 4
"""Processes that submit, claim and finish jobs at the same time, each in a project of its own."""


def cycles(port: int, name: str, jobs: int) -> int:
    """Submit, claim and finish so many jobs through the server on a port; give how many came."""
    server = Server("127.0.0.1", port)
    project = server.append_project(name)
    project.create_task("idle")
    puller = Puller(server, project, name=name)
    for start in range(0, jobs, BATCH):
        project.extend_queue([Job("idle", "idle", {"number": start + place}) for place in range(BATCH)])
    return puller.drain(BATCH)


@contextmanager
def callers() -> Iterator[ProcessPoolExecutor]:
    """Processes that call, for as long as the block runs; what they need is imported once for all of them."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(CALLERS, context) as pool:
        yield pool


def cycles_per_second(pool: ProcessPoolExecutor, ports: Sequence[int], name: str, jobs: int) -> float:
    """Jobs a second that all callers submit, claim and finish, answered after each commit; they share the servers."""
    begin = time.perf_counter()
    calls = [pool.submit(cycles, ports[number % len(ports)], f"{name}-{number}", jobs) for number in range(CALLERS)]
    done = sum(call.result() for call in calls)
    assert done == CALLERS * jobs, f"{done} of {CALLERS * jobs} jobs came"
    return done / (time.perf_counter() - begin)


def measure(plan: Plan) -> list[Figure]:
    """On SQLite over its commits, and on PostgreSQL over those of eight connections at once."""
    commits, seconds = plan.size(2_000, 500), plan.size(3, 1)
    with callers() as pool:
        with serving() as (_, folder):
            lite = _measured(plan, pool, folder, lambda: calibration.sqlite_commits(folder / "plain.db", commits))
        with (
            postgresql() as database,
            serving(database.url(database.create_database()), processes=PROCESSES) as (_, folder),
        ):
            heavy = _measured(
                plan, pool, folder, lambda: calibration.pgbench(database, folder, clients=8, seconds=seconds)
            )
    return [
        _figure(
            "durable-sqlite",
            "submit+claim+finish cycles/s, HTTP, four callers with 1,000 at a time, SQLite FULL / one-row commits/s",
            *lite,
        ),
        _figure(
            "durable-postgresql",
            "the same by two server processes, PostgreSQL with fsync / one-row commits/s of pgbench -c8",
            *heavy,
        ),
    ]


def _measured(
    plan: Plan, pool: ProcessPoolExecutor, folder: Path, machine: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Cycles a second of each round, and what the machine can do, measured before and after each."""
    jobs = plan.size(5_000, 2_000)
    reached, commits = [], []
    ports = [int((folder / "port").read_text())]
    cycles_per_second(pool, ports, "first", BATCH)
    for number in range(plan.many_rounds):
        before = machine()
        reached.append(cycles_per_second(pool, ports, f"round-{number}", jobs))
        commits.append((before + machine()) / 2)
    return reached, commits


def _figure(name: str, title: str, reached: list[float], commits: list[float]) -> Figure:
    return Figure(
        number=2,
        name=name,
        title=title,
        ratios=ratios(reached, commits),
        must=1.0,
        aim=5.0,
        detail=f"{max(reached):.0f} cycles/s, {max(commits):.0f} commits/s",
    )
