"""The examples, installed by pip into a folder of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

EXAMPLES = ("formatter-nice", "formatter-task-spooler", "storage-journal")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Python's search path with the examples, built from copies so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("examples")
    copies = []
    for name in EXAMPLES:
        ignored = shutil.ignore_patterns("__pycache__", "dist", "build", ".pytest_cache")
        copies.append(shutil.copytree(ROOT / "docs" / "examples" / name, folder / name, ignore=ignored))
    argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index"]
    argv += ["--no-build-isolation", "--target", str(folder / "site"), *map(str, copies)]
    subprocess.run(argv, check=True, timeout=120)
    return folder / "site"


@pytest.fixture
def environ(installed: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a user who installed the examples, and has no settings yet."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "WHATSNEXT_", "XDG_"))}
    return {**kept, "PYTHONPATH": str(installed), "HOME": str(tmp_path)}
