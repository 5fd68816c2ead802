"""`python -m tests.chaos`: the long run; exits with 1 if a promise was broken."""

from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory

import click

from tests.chaos.installing import on_postgresql, on_sqlite
from whatsnext_core.testing.chaos import run_chaos


@click.command()
@click.option("--jobs", type=click.IntRange(1), default=5_000, show_default=True, help="Jobs of the run.")
@click.option("--kills", type=click.IntRange(1), default=30, show_default=True, help="Processes that are killed.")
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="sqlite", show_default=True)
@click.option("--seed", type=int, help="Repeats the jobs and blows of an earlier run.  [default: a new one]")
@click.option("--workers", type=click.IntRange(1), default=4, show_default=True, help="Workers.")
@click.option(
    "--processes", type=click.IntRange(1), default=1, show_default=True, help="Of the one server, if several."
)
@click.option("--pause", type=float, default=2.0, show_default=True, help="Seconds between two blows, on average.")
@click.option("--within", type=float, default=300.0, show_default=True, help="Seconds to come to rest at the end.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Leave all files in this new folder.")
def main(
    jobs: int,
    kills: int,
    database: str,
    seed: int | None,
    workers: int,
    processes: int,
    pause: float,
    within: float,
    keep: Path | None,
) -> None:
    """Run jobs while servers, workers and the database are killed, and tell whether anything was lost or doubled."""
    seed = SystemRandom().randrange(10**9) if seed is None else seed
    click.echo(f"seed {seed}")
    with TemporaryDirectory(prefix="whatsnext-chaos-") as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with (
            on_sqlite(folder, workers=workers)
            if database == "sqlite"
            else on_postgresql(workers=workers, processes=processes) as it
        ):
            report = run_chaos(
                it, folder / "run", jobs=jobs, kills=kills, seed=seed, pause=pause, within=within, echo=click.echo
            )
    for words in report.left:
        click.echo(f"ended by itself: {words}")
    click.echo(report.text() if report.breaches else report.summary())
    raise SystemExit(bool(report.breaches))


if __name__ == "__main__":
    main()
