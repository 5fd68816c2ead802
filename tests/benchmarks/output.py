"""14: whether a job that prints 50 MB/s slows what others ask of the server."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.benchmarks.figure import Figure, ratios
from tests.benchmarks.plan import Plan
from tests.benchmarks.puller import Puller
from tests.benchmarks.system import serving, until_completed, working
from tests.support import wait_until
from whatsnext.api.client import Job, Project

PRINTER = """
import os, sys, time
flag, line, due = sys.argv[1], b"x" * 99 + b"\\n", time.monotonic()
end = due + 60
while os.path.exists(flag) and due < end:
    os.write(1, line * 10_000)
    due += 0.02
    time.sleep(max(0, due - time.monotonic()))
"""
"""Writes 50 MB/s until a file is gone, and no longer than a minute, should nobody be left to remove it."""
LEAD = 2.0
"""Seconds that it has written before others are measured: by then the worker is behind by all that it may be."""


@contextmanager
def printing(project: Project, task: str, flag: Path, done: int) -> Iterator[None]:
    """One job that writes all the while; so many jobs of the project have completed when it has."""
    flag.touch()
    project.append_queue(Job(task, task, {"flag": str(flag)}))
    try:
        wait_until(lambda: project.rest.counts(project.id)["RUNNING"] == 1, timeout=30, why="the loud job runs")
        time.sleep(LEAD)
        yield
    finally:
        flag.unlink()
    until_completed(project, done)


def claims_per_second(project: Project, puller: Puller, jobs: int) -> float:
    """Claim and complete jobs, one with each request."""
    project.extend_queue([Job("idle", "idle", {"number": number}) for number in range(jobs)])
    begin = time.perf_counter()
    done = puller.drain(1)
    assert done == jobs, f"{done} of {jobs} jobs came"
    return jobs / (time.perf_counter() - begin)


def measure(plan: Plan) -> list[Figure]:
    """Claims of another client while a job prints to its log, over those while it writes the same to a file."""
    jobs = plan.size(400, 80)
    logged, filed, quiet = [], [], []
    with serving() as (server, folder):
        (folder / "printer.py").write_text(PRINTER)
        printer, elsewhere = f"{sys.executable} {folder / 'printer.py'} {{flag}}", folder / "elsewhere"
        loud, other = server.append_project("loud"), server.append_project("other")
        loud.create_task("logged", command_template=printer)
        loud.create_task("filed", command_template=f"sh -c 'exec {printer} > {elsewhere}'")
        other.create_task("idle")
        puller = Puller(server, other)
        with working(server, folder, "loud", cpus=1):
            claims_per_second(other, puller, jobs)
            for number in range(plan.rounds):
                with printing(loud, "filed", folder / "flag", 2 * number + 1):
                    filed.append(claims_per_second(other, puller, jobs))
                quiet.append(claims_per_second(other, puller, jobs))
                with printing(loud, "logged", folder / "flag", 2 * number + 2):
                    logged.append(claims_per_second(other, puller, jobs))
    figure = Figure(
        number=14,
        name="output",
        title="claims/s of another client while a job prints 50 MB/s / while it writes as much to a file of its own",
        ratios=ratios(logged, filed),
        must=0.8,
        aim=0.9,
        detail=f"{median(logged):.0f} claims/s, {median(filed):.0f} beside the file, {median(quiet):.0f} alone",
    )
    return [figure]
