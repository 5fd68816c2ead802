"""12: how many HTTP requests a job costs while a worker is busy, its output included."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.figure import Figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.system import serving, until_completed, working
from whatsnext.api.client import Job, Project

WORKERS = ("/sync", "/logs/")
"""What only a worker asks for."""


PRINTING = "sh -c 'echo out; echo err >&2'"
"""A command that writes a line to either stream."""


def asked(log: Path) -> int:
    """Requests of workers that the server has logged."""
    return sum(any(part in line for part in WORKERS) for line in log.read_text().splitlines())


def measure(plan: Plan) -> list[Figure]:
    """Requests in the server's log from the submission to the last COMPLETED, for each job."""
    jobs = plan.size(4_000, 600)
    with serving(log_level="debug") as (server, folder):
        project = server.append_project("requests")
        project.create_task("true", command_template="true")
        project.create_task("printing", command_template=PRINTING)
        with working(server, folder, "requests", cpus=2):
            silent = _requests(project, "true", jobs, plan.rounds, folder / "server.log")
            printing = _requests(project, "printing", jobs, plan.rounds, folder / "server.log")
    return [
        _figure("requests", "`true` job", silent, jobs),
        _figure("requests-printing", "job that prints two lines", printing, jobs),
    ]


def _requests(project: Project, task: str, jobs: int, rounds: int, log: Path) -> list[float]:
    """Requests for each job of a task, once for each round."""
    found = []
    _run(project, task, 200)
    for _ in range(rounds):
        before = asked(log)
        _run(project, task, jobs)
        found.append((asked(log) - before) / jobs)
    return found


def _run(project: Project, task: str, jobs: int) -> None:
    done = project.rest.counts(project.id)["COMPLETED"]
    project.extend_queue([Job(task, task, {}) for _ in range(jobs)])
    until_completed(project, done + jobs)


def _figure(name: str, job: str, found: list[float], jobs: int) -> Figure:
    return Figure(
        number=12,
        name=name,
        title=f"HTTP requests of a busy worker for each {job}",
        ratios=found,
        must=0.1,
        aim=0.02,
        smaller_is_better=True,
        detail=f"{jobs * min(found):.0f} requests for {jobs} jobs",
    )
