"""The C compiler of this machine, for libraries that a test replaces."""

import subprocess
from pathlib import Path

from tests.components.requirements import UnavailableError
from tests.support import find_program

__all__ = ["Compiler", "found_compiler"]

REMEDY = "Install one (Debian: apt-get install gcc libc6-dev)."


class Compiler:
    """Makes shared libraries."""

    def __init__(self, program: str) -> None:
        self._program = program

    def make_library(self, source: Path, library: Path) -> None:
        """Compiles one file; a warning is an error. A process that has loaded it finds it again by its bare name."""
        named = f"-Wl,-soname,{library.name}"
        argv = [self._program, "-Wall", "-Werror", "-shared", "-fPIC", named, "-o", str(library), str(source)]
        subprocess.run(argv, check=True, timeout=60)


def found_compiler() -> Compiler:
    """The compiler that works here."""
    program = find_program("cc") or find_program("gcc")
    if program is None:
        raise UnavailableError("compiler", "there is no cc here.", REMEDY)
    probe = subprocess.run(
        [program, "-E", "-"], input="#include <stdio.h>\n", capture_output=True, text=True, check=False
    )
    if probe.returncode != 0:
        raise UnavailableError("compiler", f"it finds no C library: {probe.stderr.strip()}", REMEDY)
    return Compiler(program)
