"""4 and 5: whether a deep queue, or one full of jobs that do not fit, makes claims slower."""

from __future__ import annotations

from statistics import median

from tests.benchmarks.depot import Depot, opened
from tests.benchmarks.figure import Figure, ratios
from tests.benchmarks.plan import Plan
from tests.benchmarks.system import scratch, sqlite_url


def measure(plan: Plan) -> list[Figure]:
    """Claims with a million ready jobs over a thousand; and the slowest percent with a million unfit ones over none."""
    many, claims = plan.size(1_000_000, 40_000), plan.size(1_000, 300)
    deep, shallow, slow, quick = [], [], [], []
    with scratch() as folder, opened(sqlite_url(folder)) as storage:
        few, full, unfit = Depot(storage, "few"), Depot(storage, "many"), Depot(storage, "unfit")
        few.fill(1_000 + plan.rounds * claims * 2)
        full.fill(many)
        unfit.fill(many, wide=True, priority=1)
        unfit.fill(plan.rounds * claims)
        for _ in range(plan.rounds):
            shallow.append(few.claims_per_second(claims))
            deep.append(full.claims_per_second(claims))
            quick.append(_percentile(few.claim_times(claims)))
            slow.append(_percentile(unfit.claim_times(claims)))
    depth = Figure(
        number=4,
        name="depth",
        title=f"claims/s with {many:,} ready jobs / with 1,000, SQLite FULL, one job a transaction",
        ratios=ratios(deep, shallow),
        must=0.8,
        aim=0.95,
        detail=f"{max(deep):.0f} claims/s deep, {max(shallow):.0f} claims/s shallow",
    )
    misfits = Figure(
        number=5,
        name="unfit",
        title=f"p99 of a claim with {many:,} jobs ahead that do not fit / with none",
        ratios=ratios(slow, quick),
        must=2.0,
        aim=1.1,
        smaller_is_better=True,
        detail=f"{median(slow) * 1e3:.2f} ms behind them, {median(quick) * 1e3:.2f} ms without",
    )
    return [depth, misfits]


def _percentile(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]
