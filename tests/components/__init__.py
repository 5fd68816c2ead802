"""Real components for the tests, started for this session only: PostgreSQL, Slurm, a Docker engine; a compiler."""

from tests.components.compiler import Compiler
from tests.components.docker import DockerEngine
from tests.components.podman import Podman
from tests.components.postgresql import PostgreSQLServer
from tests.components.requirements import UnavailableError, available, required_components, unavailable
from tests.components.slurm import SlurmCluster
from tests.components.taskspooler import TaskSpooler

__all__ = [
    "Compiler",
    "DockerEngine",
    "Podman",
    "PostgreSQLServer",
    "SlurmCluster",
    "TaskSpooler",
    "UnavailableError",
    "available",
    "required_components",
    "unavailable",
]
