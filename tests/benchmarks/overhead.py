"""1: what a job that does nothing costs: `true` through server and worker, over `true` through `xargs -P2`."""

from __future__ import annotations

import time

from tests.benchmarks.calibration import xargs
from tests.benchmarks.figure import Figure, ratios
from tests.benchmarks.plan import Plan
from tests.benchmarks.system import serving, until_completed, working
from whatsnext.api.client import Job


def measure(plan: Plan) -> list[Figure]:
    """Wall time from the submission to the last COMPLETED, over that of xargs before and after."""
    jobs = plan.size(4_000, 1_500)
    ours, theirs = [], []
    with serving() as (server, folder):
        project = server.append_project("overhead")
        project.create_task("true", command_template="true")
        with working(server, folder, "overhead", cpus=2):
            project.extend_queue([Job("true", "true", {}) for _ in range(200)])  # so that its pace is known
            until_completed(project, 200)
            for number in range(1, plan.many_rounds + 1):
                before = xargs(jobs)
                begin = time.perf_counter()
                project.extend_queue([Job("true", "true", {}) for _ in range(jobs)])
                ours.append(until_completed(project, 200 + number * jobs) - begin)
                theirs.append((before + xargs(jobs)) / 2)
    figure = Figure(
        number=1,
        name="overhead",
        title="`true` jobs, submit to COMPLETED, one client with 2 CPUs, SQLite FULL / xargs -P2, which keeps nothing",
        ratios=ratios(ours, theirs),
        must=2.0,
        aim=1.25,
        smaller_is_better=True,
        detail=f"{min(ours) / jobs * 1e3:.2f} ms a job, xargs {min(theirs) / jobs * 1e3:.2f} ms",
    )
    return [figure]
