"""Whether a deep queue slows claims down: claims with many ready jobs, over claims with few."""

from __future__ import annotations

import time

from tests.benchmarks.figure import Figure
from tests.benchmarks.system import serving
from whatsnext.api.client import Job, Project

FEW, MANY, CLAIMS = 1_000, 100_000, 300


def claims_per_second(project: Project) -> float:
    """Claims a second through the documented fetch, one after the other."""
    begin = time.perf_counter()
    for _ in range(CLAIMS):
        project.fetch_job()
    return CLAIMS / (time.perf_counter() - begin)


def measure(rounds: int) -> Figure:
    """Claims in a project with 100,000 ready jobs, over claims in one with 1,000, alternately on one server."""
    with serving() as (server, _):
        few, many = server.append_project("few"), server.append_project("many")
        for project, jobs in ((few, FEW + rounds * CLAIMS), (many, MANY)):
            project.create_task("idle")
            project.extend_queue([Job("idle", "idle", {"number": number}) for number in range(jobs)])
        slow, quick = [], []
        for _ in range(rounds):
            quick.append(claims_per_second(few))
            slow.append(claims_per_second(many))
    return Figure(
        name="depth",
        title="claims/s with 100,000 ready jobs / with 1,000",
        ratios=[one / other for one, other in zip(slow, quick, strict=True)],
        must=0.8,
        aim=0.95,
        smaller_is_better=False,
        detail=f"{max(slow):.0f} claims/s deep, {max(quick):.0f} claims/s shallow",
    )
