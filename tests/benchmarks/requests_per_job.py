"""12: how many HTTP requests a job costs while a worker is busy, its output included."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.figure import Figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.system import serving, until_completed, working
from whatsnext.api.client import Job

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
    return [
        _figure("requests", "`true` job", _requests("true", jobs, plan.rounds), jobs),
        _figure("requests-printing", "job that prints two lines", _requests(PRINTING, jobs, plan.rounds), jobs),
    ]


def _requests(command: str, jobs: int, rounds: int) -> list[float]:
    """Requests for each job that runs a command, once for each round."""
    found = []
    with serving(log_level="debug") as (server, folder):
        project = server.append_project("requests")
        project.create_task("short", command_template=command)
        with working(server, folder, "requests", cpus=2):
            project.extend_queue([Job("short", "short", {}) for _ in range(200)])
            until_completed(project, 200)
            for number in range(1, rounds + 1):
                before = asked(folder / "server.log")
                project.extend_queue([Job("short", "short", {}) for _ in range(jobs)])
                until_completed(project, 200 + number * jobs)
                found.append((asked(folder / "server.log") - before) / jobs)
    return found


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
