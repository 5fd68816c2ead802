"""The rules of who may import whom hold, and each of them can be broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, distributions, tool_settings

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

FORBIDDEN = [
    ("layers", "whatsnext_core", "import whatsnext_client"),
    ("layers", "whatsnext_core", "import whatsnext_server"),
    ("layers", "whatsnext_core", "import whatsnext_probe_cpu.plugin"),
    ("layers", "whatsnext_client", "import whatsnext_server"),
    ("layers", "whatsnext_client", "import whatsnext.api.client"),
    ("layers", "whatsnext_server", "import whatsnext_client"),
    ("layers", "whatsnext_formatter_cli", "import whatsnext_probe_cpu"),
    ("layers", "whatsnext.api.client", "import whatsnext.api.server"),
    ("core-is-light", "whatsnext_core", "import click"),
    ("core-is-light", "whatsnext_core", "from fastapi import FastAPI"),
    ("core-is-light", "whatsnext_core", "import requests"),
    ("core-is-light", "whatsnext_core", "def late():\n    import sqlalchemy.orm"),
    ("client-is-light", "whatsnext_client", "import sqlalchemy"),
    ("client-is-light", "whatsnext.api.client", "import whatsnext_storage_sql"),
    ("server-is-apart", "whatsnext_server", "import requests"),
    ("server-is-apart", "whatsnext.api.server", "import whatsnext_formatter_cli"),
    ("nobody-imports-a-plugin", "whatsnext_client", "def late():\n    import whatsnext_formatter_cli"),
    ("nobody-imports-a-plugin", "whatsnext_server", "def late():\n    import whatsnext_storage_sql"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all sources that a test may spoil, with the rules beside it."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for distribution in distributions().values():
        shutil.copytree(
            distribution.source, folder / "src", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    return folder


def lint_imports(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Checks the sources of a copy, which come before the installed ones."""
    env = {**os.environ, "PYTHONPATH": str(folder / "src"), "COLUMNS": "200"}
    argv = [str(LINT_IMPORTS), "--no-logo", "--cache-dir", str(folder / "cache"), *arguments]
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120)


def test_every_import_goes_down(copy: Path) -> None:
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("contract", "package", "line"), FORBIDDEN)
def test_a_forbidden_import_is_found(copy: Path, contract: str, package: str, line: str) -> None:
    module = copy / "src" / Path(*package.split(".")) / "spoiled.py"
    module.write_text(f"{line}\n")
    try:
        done = lint_imports(copy, "--contract", contract)
    finally:
        module.unlink()
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{package}.spoiled" in done.stdout


def test_every_package_is_under_every_tool() -> None:
    packages = {package for distribution in distributions().values() for package in distribution.packages}
    sources = {str(distribution.source.relative_to(ROOT)) for distribution in distributions().values()}
    tools = tool_settings()
    assert set(tools["importlinter"]["root_packages"]) == packages
    assert set(tools["coverage"]["run"]["source_pkgs"]) == packages
    assert sources <= set(tools["mypy"]["files"])
    assert {f"$MYPY_CONFIG_FILE_DIR/{source}" for source in sources} <= set(tools["mypy"]["mypy_path"])
    layers = {name.strip() for layer in tools["importlinter"]["contracts"][0]["layers"] for name in layer.split("|")}
    assert layers == packages


@pytest.mark.parametrize("face", ["client", "server"])
def test_a_face_loads_no_plugin_before_it_is_asked_for_one(face: str) -> None:
    plugins = [
        package
        for distribution in distributions().values()
        if distribution.folder.parent.name == "plugins"
        for package in distribution.packages
    ]
    code = f"import sys, whatsnext.api.{face}; print([name for name in {plugins} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
