"""Jobs of all kinds through a real Slurm cluster, by one client and by pilots, each killed and started again."""

from pathlib import Path

from tests.acceptance.slurm import LEASE, autoscaler, run_mixture, worker
from tests.components import SlurmCluster
from tests.support.server import running_server


def test_every_job_of_a_mixture_ends_as_it_should_through_slurm(slurm: SlurmCluster, tmp_path: Path) -> None:
    with running_server(tmp_path, **LEASE) as server:
        _, mixture = run_mixture(tmp_path, 40, lambda: worker(server, tmp_path, slurm), server)
        assert sum(mixture.check().values()) == 40


def test_every_job_of_a_mixture_ends_as_it_should_through_pilots(slurm: SlurmCluster, tmp_path: Path) -> None:
    with running_server(tmp_path, **LEASE) as server:
        _, mixture = run_mixture(tmp_path, 40, lambda: autoscaler(server, tmp_path, slurm), server)
        assert sum(mixture.check().values()) == 40
