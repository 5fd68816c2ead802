"""Real components for the tests: PostgreSQL, Slurm and a Docker engine, each started for this session only."""

from tests.components.docker import DockerEngine
from tests.components.postgresql import PostgreSQLServer
from tests.components.requirements import UnavailableError, required_components, unavailable
from tests.components.slurm import SlurmCluster

__all__ = [
    "DockerEngine",
    "PostgreSQLServer",
    "SlurmCluster",
    "UnavailableError",
    "required_components",
    "unavailable",
]
