"""`python -m tests.acceptance.slurm`: a mixture of jobs through a real Slurm cluster, one by one and through pilots."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from tests.acceptance.mixture import TIMEOUT, Mixture
from tests.components import SlurmCluster
from tests.components.slurm import running_slurm
from tests.support import Daemon, wait_until
from tests.support.server import ServerProcess, clean_environment, command, running_server
from whatsnext.api.client import Server

__all__ = ["autoscaler", "run_mixture", "worker"]

LEASE: Final[dict[str, Any]] = {"lease_seconds": 12, "renew_seconds": 2}
"""What a server is told so that what was claimed by a killed client soon comes back."""
CALM_WITHIN: Final = 3.0
"""Seconds that are waited for a good moment to kill a client."""
CPUS: Final = 24
"""CPUs of each node in a long run, and of each pilot: pretended ones, so that jobs that only wait have room."""
LIMIT: Final = 0.5
"""Seconds that the slow jobs of a long run may take; a short run, which a busy machine must bear, gives them more."""
SETTINGS: Final = """\
[plugins.slurm]
mem = "50M"
time = "00:10:00"
poll_interval = 0.5

[plugins.autoscale-slurm]
cpus = {cpus}
mem = "1G"
time = 600.0
idle = 2.0
interval = 0.5
max_pilots = 3
max_pending = 3
"""


def worker(server: ServerProcess, folder: Path, slurm: SlurmCluster) -> Daemon:
    """One client that hands its jobs to Slurm."""
    (folder / "whatsnext.toml").write_text(SETTINGS.format(cpus=slurm.cpus))
    argv = command(
        "worker", "--forever", "--formatter", "slurm", "--server", server.url, "--project", "mixture", "--name", "one",
        "--cpus", "400", "--memory", "1T", "--state-dir", str(folder / "state"),
    )  # fmt: skip
    environ = clean_environment(HOME=str(folder), TMPDIR=str(folder), **slurm.environment)
    return Daemon(argv, folder / "worker.log", env=environ, cwd=folder)


def autoscaler(server: ServerProcess, folder: Path, slurm: SlurmCluster) -> Daemon:
    """What starts workers inside of allocations."""
    (folder / "whatsnext.toml").write_text(SETTINGS.format(cpus=slurm.cpus))
    argv = command("autoscale", "slurm", "--server", server.url, "--project", "mixture", "--stop-pilots")
    environ = clean_environment(HOME=str(folder), TMPDIR=str(folder), **slurm.environment)
    return Daemon(argv, folder / "autoscaler.log", env=environ, cwd=folder)


def run_mixture(
    folder: Path,
    count: int,
    start: Callable[[], Daemon],
    server: ServerProcess,
    *,
    holds_jobs: bool = True,
    limit: float = TIMEOUT,
) -> tuple[float, Mixture]:
    """Run a mixture of jobs, with a SIGKILL and a restart of what runs them in the middle; returns seconds, and it.

    What is killed holds the jobs itself, or starts others that do. Slow jobs may take ``limit`` seconds.
    """
    mixture = Mixture(Server("127.0.0.1", server.port).append_project("mixture"), folder, count, limit=limit)
    mixture.submit()
    began = time.monotonic()
    daemon = start()
    try:
        wait_until(lambda: mixture.ended() >= count // 4 or not daemon.alive(), 300, "a quarter of the jobs has ended")
        assert daemon.alive(), daemon.tail()
        if holds_jobs:
            _await_calm(mixture)
        daemon.kill()
        daemon = start()
        mixture.cancel()
        wait_until(lambda: mixture.ended() == count or not daemon.alive(), 900, "all jobs have ended")
        took = time.monotonic() - began
        assert daemon.alive(), daemon.tail()
    finally:
        daemon.stop()
    return took, mixture


def _await_calm(mixture: Mixture) -> None:
    """Wait for a moment in which no job is on its way to Slurm; not for long, since one that is lost so comes back."""
    deadline = time.monotonic() + CALM_WITHIN
    while time.monotonic() < deadline and mixture.project.rest.counts(mixture.project.id)["QUEUED"]:
        time.sleep(0.05)


@contextmanager
def _place(name: str) -> Iterator[tuple[Path, ServerProcess]]:
    with (
        tempfile.TemporaryDirectory(prefix=f"whatsnext-{name}-") as text,
        running_server(Path(text), **LEASE) as server,
    ):
        yield Path(text), server


def run_short(folder: Path, count: int, start: Callable[[], Daemon], server: ServerProcess) -> float:
    """Run short jobs that all end well, undisturbed; returns seconds."""
    mixture = Mixture(Server("127.0.0.1", server.port).append_project("mixture"), folder, count, kinds=("well",))
    mixture.submit()
    began = time.monotonic()
    with start():
        wait_until(lambda: mixture.ended() == count, 900, "all jobs have ended")
        took = time.monotonic() - began
    mixture.check()
    return took


@click.command()
@click.option("--jobs", "count", type=click.IntRange(10), default=300, show_default=True, help="How many jobs.")
def main(count: int) -> None:
    """Run jobs through Slurm one by one and through pilots, and check what became of each of them."""
    mixed, short, waits = [], [], 0.0
    with running_slurm(cpus=CPUS) as cluster:
        for name, start in (("worker", worker), ("autoscaler", autoscaler)):
            with _place(name) as (folder, server):
                begin = partial(start, server, folder, cluster)
                took, mixture = run_mixture(folder, count, begin, server, holds_jobs=start is worker, limit=LIMIT)
                kinds = ", ".join(f"{number} {kind}" for kind, number in mixture.check().items())
                click.echo(f"{name}: {count} jobs in {took:.1f} s ({kinds}): every one as it should be")
                mixed.append(took)
                waits = mixture.longest_wait(cluster.cpus * len(cluster.nodes))
            cluster.cancel_all()
            with _place(name) as (folder, server):
                short.append(run_short(folder, count, partial(start, server, folder, cluster), server))
                click.echo(f"{name}: {count} short jobs in {short[-1]:.1f} s")
            cluster.cancel_all()
    for words, times in (("the mixture", mixed), ("short jobs", short)):
        click.echo(f"{words} through pilots: {times[0] / times[1]:.1f} times as fast")
    beyond = (mixed[0] - waits) / (mixed[1] - waits)
    click.echo(
        f"{waits:g} s of the mixture are waits for timeouts, whoever runs it; the rest: {beyond:.1f} times as fast"
    )


if __name__ == "__main__":
    main()
