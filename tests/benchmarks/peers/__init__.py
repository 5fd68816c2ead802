"""10 and 11: the same work by other queues. Each of them is a program of its own, run with the same interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from attrs import evolve, frozen

from tests.benchmarks.figure import Figure, ratios
from tests.benchmarks.plan import Plan
from tests.benchmarks.puller import drain_at_once
from tests.benchmarks.system import PROCESSES, postgresql, serving, until_completed, working
from tests.support.repository import ROOT
from whatsnext.api.client import Job, Project

BATCH = 500
"""Jobs that ours claims and reports with one request."""
LIMIT = 300
"""Seconds that a peer may take."""


def nothing() -> None:
    """The work of a job without work."""


def measure_procrastinate(plan: Plan) -> list[Figure]:
    """Jobs that call an empty Python function, on the same PostgreSQL, each side by two processes."""
    figure = Figure(
        number=10,
        name="procrastinate",
        title="no-op jobs/s, claimed and reported 500 at a time by two sessions, two server processes / Procrastinate, "
        "two workers with 20 at once each; the same PostgreSQL with fsync",
        must=10,
        aim=50,
    )
    if find_spec("procrastinate") is None:
        return [evolve(figure, detail="procrastinate is not installed; `make bench` installs it")]
    jobs, theirs_jobs = plan.size(20_000, 5_000), plan.size(2_000, 400)
    ours, theirs = [], []
    with (
        postgresql() as database,
        serving(database.url(database.create_database()), processes=PROCESSES) as (server, _),
    ):
        for number in range(plan.rounds):
            url = database.url(database.create_database())
            theirs.append(theirs_jobs / _run("procrastinate_jobs", theirs_jobs, url))
            project = server.append_project(f"round {number}")
            project.create_task("idle")
            project.extend_queue([Job("idle", "idle", {}) for _ in range(jobs)])
            begin = time.perf_counter()
            assert drain_at_once(server, project, BATCH, nothing) == jobs
            ours.append(jobs / (time.perf_counter() - begin))
    return [_with(figure, ours, theirs)]


@frozen
class _Peer:
    """Another queue that runs programs."""

    name: str
    keeps: str
    """What it keeps on the disk, as the title says it."""
    jobs: tuple[int, int]
    """Its jobs in a full round and in a quick one."""
    module: str
    program: str | None = None
    """A program that it needs beside its Python module."""
    must: float = 1.5
    aim: float = 3.4

    @property
    def lacks(self) -> str:
        """What is not installed; empty if nothing is."""
        if find_spec(self.module) is None:
            return f"{self.module} is not installed; `make bench` installs it"
        if self.program is not None and shutil.which(self.program) is None:
            return f"the program {self.program} is not installed"
        return ""


PEERS = (
    _Peer("hyperqueue", "which keeps nothing on disk", (4_000, 500), "hyperqueue"),
    _Peer("dask", "which keeps nothing on disk", (4_000, 500), "distributed"),
    _Peer("huey", "two worker processes, SQLite FULL too", (1_000, 150), "huey", must=1.0),
    _Peer("rq", "two workers, Redis with appendfsync always", (400, 40), "rq", "redis-server", must=1.0),
)


def measure_engines(plan: Plan) -> list[Figure]:
    """`true` jobs by two CPUs: ours over others that run programs."""
    jobs = plan.size(4_000, 500)
    there = [peer for peer in PEERS if not peer.lacks]
    ours: list[float] = []
    theirs: dict[str, list[float]] = {peer.name: [] for peer in PEERS}
    with serving() as (server, folder):
        project = server.append_project("peers")
        project.create_task("true", command_template="true")
        with working(server, folder, "peers", cpus=2):
            project.extend_queue([Job("true", "true", {}) for _ in range(200)])
            until_completed(project, 200)
            for number in range(1, plan.rounds + 1 if there else 1):
                ours.append(_true_jobs(project, jobs, 200 + number * jobs))
                for peer in there:
                    count = plan.size(*peer.jobs)
                    theirs[peer.name].append(count / _run(f"{peer.name}_jobs", count))
    figures = []
    for peer in PEERS:
        title = f"`true` jobs/s with 2 CPUs, SQLite FULL / {peer.name}, {peer.keeps}"
        figure = Figure(number=11, name=peer.name, title=title, must=peer.must, aim=peer.aim, detail=peer.lacks)
        figures.append(figure if peer.lacks else _with(figure, ours, theirs[peer.name]))
    return figures


def _true_jobs(project: Project, jobs: int, until: int) -> float:
    begin = time.perf_counter()
    project.extend_queue([Job("true", "true", {}) for _ in range(jobs)])
    return jobs / (until_completed(project, until) - begin)


def _run(script: str, *arguments: object) -> float:
    """Seconds that a peer needed, as it says itself."""
    argv = [sys.executable, str(Path(__file__).with_name(f"{script}.py")), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=LIMIT, env=environment)
    assert done.returncode == 0, f"{script} failed: {done.stderr[-2000:]}"
    return float(done.stdout.split()[-1])


def _with(figure: Figure, ours: list[float], theirs: list[float]) -> Figure:
    detail = f"{max(ours):.0f} jobs/s, {figure.name} {max(theirs):.0f} jobs/s"
    return evolve(figure, ratios=ratios(ours, theirs), detail=detail)
