"""6 and 7: what dependencies cost: a large graph over a small one, and a job with children over one without."""

from __future__ import annotations

import time
from statistics import median

from tests.benchmarks.depot import Depot, opened
from tests.benchmarks.figure import Figure, ratios
from tests.benchmarks.plan import Plan
from tests.benchmarks.system import scratch, sqlite_url
from whatsnext_core.model import JobSpec
from whatsnext_core.storage import Storage

WIDTH, DEGREE = 500, 5
"""Jobs in one layer, and parents in the layer before it of each job in the next.

So the small graph has four edges a job, and the large one five: the first layer has none.
"""
BATCH = 500
CHILDREN = 5


def grow(storage: Storage, name: str, edges: int, *, root: bool = False) -> tuple[Depot, int]:
    """A graph in layers with so many edges, below one root if wanted, and how many jobs are in the layers."""
    depot = Depot(storage, name)
    top = depot.submit([JobSpec(name="root", task_id=depot.task_id)]) if root else ()
    width = min(WIDTH, edges // DEGREE)
    layers = max(1, edges // (width * DEGREE))
    before: list[int] = []
    for _ in range(layers + 1):
        numbers = list(depot.reserve(width))
        parents = [
            [before[(place + step) % width] for step in range(DEGREE)] if before else top for place in range(width)
        ]
        depot.submit([depot.spec(number, above) for number, above in zip(numbers, parents, strict=True)])
        before = numbers
    return depot, width * (layers + 1)


def drain(storage: Storage, name: str, edges: int) -> float:
    """Seconds a job to claim and complete all of a graph."""
    depot, jobs = grow(storage, name, edges)
    begin = time.perf_counter()
    done = depot.drain(BATCH)
    seconds = time.perf_counter() - begin
    assert done == jobs, f"{done} of {jobs} jobs came"
    return seconds / jobs


def finish(storage: Storage, name: str, jobs: int, children: int) -> float:
    """Seconds to complete one job that so many others wait for, each alone in its transaction."""
    depot = Depot(storage, name)
    parents = list(depot.reserve(jobs))
    depot.submit([depot.spec(number, []) for number in parents])
    for parent in parents if children else ():
        depot.submit([depot.spec(number, [parent]) for number in depot.reserve(children)])
    given = depot.claim(jobs)
    times = []
    for one in given:
        begin = time.perf_counter()
        depot.finish([one])
        times.append(time.perf_counter() - begin)
    return median(times)


def measure(plan: Plan) -> list[Figure]:
    """Draining a graph of a million edges over one of ten thousand; finishing with five children over none."""
    large, small = plan.size(1_000_000, 50_000), plan.size(10_000, 10_000)
    rounds = plan.rounds if plan.quick else min(plan.rounds, 5)
    deep, shallow, parents, singles = [], [], [], []
    with scratch() as folder, opened(sqlite_url(folder)) as storage:
        for number in range(rounds):
            shallow.append(drain(storage, f"small {number}", small))
            deep.append(drain(storage, f"large {number}", large))
            singles.append(finish(storage, f"single {number}", plan.size(400, 100), 0))
            parents.append(finish(storage, f"parent {number}", plan.size(400, 100), CHILDREN))
    graph = Figure(
        number=6,
        name="graph",
        title=f"cost of a job in a graph of {large:,} edges / of {small:,} edges, SQLite FULL, batches of {BATCH}",
        ratios=ratios(deep, shallow),
        must=1.3,
        aim=1.05,
        smaller_is_better=True,
        detail=f"{min(deep) * 1e6:.0f} us a job in the large one, {min(shallow) * 1e6:.0f} us in the small one",
    )
    family = Figure(
        number=7,
        name="children",
        title="finishing a job that five others wait for / one that nobody waits for",
        ratios=ratios(parents, singles),
        must=3.0,
        aim=1.5,
        smaller_is_better=True,
        detail=f"{min(parents) * 1e3:.2f} ms with five, {min(singles) * 1e3:.2f} ms without, commit included",
    )
    return [graph, family]
