"""2, beside it: whether two servers on one PostgreSQL serve more than one does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context

from tests.benchmarks.durable import BATCH
from tests.benchmarks.figure import Figure, ratios
from tests.benchmarks.plan import Plan
from tests.benchmarks.puller import Puller
from tests.benchmarks.system import postgresql, scratch, serving_in
from whatsnext.api.client import Job, Server

CALLERS = 2
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


def cycles_per_second(pool: ProcessPoolExecutor, ports: Sequence[int], name: str, jobs: int) -> float:
    """Jobs a second of all callers together, who share the servers evenly."""
    begin = time.perf_counter()
    callers = [pool.submit(cycles, ports[number % len(ports)], f"{name}-{number}", jobs) for number in range(CALLERS)]
    done = sum(caller.result() for caller in callers)
    assert done == CALLERS * jobs, f"{done} of {CALLERS * jobs} jobs came"
    return done / (time.perf_counter() - begin)


def measure(plan: Plan) -> list[Figure]:
    """Two callers with a server each, over two callers with one server."""
    jobs = plan.size(5_000, 2_000)
    two, one = [], []
    with (
        postgresql() as database,
        scratch() as folder,
        ExitStack() as servers,
        ProcessPoolExecutor(CALLERS, get_context("spawn")) as pool,
    ):
        url = database.url(database.create_database())
        ports = []
        for number in range(2):
            place = folder / str(number)
            place.mkdir()
            servers.enter_context(serving_in(place, url))
            ports.append(int((place / "port").read_text()))
        cycles_per_second(pool, ports, "first", BATCH)
        for number in range(plan.rounds):
            one.append(cycles_per_second(pool, ports[:1], f"one-{number}", jobs))
            two.append(cycles_per_second(pool, ports, f"two-{number}", jobs))
    return [
        Figure(
            number=2,
            name="servers",
            title="cycles/s of two callers in batches of 500, PostgreSQL with fsync, two servers / one server",
            ratios=ratios(two, one),
            must=1.0,
            aim=1.5,
            detail=f"{max(two):.0f} cycles/s with two servers, {max(one):.0f} with one",
        )
    ]
