"""Which components must be here, and what happens when one is not.

`WHATSNEXT_REQUIRE=postgresql,slurm,slurmdbd,docker,podman,compiler,tsp` names components that must start: a test that
asks for one of them fails when it cannot be had. A component that is not named only makes its tests skip.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

__all__ = [
    "COMPONENTS",
    "UnavailableError",
    "available",
    "component_folder",
    "required_components",
    "unavailable",
]

T = TypeVar("T")

VARIABLE = "WHATSNEXT_REQUIRE"
COMPONENTS = ("postgresql", "slurm", "slurmdbd", "docker", "podman", "compiler", "tsp")


class UnavailableError(Exception):
    """A component cannot be had on this machine."""

    def __init__(self, component: str, cause: str, remedy: str) -> None:
        super().__init__(f"{component} is not available: {cause} {remedy}")
        self.component = component


def required_components(environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """The components that must start, as the environment names them."""
    names = frozenset(name.strip().lower() for name in environ.get(VARIABLE, "").split(",") if name.strip())
    unknown = sorted(names.difference(COMPONENTS))
    if unknown:
        raise pytest.UsageError(
            f"{VARIABLE} names {', '.join(unknown)}, which no test knows; use a list of {', '.join(COMPONENTS)}."
        )
    return names


def unavailable(error: UnavailableError) -> NoReturn:
    """Ends the test that asked: it fails when the component is required, and is skipped otherwise."""
    if error.component in required_components():
        pytest.fail(f"{VARIABLE} requires {error.component}. {error}", pytrace=False)
    pytest.skip(str(error))


@contextmanager
def available(component: AbstractContextManager[T]) -> Iterator[T]:
    """The component, entered; the test that asks for it fails or is skipped when it cannot be had."""
    with ExitStack() as stack:
        try:
            value = stack.enter_context(component)
        except UnavailableError as error:
            unavailable(error)
        yield value


@contextmanager
def component_folder(component: str) -> Iterator[Path]:
    """A new folder that other users may enter, since some components refuse to run as root; gone afterwards.

    pytest's own temporary folders are closed to other users, and their paths are too long for sockets.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"whatsnext-{component}-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
