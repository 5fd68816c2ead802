"""13: how soon an idle worker starts a job: from the submission to the process, over 20 ms."""

from __future__ import annotations

import subprocess
import time
from statistics import median

from tests.benchmarks.figure import Figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.system import serving, until_completed, working

PROGRAM = ("date", "+%s%N")
"""Says when it runs, in nanoseconds."""
PAUSE = 0.2
"""Seconds between two jobs, so that server and worker are idle again; nobody asks for anything meanwhile."""


def measure(plan: Plan) -> list[Figure]:
    """Time from the call that submits to the moment that the job's own process tells."""
    jobs = plan.size(40, 8)
    medians, plain = [], []
    with serving() as (server, folder):
        project = server.append_project("latency")
        project.create_task("note", command_template=" ".join(PROGRAM))
        done = 0
        with working(server, folder, "latency", cpus=1):
            for _ in range(plan.rounds):
                delays = []
                for _ in range(jobs):
                    time.sleep(PAUSE)
                    begin = time.time_ns()
                    job = project.append("note", "note")
                    time.sleep(PAUSE)
                    done += 1
                    until_completed(project, done)
                    delays.append((int(job.logs()) - begin) / 1e6)
                medians.append(median(delays))
                begin = time.time_ns()
                said = subprocess.run(PROGRAM, stdout=subprocess.PIPE, check=True)
                plain.append((int(said.stdout) - begin) / 1e6)
    figure = Figure(
        number=13,
        name="latency",
        title="idle server, idle worker: submit to start, p50 / 20 ms",
        ratios=[one / 20 for one in medians],
        must=1.0,
        aim=0.25,
        smaller_is_better=True,
        detail=f"{median(medians):.1f} ms, of which {median(plain):.1f} ms until the program itself looks at the clock",
    )
    return [figure]
