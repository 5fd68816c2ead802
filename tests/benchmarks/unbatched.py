"""3: what one durable request costs: one caller, one job at a time, over the commits of one connection.

Two ways: the workers' protocol, where one request reports the end of a job and claims the next, as in figure 2; and the
documented calls, which claim and report by a request each. Beside them, as the floor, what two requests cost to a
server of the same framework that inserts one row for each: nothing that is built on it can be quicker.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.benchmarks import calibration
from tests.benchmarks.figure import Figure, ratios
from tests.benchmarks.floor import serving_rows
from tests.benchmarks.plan import Plan
from tests.benchmarks.puller import Claimed, Puller
from tests.benchmarks.system import postgresql, scratch, serving
from whatsnext.api.client import Job, Project, Server


def protocol_cycles_per_second(server: Server, project: Project, jobs: int) -> float:
    """Submit a job, then report the last one and claim this one with a request; each is answered after its commit."""
    puller = Puller(server, project)
    held: list[Claimed] = []
    done = 0
    begin = time.perf_counter()
    for number in range(jobs):
        project.append_queue(Job("idle", "idle", {"number": number}))
        held = puller.exchange(held, want=1)
        done += len(held)
    puller.exchange(held)
    seconds = time.perf_counter() - begin
    assert done == jobs, f"{done} of {jobs} jobs came"
    return jobs / seconds


def documented_cycles_per_second(project: Project, jobs: int) -> float:
    """Submit, claim and finish one job with a request each; each is answered after its commit."""
    begin = time.perf_counter()
    for number in range(jobs):
        project.append_queue(Job("idle", "idle", {"number": number}))
        project.fetch_job().set_status("COMPLETED")
    return jobs / (time.perf_counter() - begin)


def measure(plan: Plan) -> list[Figure]:
    """On SQLite and on PostgreSQL."""
    jobs = plan.size(300, 30)
    with serving() as (server, folder):
        lite = _measured(
            server,
            plan.rounds,
            jobs,
            lambda: calibration.sqlite_commits(folder / "plain.db", jobs * 2),
            ("sqlite", "SQLite FULL / its one-row commits/s"),
        )
    with postgresql() as database, serving(database.url(database.create_database())) as (server, folder):
        heavy = _measured(
            server,
            plan.rounds,
            jobs,
            lambda: calibration.pgbench(database, folder, clients=1, seconds=plan.size(2, 1)),
            ("postgresql", "PostgreSQL with fsync / one-row commits/s of pgbench -c1"),
        )
    return [*lite, _floor(plan, jobs), *heavy]


def _floor(plan: Plan, jobs: int) -> Figure:
    cycles, commits = [], []
    with scratch() as folder, serving_rows(folder) as send:
        for _ in range(plan.rounds):
            before = calibration.sqlite_commits(folder / "plain.db", jobs * 2)
            cycles.append(send(jobs))
            commits.append((before + calibration.sqlite_commits(folder / "plain.db", jobs * 2)) / 2)
    title = (
        "the floor: two requests for each to a FastAPI server that inserts a row, SQLite FULL / its one-row commits/s"
    )
    return _figure("unbatched-floor", title, cycles, commits)


def _measured(
    server: Server, rounds: int, jobs: int, machine: Callable[[], float], database: tuple[str, str]
) -> list[Figure]:
    """Both ways on one database; what the machine can do is measured before, between and after the two."""
    project = server.append_project("unbatched")
    project.create_task("idle")
    protocol, documented, beside_protocol, beside_documented = [], [], [], []
    for _ in range(rounds):
        before = machine()
        protocol.append(protocol_cycles_per_second(server, project, jobs))
        between = machine()
        documented.append(documented_cycles_per_second(project, jobs))
        beside_protocol.append((before + between) / 2)
        beside_documented.append((between + machine()) / 2)
    name, title = database
    return [
        _figure(f"unbatched-{name}", f"by the workers' protocol, {title}", protocol, beside_protocol),
        _figure(f"unbatched-documented-{name}", f"by the documented calls, {title}", documented, beside_documented),
    ]


def _figure(name: str, title: str, cycles: list[float], commits: list[float]) -> Figure:
    return Figure(
        number=3,
        name=name,
        title=f"submit+claim+finish cycles/s through HTTP, one caller, {title}",
        ratios=ratios(cycles, commits),
        must=0.15,
        aim=0.3,
        detail=f"{max(cycles):.0f} cycles/s, {max(commits):.0f} commits/s",
    )
