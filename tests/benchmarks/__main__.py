"""`python -m tests.benchmarks`: measure, print a table, and write JSON when asked to."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.benchmarks import depth, durable, latency, overhead
from tests.benchmarks.figure import Figure

FIGURES: dict[str, Callable[[int], Figure]] = {
    "overhead": overhead.measure,
    "durable": durable.measure,
    "depth": depth.measure,
    "latency": latency.measure,
}


@click.command()
@click.option("--figure", "names", type=click.Choice(list(FIGURES)), multiple=True, help="Only these; all by default.")
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="Rounds; the median counts.")
@click.option("--json", "path", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures here too.")
def main(names: tuple[str, ...], rounds: int, path: Path | None) -> None:
    """Measure ratios of WhatsNext to this machine; exit with 1 if one misses what it must reach."""
    figures = [FIGURES[name](rounds) for name in names or FIGURES]
    table = Table(title=f"{platform.python_implementation()} {platform.python_version()}, median of {rounds}")
    for column in ("figure", "what", "ratio", "spread", "must", "aim", "verdict", "numbers"):
        table.add_column(column)
    for one in figures:
        sign = "<=" if one.smaller_is_better else ">="
        bounds = (f"{sign} {one.must:g}", f"{sign} {one.aim:g}")
        table.add_row(one.name, one.title, f"{one.ratio:.3g}", one.spread, *bounds, one.verdict, one.detail)
    Console().print(table)
    if path is not None:
        rows = [
            {
                "name": f.name,
                "title": f.title,
                "ratio": f.ratio,
                "ratios": list(f.ratios),
                "must": f.must,
                "aim": f.aim,
                "verdict": f.verdict,
                "detail": f.detail,
            }
            for f in figures
        ]
        path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    raise SystemExit(any(one.verdict == "missed" for one in figures))


if __name__ == "__main__":
    main()
