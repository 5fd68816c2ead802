"""8: whether a snapshot that somebody holds on PostgreSQL, as a backup does, makes claims slower."""

from __future__ import annotations

import psycopg

from tests.benchmarks.depot import Depot, opened
from tests.benchmarks.figure import Figure, ratios
from tests.benchmarks.plan import Plan
from tests.benchmarks.system import postgresql


def measure(plan: Plan) -> list[Figure]:
    """Claims of one job each while a snapshot is held, over claims without."""
    claims = plan.size(2_000, 300)
    held, free = [], []
    with postgresql() as server:
        for number in range(plan.rounds):
            url = server.url(server.create_database())
            with opened(url) as storage:
                depot = Depot(storage, f"round {number}")
                depot.fill(claims * 3)
                free.append(depot.claims_per_second(claims))
                with psycopg.connect(url) as connection:
                    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    connection.execute("SELECT count(*) FROM job")
                    held.append(depot.claims_per_second(claims * 2))
    figure = Figure(
        number=8,
        name="snapshot",
        title="claims/s on PostgreSQL while a snapshot is held / without, one job a transaction, with fsync",
        ratios=ratios(held, free),
        must=0.7,
        aim=0.95,
        detail=f"{max(held):.0f} claims/s, {max(free):.0f} claims/s without",
    )
    return [figure]
