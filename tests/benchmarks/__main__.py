"""`python -m tests.benchmarks`: measure, print a table, and write JSON when asked to."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from tests.benchmarks import (
    depth,
    durable,
    graph,
    latency,
    output,
    overhead,
    peers,
    requests_per_job,
    servers,
    snapshot,
    submit,
    unbatched,
)
from tests.benchmarks.figure import Figure
from tests.benchmarks.plan import Plan

MODULES: Final[Mapping[str, Callable[[Plan], list[Figure]]]] = {
    "overhead": overhead.measure,
    "durable": durable.measure,
    "servers": servers.measure,
    "unbatched": unbatched.measure,
    "depth": depth.measure,
    "graph": graph.measure,
    "snapshot": snapshot.measure,
    "submit": submit.measure,
    "procrastinate": peers.measure_procrastinate,
    "engines": peers.measure_engines,
    "requests": requests_per_job.measure,
    "latency": latency.measure,
    "output": output.measure,
}


@click.command()
@click.option("--figure", "names", type=click.Choice(list(MODULES)), multiple=True, help="Only these; all by default.")
@click.option("--rounds", type=click.IntRange(1, 100), help="Rounds; the median counts. [default: 5, with --quick 1]")
@click.option("--quick", is_flag=True, help="Small sizes: two minutes in all, and ratios to be taken as hints.")
@click.option("--json", "path", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures here too.")
def main(names: tuple[str, ...], rounds: int | None, quick: bool, path: Path | None) -> None:
    """Measure ratios of WhatsNext to this machine and to peers; exit with 1 if one misses what it must reach."""
    plan = Plan(rounds=rounds or (1 if quick else 5), quick=quick)
    console = Console()
    before = machine()
    figures: list[Figure] = []
    for name in names or MODULES:
        begin = time.perf_counter()
        found = MODULES[name](plan)
        figures += found
        for one in found:
            measured = "" if one.ratio is None else f"{one.ratio:.3g} ({one.spread}), "
            console.print(f"{one.number:2} {one.name}: {measured}{one.verdict}; {one.detail}", highlight=False)
        console.print(f"   {name} took {time.perf_counter() - begin:.0f} s", style="dim", highlight=False)
    after = machine()
    console.print(table(figures, plan))
    console.print(f"Load {before['load']} before, {after['load']} after; {after['cpus']} CPUs.", highlight=False)
    if path is not None:
        document = {
            "rounds": plan.rounds,
            "quick": quick,
            "before": before,
            "after": after,
            "figures": [one.document() for one in figures],
        }
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    raise SystemExit(any(one.verdict == "missed" for one in figures))


def table(figures: list[Figure], plan: Plan) -> Table:
    """All figures with what they should reach."""
    found = Table(title=f"Median of at least {plan.rounds}{', small sizes' if plan.quick else ''}")
    for column in ("#", "what", "ratio", "spread", "must", "aim", "verdict", "numbers"):
        found.add_column(column)
    for one in figures:
        ratio = "" if one.ratio is None else f"{one.ratio:.3g}"
        bounds = (one.bound(one.must), one.bound(one.aim))
        found.add_row(str(one.number), one.title, ratio, one.spread, *bounds, one.verdict, one.detail)
    return found


def machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load": [round(one, 1) for one in os.getloadavg()],
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


if __name__ == "__main__":
    main()
