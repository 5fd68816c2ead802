"""`python -m tests.benchmarks.scale`: how server and database bear a great deal at once; prints what it saw.

Nothing here has a bound to reach: it is for people who look whether memory, disk and answers stay flat.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import click
import psutil

from tests.benchmarks.depot import SLICE, Depot, opened
from tests.benchmarks.graph import grow
from tests.benchmarks.puller import Puller
from tests.benchmarks.system import scratch, serving_in, sqlite_url
from whatsnext.api.client import Project, Server
from whatsnext_core.model import JobSpec, Requirement, TaskSpec
from whatsnext_core.storage import Storage

KINDS = 16
"""Different requirements of the tasks."""
FEW = 10
"""Jobs of each of the other projects."""
STEP = 100
"""Leases that the server looks at in one transaction."""
BEAT = 5.0
"""Seconds between two syncs of a client that has nothing new; shorter than the 20 s that servers ask for."""


def tell(what: str, value: str) -> None:
    """Print one line."""
    click.echo(f"{what:58} {value}")


def timed(what: str, call: Callable[[], Any], times: int = 20) -> None:
    """Print how long a call takes."""
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        found.append((time.perf_counter() - begin) * 1e3)
    tell(what, f"{median(found):.1f} ms, slowest {max(found):.1f} ms")


def spread(storage: Storage, depot: Depot, jobs: int, *, tasks: int, projects: int) -> None:
    """Submit jobs of so many tasks, whose requirements are of a few kinds, and a few jobs to each of other projects."""
    now = storage.clock()
    with storage.write() as writer:
        kinds = [Requirement(cpu=kind + 1) for kind in range(KINDS)]
        specs = [TaskSpec(name=f"task-{number}", requirement=kinds[number % KINDS]) for number in range(tasks)]
        ids = [writer.create_task(depot.project_id, spec, now).id for spec in specs]
    for start in range(0, jobs, SLICE):
        numbers = range(start, min(jobs, start + SLICE))
        depot.submit([JobSpec(name="idle", task_id=ids[number % tasks]) for number in numbers])
    for number in range(projects):
        with storage.write() as writer:
            project = writer.create_project(f"other-{number}", "", now).id
            task = writer.create_task(project, TaskSpec(name="idle"), now).id
            writer.submit(project, [JobSpec(name="idle", task_id=task)] * FEW, now)


def reap(storage: Storage) -> None:
    """Take back the jobs of clients that are never heard of again, as the server does."""
    now, took, steps = storage.clock() + timedelta(hours=1), [], 0
    more = True
    while more:
        begin = time.perf_counter()
        with storage.write() as writer:
            settled = writer.settle(now, STEP)
        took.append((time.perf_counter() - begin) * 1e3)
        steps, more = steps + settled.steps, settled.more
    tell(f"{steps:,} lapsed leases, {STEP} a step", f"{median(took):.1f} ms a step, slowest {max(took):.1f} ms")


def footprint() -> float:
    """MiB that the server's process holds."""
    (server,) = [each for each in psutil.Process().children() if "whatsnext-server" in " ".join(each.cmdline())]
    return float(server.memory_info().rss) / 2**20


def look(server: Server, project: Project, folder: Path, jobs: int, before: int) -> None:
    """Print what a deep queue costs."""
    size = sum(path.stat().st_size for path in folder.glob("queue.db*"))
    tell(f"disk for each of {jobs:,} queued jobs", f"{(size - before) / jobs:.0f} bytes")
    timed("counts", lambda: project.rest.counts(project.id))
    rest = project.rest.transport
    timed("newest 100", lambda: rest.get("/jobs/", {"project_id": project.id, "limit": 100, "order": "newest"}))
    timed("pending 100", lambda: rest.get("/jobs/", {"project_id": project.id, "limit": 100, "status": "PENDING"}))
    queue: dict[str, str | int] = {"project_id": project.id, "limit": 100, "status": "PENDING", "order": "queue"}
    timed("pending 100 in the order of the queue", lambda: rest.get("/jobs/", queue))
    timed("100 tasks", lambda: rest.get("/tasks/", {"project_id": project.id, "limit": 100}))
    timed("100 projects", lambda: rest.get("/projects/", {"limit": 100}))
    (last,) = rest.get("/jobs/", {"project_id": project.id, "limit": 1, "order": "newest"})
    timed("why the last one waits", lambda: rest.get(f"/jobs/{last['id']}/why"))
    timed("claim of one through the documented fetch", project.fetch_job)
    every = Puller(server, None)
    every.exchange(want=1)
    timed("claim and finish one of all projects", lambda: every.exchange(every.exchange(want=1)))
    puller = Puller(server, project)
    claimed = puller.exchange(want=100)
    timed("claim and finish 100 by the workers' protocol", lambda: puller.exchange(puller.exchange(want=100)), 10)
    puller.exchange(claimed)
    tell("memory of the server", f"{footprint():.0f} MiB")


def herd(server: Server, project: Project, clients: int, seconds: float) -> None:
    """Let so many clients sync, each with one job that runs and no room for more, over eight connections at once."""
    pullers = [Puller(server, project, name=f"client-{number}", cpus=1) for number in range(clients)]
    running = [puller.exchange(want=1) for puller in pullers]
    delays: list[float] = []
    until = time.monotonic() + seconds

    def beat(mine: list[int]) -> None:
        while time.monotonic() < until:
            began = time.monotonic()
            for number in mine:
                begin = time.perf_counter()
                pullers[number].exchange(running=running[number])
                delays.append((time.perf_counter() - begin) * 1e3)
            time.sleep(max(0.0, began + BEAT - time.monotonic()))

    threads = [threading.Thread(target=beat, args=(list(range(start, clients, 8)),)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    slow = quantiles(delays, n=100)[98]
    tell(
        f"{clients} clients that sync, {len(delays) / seconds:.0f} requests/s",
        f"{median(delays):.1f} ms, p99 {slow:.1f}",
    )


@contextmanager
def claiming(server: Server, project: Project) -> Iterator[list[float]]:
    """Somebody who claims and finishes one job after the other, and how many milliseconds each exchange took."""
    puller, found, done = Puller(server, project), list[float](), threading.Event()

    def work() -> None:
        claimed = puller.exchange(want=1)
        while not done.is_set():
            begin = time.perf_counter()
            claimed = puller.exchange(claimed, want=1)
            found.append((time.perf_counter() - begin) * 1e3)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def fail_root(server: Server, graph: Project, others: Project) -> None:
    """Fail the root of a graph while somebody else claims in another project."""
    with claiming(server, others) as calm:
        time.sleep(3)
    tell("exchange of another project before", f"{median(calm):.1f} ms, slowest {max(calm):.1f} ms")
    puller = Puller(server, graph)
    (root,) = puller.exchange(want=1)
    with claiming(server, others) as found:
        begin = time.perf_counter()
        puller.exchange([root], fail=True)
        tell("the root's failure was taken in", f"after {(time.perf_counter() - begin) * 1e3:.0f} ms")
        while graph.rest.counts(graph.id)["PENDING"]:
            time.sleep(0.2)
        seconds = time.perf_counter() - begin
    tell("all below it BLOCKED", f"after {seconds:.1f} s")
    tell("exchange of another project meanwhile", f"{median(found):.1f} ms, slowest {max(found):.1f} ms")


@click.command()
@click.option("--jobs", default=1_000_000, show_default=True, help="Queued jobs.")
@click.option("--edges", default=1_000_000, show_default=True, help="Edges of a graph; it has a fifth as many jobs.")
@click.option("--tasks", default=10_000, show_default=True, help="Tasks of these jobs.")
@click.option("--projects", default=1_000, show_default=True, help="Other projects, with a few jobs each.")
@click.option("--clients", default=500, show_default=True, help="Clients in sync.")
@click.option("--seconds", default=20.0, show_default=True, help="For how long.")
def main(jobs: int, edges: int, tasks: int, projects: int, clients: int, seconds: float) -> None:
    """Fill a SQLite database, and look at the server on it."""
    with scratch() as folder:
        with opened(sqlite_url(folder)) as storage:
            depot = Depot(storage, "deep")
            before = sum(path.stat().st_size for path in folder.glob("queue.db*"))
            begin = time.perf_counter()
            spread(storage, depot, jobs, tasks=tasks, projects=projects)
            tell(f"{jobs:,} jobs of {tasks:,} tasks submitted", f"{jobs / (time.perf_counter() - begin):.0f} jobs/s")
        with serving_in(folder) as server:
            project = server.get_project("deep")
            assert project is not None, "the project is there"
            tell("memory of the server at its start", f"{footprint():.0f} MiB")
            look(server, project, folder, jobs, before)
            herd(server, project, clients, seconds)
            tell("memory of the server", f"{footprint():.0f} MiB")
        with opened(sqlite_url(folder)) as storage:
            reap(storage)
            begin = time.perf_counter()
            _, many = grow(storage, "graph", edges, root=True)
            tell(f"a graph of {many:,} jobs and {edges:,} edges submitted", f"in {time.perf_counter() - begin:.0f} s")
        with serving_in(folder) as server:
            others, graph = server.get_project("deep"), server.get_project("graph")
            assert others is not None, "the project is there"
            assert graph is not None, "the project is there"
            fail_root(server, graph, others)


if __name__ == "__main__":
    main()
