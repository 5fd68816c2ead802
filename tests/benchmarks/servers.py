"""2, beside it: whether two servers on one PostgreSQL serve more than one does."""

from __future__ import annotations

from contextlib import ExitStack

from tests.benchmarks.durable import BATCH, callers, cycles_per_second
from tests.benchmarks.figure import Figure, ratios
from tests.benchmarks.plan import Plan
from tests.benchmarks.system import postgresql, scratch, serving_in


def measure(plan: Plan) -> list[Figure]:
    """Four callers with two servers, over four callers with one server."""
    jobs = plan.size(5_000, 1_000)
    two, one = [], []
    with (
        postgresql() as database,
        scratch() as folder,
        ExitStack() as servers,
        callers() as pool,
    ):
        url = database.url(database.create_database())
        ports = []
        for number in range(2):
            place = folder / str(number)
            place.mkdir()
            servers.enter_context(serving_in(place, url))
            ports.append(int((place / "port").read_text()))
        cycles_per_second(pool, ports, "first", BATCH)
        for number in range(plan.rounds):
            one.append(cycles_per_second(pool, ports[:1], f"one-{number}", jobs))
            two.append(cycles_per_second(pool, ports, f"two-{number}", jobs))
    return [
        Figure(
            number=2,
            name="servers",
            title="cycles/s of four callers in batches of 1,000, PostgreSQL with fsync, two servers / one server",
            ratios=ratios(two, one),
            must=1.0,
            aim=1.5,
            detail=f"{max(two):.0f} cycles/s with two servers, {max(one):.0f} with one",
        )
    ]
