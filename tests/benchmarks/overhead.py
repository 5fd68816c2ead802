"""What a job that does nothing costs: `true` through server and worker, over `true` through `xargs -P2`."""

from __future__ import annotations

import subprocess
import time

from tests.benchmarks.figure import Figure
from tests.benchmarks.system import serving, until_completed, working
from whatsnext.api.client import Job

JOBS = 2_000


def xargs() -> float:
    """Seconds for the same number of `true` by `xargs -P2`."""
    lines = "\n" * JOBS
    begin = time.perf_counter()
    subprocess.run(["xargs", "-P2", "-I{}", "true"], input=lines.replace("\n", "x\n"), text=True, check=True)
    return time.perf_counter() - begin


def measure(rounds: int) -> Figure:
    """Wall time from the submission to the last COMPLETED, over that of xargs before and after."""
    ratios, ours, theirs = [], [], []
    with serving() as (server, folder):
        project = server.append_project("overhead")
        project.create_task("true", command_template="true")
        with working(server, folder, "overhead", cpus=2):
            for number in range(1, rounds + 1):
                before = xargs()
                begin = time.perf_counter()
                project.extend_queue([Job("true", "true", {}) for _ in range(JOBS)])
                ours.append(until_completed(project, number * JOBS) - begin)
                theirs.append((before + xargs()) / 2)
                ratios.append(ours[-1] / theirs[-1])
    return Figure(
        name="overhead",
        title="`true` jobs, submit to COMPLETED, one client with 2 CPUs / xargs -P2",
        ratios=ratios,
        must=2.0,
        aim=1.25,
        smaller_is_better=True,
        detail=f"{min(ours) / JOBS * 1e3:.2f} ms a job, xargs {min(theirs) / JOBS * 1e3:.2f} ms",
    )
