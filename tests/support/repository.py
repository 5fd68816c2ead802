"""What this repository holds: its files, and the distributions that it builds."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Self

from attrs import frozen

__all__ = ["ROOT", "Distribution", "distributions", "tool_settings", "tracked_files"]

ROOT = Path(__file__).parents[2]


def normalized(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@frozen(kw_only=True)
class Distribution:
    """One distribution of this repository, as its pyproject.toml describes it."""

    name: str
    """The name that pip installs it by."""
    folder: Path
    """Where its pyproject.toml lies."""
    project: dict[str, Any]
    """The table `[project]`."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The distribution in a folder."""
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        return cls(name=project["name"], folder=folder, project=project)

    @property
    def source(self) -> Path:
        """The folder that its packages lie in."""
        return self.folder / "src"

    @property
    def packages(self) -> list[str]:
        """Its outermost packages that have an `__init__.py`, dotted: namespaces are left out."""
        found: list[str] = []
        for init in sorted(self.source.rglob("__init__.py"), key=lambda path: len(path.parts)):
            package = ".".join(init.parent.relative_to(self.source).parts)
            if not any(package.startswith(f"{outer}.") for outer in found):
                found.append(package)
        return sorted(found)

    def requirements(self, *, extras: bool = False) -> set[str]:
        """The normalized names of what it depends on."""
        lines: list[str] = list(self.project.get("dependencies", []))
        if extras:
            lines += [line for group in self.project.get("optional-dependencies", {}).values() for line in group]
        names = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines)
        return {normalized(name.group()) for name in names if name}


def distributions() -> dict[str, Distribution]:
    """Every distribution of this repository by name."""
    files = [*ROOT.glob("whatsnext_*/pyproject.toml"), *ROOT.glob("plugins/*/pyproject.toml")]
    found = [Distribution.read(file.parent) for file in sorted(files)]
    return {each.name: each for each in found}


def tool_settings() -> dict[str, Any]:
    """The table `[tool]` of the pyproject.toml of the whole tree."""
    tool: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    return tool


def tracked_files() -> list[Path]:
    """Every file that git tracks and that is still here, relative to the repository."""
    argv = ["git", "ls-files", "-z"]
    listing = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listing.split("\0") if name and (ROOT / (path := Path(name))).is_file()]
