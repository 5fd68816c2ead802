"""A virtual environment that a test made."""

import os
import subprocess
from pathlib import Path

from attrs import frozen

__all__ = ["Environment"]


@frozen(kw_only=True)
class Environment:
    """A virtual environment without pip."""

    folder: Path
    """Where it lies."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.program("python")

    def program(self, name: str) -> Path:
        """The path of a program in it."""
        return self.folder / "bin" / name

    def variables(self) -> dict[str, str]:
        """An environment for its processes that leads to no other Python code and to no settings of ours."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "WHATSNEXT_"))}
        return {**kept, "HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder / "data")}

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs one of its programs in its own folder; a failure says what the program printed."""
        done = subprocess.run(
            [str(self.program(argv[0])), *argv[1:]],
            cwd=self.folder,
            env=self.variables(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert not check or done.returncode == 0, f"{' '.join(argv)}: {done.stderr or done.stdout}"
        return done

    def installed(self) -> set[str]:
        """The normalized names of the distributions in it."""
        code = "from importlib.metadata import distributions\nfor d in distributions(): print(d.name)"
        names = self.run("python", "-c", code).stdout.split()
        return {name.lower().replace("_", "-").replace(".", "-") for name in names}

    def has_module(self, name: str) -> bool:
        """Whether an import of the module would find something."""
        code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)"
        return self.run("python", "-c", code, check=False).returncode == 0
