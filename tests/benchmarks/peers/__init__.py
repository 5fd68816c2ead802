"""10 and 11: the same work by other queues. Each of them is a program of its own, run with the same interpreter."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.figure import Figure, ratios
from tests.benchmarks.plan import Plan
from tests.benchmarks.puller import Puller
from tests.benchmarks.system import postgresql, serving, until_completed, working
from whatsnext.api.client import Job, Project

BATCH = 500
"""Jobs that ours claims and reports with one request."""
LIMIT = 300
"""Seconds that a peer may take."""


def nothing() -> None:
    """The work of a job without work."""


def measure_procrastinate(plan: Plan) -> list[Figure]:
    """Jobs that call an empty Python function, by one worker process, on the same PostgreSQL."""
    figure = Figure(
        number=10,
        name="procrastinate",
        title="no-op jobs/s, claimed and reported 500 at a time / Procrastinate, its worker with 20 at once; "
        "the same PostgreSQL with fsync",
        must=10,
        aim=50,
    )
    if find_spec("procrastinate") is None:
        return [_missing(figure, "procrastinate")]
    jobs, theirs_jobs = plan.size(20_000, 5_000), plan.size(2_000, 400)
    ours, theirs = [], []
    with postgresql() as database, serving(database.url(database.create_database())) as (server, _):
        for number in range(plan.rounds):
            url = database.url(database.create_database())
            theirs.append(theirs_jobs / _run("procrastinate_jobs", theirs_jobs, url))
            project = server.append_project(f"round {number}")
            project.create_task("idle")
            project.extend_queue([Job("idle", "idle", {}) for _ in range(jobs)])
            puller = Puller(server, project)
            begin = time.perf_counter()
            assert puller.drain(BATCH, nothing) == jobs
            ours.append(jobs / (time.perf_counter() - begin))
    return [_with(figure, ours, theirs)]


def measure_engines(plan: Plan) -> list[Figure]:
    """`true` jobs by two CPUs: ours over HyperQueue, and over Dask."""
    jobs = plan.size(4_000, 1_500)
    wanted = {"hyperqueue": "hyperqueue", "dask": "distributed"}
    figures = [
        Figure(
            number=11,
            name=name,
            title=f"`true` jobs/s with 2 CPUs, SQLite FULL / {name}, which keeps nothing on disk",
            must=1.5,
            aim=3.4,
        )
        for name in wanted
    ]
    there = [figure for figure in figures if find_spec(wanted[figure.name]) is not None]
    ours: list[float] = []
    theirs: dict[str, list[float]] = {figure.name: [] for figure in there}
    with serving() as (server, folder):
        project = server.append_project("peers")
        project.create_task("true", command_template="true")
        with working(server, folder, "peers", cpus=2):
            project.extend_queue([Job("true", "true", {}) for _ in range(200)])
            until_completed(project, 200)
            for number in range(1, plan.rounds + 1 if there else 1):
                ours.append(_true_jobs(project, jobs, 200 + number * jobs))
                for name, found in theirs.items():
                    found.append(jobs / _run(f"{name}_jobs", jobs))
    return [
        _with(figure, ours, theirs[figure.name]) if figure in there else _missing(figure, wanted[figure.name])
        for figure in figures
    ]


def _true_jobs(project: Project, jobs: int, until: int) -> float:
    begin = time.perf_counter()
    project.extend_queue([Job("true", "true", {}) for _ in range(jobs)])
    return jobs / (until_completed(project, until) - begin)


def _run(script: str, *arguments: object) -> float:
    """Seconds that a peer needed, as it says itself."""
    argv = [sys.executable, str(Path(__file__).with_name(f"{script}.py")), *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=LIMIT)
    assert done.returncode == 0, f"{script} failed: {done.stderr[-2000:]}"
    return float(done.stdout.split()[-1])


def _with(figure: Figure, ours: list[float], theirs: list[float]) -> Figure:
    detail = f"{max(ours):.0f} jobs/s, {figure.name} {max(theirs):.0f} jobs/s"
    return Figure(
        number=figure.number,
        name=figure.name,
        title=figure.title,
        must=figure.must,
        aim=figure.aim,
        ratios=ratios(ours, theirs),
        detail=detail,
    )


def _missing(figure: Figure, module: str) -> Figure:
    return Figure(
        number=figure.number,
        name=figure.name,
        title=figure.title,
        must=figure.must,
        aim=figure.aim,
        detail=f"{module} is not installed; `make bench` installs it",
    )
