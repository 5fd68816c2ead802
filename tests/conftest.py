"""Fixtures of all tests: real components, started when the first test asks for one and stopped with the session."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack

import hypothesis
import pytest

from tests.components import (
    Compiler,
    DockerEngine,
    Podman,
    PostgreSQLServer,
    SlurmCluster,
    TaskSpooler,
    UnavailableError,
    available,
    unavailable,
)
from tests.components.accounting import running_accounted_slurm
from tests.components.compiler import found_compiler
from tests.components.docker import running_docker
from tests.components.podman import running_podman
from tests.components.postgresql import running_postgresql
from tests.components.requirements import COMPONENTS, required_components
from tests.components.slurm import running_slurm
from tests.components.taskspooler import running_task_spooler

# A busy machine makes an example slow, never wrong.
hypothesis.settings.register_profile("here", deadline=None, print_blob=True)
# For nights: `--hypothesis-profile=thorough` looks at many more examples.
hypothesis.settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=500)
hypothesis.settings.load_profile("here")


def pytest_configure() -> None:
    """Refuses a wrong WHATSNEXT_REQUIRE before the first test, and lets what tests start hear SIGINT.

    What a shell starts in the background ignores it, and so does all that is started from there.
    """
    required_components()
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test with the components that its fixtures start, so that `-m "not slurm"` leaves these out."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            for component in COMPONENTS:
                if component in fixture:
                    item.add_marker(component)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    """A PostgreSQL cluster that is quick and forgets on a crash."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_postgresql())
        except UnavailableError as error:
            unavailable(error)
        yield server


@pytest.fixture
def postgresql_url(postgresql: PostgreSQLServer) -> Iterator[str]:
    """The address of an empty database of the quick cluster, gone after the test."""
    with postgresql.database() as url:
        yield url


@pytest.fixture(scope="session")
def durable_postgresql() -> Iterator[PostgreSQLServer]:
    """A PostgreSQL cluster that keeps what it acknowledged; a test may `kill` and `start` it."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_postgresql(durable=True))
        except UnavailableError as error:
            unavailable(error)
        yield server


@pytest.fixture
def durable_postgresql_url(durable_postgresql: PostgreSQLServer) -> Iterator[str]:
    """The address of an empty database of the durable cluster, gone after the test."""
    with durable_postgresql.database() as url:
        yield url


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[SlurmCluster]:
    """A Slurm cluster of three nodes, each with 8 CPUs and 4 pretended GPUs."""
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(running_slurm())
        except UnavailableError as error:
            unavailable(error)
        yield cluster


@pytest.fixture
def slurm(slurm_cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    """The Slurm cluster, which this process and its children talk to; no job outlives the test."""
    for name, value in slurm_cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield slurm_cluster
    slurm_cluster.cancel_all()


@pytest.fixture(scope="session")
def slurmdbd_cluster() -> Iterator[SlurmCluster]:
    """A Slurm cluster of one node with accounting, whose controller forgets jobs soon after they have ended."""
    with available(running_accounted_slurm()) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """A Docker engine with an image of busybox."""
    with ExitStack() as stack:
        try:
            engine = stack.enter_context(running_docker())
        except UnavailableError as error:
            unavailable(error)
        yield engine


@pytest.fixture
def docker(docker_engine: DockerEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerEngine]:
    """The Docker engine, which this process and its children talk to; no container outlives the test."""
    for name, value in docker_engine.environment.items():
        monkeypatch.setenv(name, value)
    yield docker_engine
    docker_engine.remove_containers()


@pytest.fixture(scope="session")
def compiler() -> Compiler:
    """The C compiler of this machine."""
    try:
        return found_compiler()
    except UnavailableError as error:
        unavailable(error)


@pytest.fixture
def tsp() -> Iterator[TaskSpooler]:
    """An empty queue of task spooler with two slots."""
    with ExitStack() as stack:
        try:
            queue = stack.enter_context(running_task_spooler())
        except UnavailableError as error:
            unavailable(error)
        yield queue


@pytest.fixture(scope="session")
def podman_store() -> Iterator[Podman]:
    """Podman with a store of its own and an image of busybox."""
    with ExitStack() as stack:
        try:
            podman = stack.enter_context(running_podman())
        except UnavailableError as error:
            unavailable(error)
        yield podman


@pytest.fixture
def podman(podman_store: Podman, monkeypatch: pytest.MonkeyPatch) -> Iterator[Podman]:
    """Podman, as this process and its children use it; no container outlives the test."""
    for name, value in podman_store.environment.items():
        monkeypatch.setenv(name, value)
    yield podman_store
    podman_store.run("rm", "--all", "--force", "--time=0", check=False)
