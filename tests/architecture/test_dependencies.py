"""Each distribution declares what it imports, and imports what it declares."""

import ast
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

from tests.support import Distribution, distributions
from tests.support.repository import normalized

# What is declared although no line imports it.
LOADED_OTHERWISE = {
    "whatsnext-formatter-cli": "the client finds it by its entry point",
    "whatsnext-probe-cpu": "the client finds it by its entry point",
    "whatsnext-probe-slurm": "the client finds it by its entry point",
    "whatsnext-storage-sql": "the server finds it by its entry point",
    "psycopg": "SQLAlchemy loads the driver that the database's address names",
}


def imported_modules(source: str) -> set[str]:
    """The modules that a source text imports, at its head or later; relative imports are the package's own."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


packages_distributions = cache(metadata.packages_distributions)
"""Reads what is installed, once."""


@cache
def owners(module: str) -> set[str]:
    """The normalized names of the distributions that a module belongs to; none for the standard library."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return set()
    ours = {
        each.name
        for each in distributions().values()
        if any(module == package or module.startswith(f"{package}.") for package in each.packages)
    }
    return ours or {normalized(name) for name in packages_distributions().get(top, [f"(nobody has {module})"])}


@cache
def imported_distributions(folder: Path) -> set[str]:
    """The distributions that the sources below a folder import from."""
    modules = {module for file in folder.rglob("*.py") for module in imported_modules(file.read_text())}
    return {owner for module in modules for owner in owners(module)}


@pytest.mark.parametrize("distribution", distributions().values(), ids=lambda each: each.name)
def test_a_distribution_declares_what_it_imports(distribution: Distribution) -> None:
    undeclared = imported_distributions(distribution.source) - distribution.requirements(extras=True)
    assert undeclared - {distribution.name} == set()


@pytest.mark.parametrize("distribution", distributions().values(), ids=lambda each: each.name)
def test_a_distribution_imports_what_it_declares(distribution: Distribution) -> None:
    unused = distribution.requirements(extras=True) - imported_distributions(distribution.source)
    assert unused - LOADED_OTHERWISE.keys() == set()


def test_an_undeclared_import_is_found(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("import os\n\n\ndef late():\n    from yaml.nodes import Node\n")
    assert imported_distributions(tmp_path) == {"pyyaml"}
