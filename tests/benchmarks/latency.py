"""13: how soon an idle worker starts a job: from the submission to the process, over 20 ms."""

from __future__ import annotations

import subprocess
import time
from statistics import median

from tests.benchmarks.figure import Figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.system import serving, until_completed, working
from whatsnext.api.client import Job

SCRIPT = 'date +%s%N > "$0"'
PAUSE = 0.3
"""Seconds between two jobs, so that server and worker are idle again."""


def measure(plan: Plan) -> list[Figure]:
    """Time from the call that submits to the moment that the job's own process notes."""
    jobs = plan.size(40, 8)
    medians, plain = [], []
    with serving() as (server, folder):
        project = server.append_project("latency")
        project.create_task("note", command_template=f"sh -c '{SCRIPT}' {{path}}")
        path, done = folder / "note.txt", 0
        with working(server, folder, "latency", cpus=1):
            for _ in range(plan.rounds):
                delays = []
                for _ in range(jobs):
                    time.sleep(PAUSE)
                    begin = time.time_ns()
                    project.append_queue(Job("note", "note", {"path": str(path)}))
                    done += 1
                    until_completed(project, done)
                    delays.append((int(path.read_text()) - begin) / 1e6)
                medians.append(median(delays))
                begin = time.time_ns()
                subprocess.run(["sh", "-c", SCRIPT, str(path)], check=True)
                plain.append((int(path.read_text()) - begin) / 1e6)
    figure = Figure(
        number=13,
        name="latency",
        title="idle server, idle worker: submit to start, p50 / 20 ms",
        ratios=[one / 20 for one in medians],
        must=1.0,
        aim=0.25,
        smaller_is_better=True,
        detail=f"{median(medians):.1f} ms, of which a shell's own start takes {median(plain):.1f} ms",
    )
    return [figure]
