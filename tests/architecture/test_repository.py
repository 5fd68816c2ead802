"""What the repository holds, and what it must not hold."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support import ROOT, distributions, tracked_files

TOP = {
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "docs",
    "plugins",
    "pyproject.toml",
    "tests",
    "whatsnext_client",
    "whatsnext_core",
    "whatsnext_server",
}
LOCK_FILES = re.compile(r"(uv|poetry)\.lock|pylock.*\.toml|Pipfile\.lock|package-lock\.json|yarn\.lock")
REGISTRY = re.compile(
    r"""(index-url|index_url|extra-index[-_a-z]*|registry)["']?\s*[=:]\s*["']?https?:|"resolved":\s*"https?:|pythonhosted\.org""",
)
LONGEST_FILE = 400
LISTS = {
    Path("whatsnext_core/src/whatsnext_core/storage/protocol.py"),
    Path("plugins/storage_sql/src/whatsnext_storage_sql/migrations/versions/v0001_first.py"),
}
"""One contract and one schema: each is read as a list from top to bottom, however long it grows."""


def misplaced(names: Iterable[str]) -> set[str]:
    """The names that do not belong at the top of the repository."""
    return {name for name in names if name not in TOP and not name.startswith(".")}


def private_paths(text: str) -> list[str]:
    """The lines that hold a path which only this machine has."""
    places = [f"{place}/" for place in (ROOT, Path.home()) if place != Path(place.anchor)]
    return [line for line in text.splitlines() if any(place in line for place in places)]


def logic_in_init(source: str) -> list[str]:
    """The statements of an `__init__.py` that are neither docstring, re-export, `__all__` nor a lazy re-export."""
    odd = []
    for number, node in enumerate(ast.parse(source).body):
        match node:
            case ast.Expr(value=ast.Constant(value=str())) if number == 0:
                continue
            case ast.Import() | ast.ImportFrom():
                continue
            case (
                ast.Assign(targets=[ast.Name(id="__all__" | "__version__")]) | ast.If(test=ast.Name(id="TYPE_CHECKING"))
            ):
                continue
            case ast.Assign(targets=[ast.Name(id="__getattr__")], value=ast.Call(func=ast.Name(id="lazy_exports"))):
                continue
            case ast.FunctionDef(name="__getattr__" | "__dir__"):
                continue
            case _:
                odd.append(ast.unparse(node).splitlines()[0])
    return odd


def text_of(path: Path) -> str:
    return (ROOT / path).read_text(errors="replace")


def test_the_top_of_the_repository_stays_tidy() -> None:
    assert misplaced(path.parts[0] for path in tracked_files()) == set()


def test_no_lock_file_is_tracked() -> None:
    assert [path for path in tracked_files() if LOCK_FILES.fullmatch(path.name)] == []


def test_no_tracked_file_says_where_packages_are_downloaded_from() -> None:
    assert [path for path in tracked_files() if REGISTRY.search(text_of(path))] == []


def test_no_tracked_file_holds_a_path_of_this_machine() -> None:
    assert {path: lines for path in tracked_files() if (lines := private_paths(text_of(path)))} == {}


def test_no_source_file_is_longer_than_one_noun_needs() -> None:
    sources = [path for path in tracked_files() if path.suffix == ".py" and path not in LISTS]
    lengths = {path: len(text_of(path).splitlines()) for path in sources}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_packages_of_the_distributions_hold_no_logic_in_init() -> None:
    files = [file for each in distributions().values() for file in each.source.rglob("__init__.py")]
    assert {str(file.relative_to(ROOT)): odd for file in files if (odd := logic_in_init(file.read_text()))} == {}


def test_whatsnext_and_its_api_stay_namespaces() -> None:
    inits = {path for path in tracked_files() if path.name == "__init__.py"}
    assert [
        path for path in inits if path.parts[-2:-1] == ("whatsnext",) or path.parts[-3:-1] == ("whatsnext", "api")
    ] == []


@pytest.mark.parametrize("name", ["constraints.txt", "uv.lock", "scratch", "setup.py"])
def test_something_else_at_the_top_is_found(name: str) -> None:
    assert misplaced([name, "docs", ".gitignore"]) == {name}


@pytest.mark.parametrize("setting", ["index-url = ", '"registry": "', "extra-index-url="])
def test_a_download_address_is_found(setting: str) -> None:
    assert REGISTRY.search(f"{setting}https://example.org/simple")


def test_a_path_of_this_machine_is_found() -> None:
    assert private_paths(f"fine\nopen('{ROOT}/x')\n{ROOT.name}/x") == [f"open('{ROOT}/x')"]


def test_logic_in_init_is_found() -> None:
    source = '"""Doc."""\nfrom os import path\n__all__ = ["path"]\nif path:\n    print(1)\ncache = {}\n'
    assert logic_in_init(source) == ["if path:", "cache = {}"]
