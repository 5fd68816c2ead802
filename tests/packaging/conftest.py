"""Wheels of every distribution, and environments that hold only some of them."""

import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.environment import Environment
from tests.support import ROOT, distributions


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A fresh wheel of every distribution, by name; built from copies, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheels")
    copies = []
    for distribution in distributions().values():
        copy = folder / "copies" / distribution.name
        shutil.copytree(
            distribution.folder, copy, ignore=shutil.ignore_patterns("__pycache__", "tests", "dist", "build")
        )
        copies.append(str(copy))
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*argv, "--wheel-dir", str(folder), *copies], check=True, timeout=240)
    built = {file.name.partition("-")[0].replace("_", "-"): file for file in folder.glob("*.whl")}
    assert built.keys() == distributions().keys()
    return built


@pytest.fixture(scope="session")
def install(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Environment]:
    """Makes an empty environment and installs one distribution there, as a user would; ours come from the wheels."""

    def needed(name: str) -> set[str]:
        ours = distributions()[name].requirements() & wheels.keys()
        return {name}.union(*(needed(other) for other in ours))

    def make(name: str) -> Environment:
        folder = tmp_path_factory.mktemp(name)
        venv.create(folder / "env", with_pip=False)
        environment = Environment(folder=folder / "env")
        argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(environment.python)]
        argv += ["install", "--quiet", "--constraint", str(ROOT / ".constraints.txt")]
        subprocess.run([*argv, *(str(wheels[each]) for each in sorted(needed(name)))], check=True, timeout=280)
        return environment

    return make


@pytest.fixture(scope="session")
def client_alone(install: Callable[[str], Environment]) -> Environment:
    """An environment with the client and what it depends on, and nothing else."""
    return install("whatsnext-client")


@pytest.fixture(scope="session")
def server_alone(install: Callable[[str], Environment]) -> Environment:
    """An environment with the server and what it depends on, and nothing else."""
    return install("whatsnext-server")
