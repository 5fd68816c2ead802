"""Finds programs, and says in a sentence why one cannot be started."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
from functools import lru_cache
from pathlib import Path

from whatsnext_core.errors import EngineError
from whatsnext_core.model.limits import shorten


def find_program(name: str, path: str, cwd: str | Path) -> str:
    """Return the file that ``name`` means: looked for on ``path``, or relative to ``cwd`` if it has a slash.

    ``python`` that is on no path means the interpreter of this process.

    Raises:
        EngineError: there is no such program, or it may not be executed.
    """
    if "/" not in name:
        found = _which(name, path, int(time.monotonic()))
        return found if found.startswith("/") else str(Path(cwd, found))
    file = Path(cwd, name)
    if not file.exists():
        raise EngineError(f"The program {shorten(name, 200)} does not exist on this client{_seen_from(name, cwd)}.")
    if file.is_dir():
        raise EngineError(f"The program {shorten(name, 200)} is a folder on this client; name a file in it.")
    if not os.access(file, os.X_OK):
        raise EngineError(
            f"The program {shorten(name, 200)} may not be executed by this client; make it executable (chmod +x), or "
            f"run it by its interpreter."
        )
    return str(file)


def check_folder(cwd: Path) -> None:
    """Refuse a working directory that is none.

    Raises:
        EngineError: it does not exist or is no folder.
    """
    if not cwd.is_dir():
        what = "is no folder" if cwd.exists() else "does not exist"
        raise EngineError(f"The working directory {str(cwd)!r} {what} on this client; create it there, or set another.")


def refusal(number: int | None, path: str, argv: tuple[str, ...]) -> EngineError:
    """Return the error for a process that the system refused to start."""
    program = shorten(argv[0], 200)
    match number:
        case errno.E2BIG:
            longest = max(len(os.fsencode(word)) for word in argv)
            return EngineError(
                f"The command of {program} is too long for this machine: {sum(map(len, argv))} characters, the longest "
                f"argument {longest} bytes. The job finds all parameters in the file that WHATSNEXT_PARAMETERS names."
            )
        case errno.ENOEXEC:
            return EngineError(
                f"The program {program} is no program that this machine can execute; a script begins with a line "
                f"like '#!/bin/sh'."
            )
        case errno.ENOENT:
            return EngineError(
                f"The program {program} could not be started: {path} does not exist, or the interpreter that its first "
                f"line names, or the folder of its output."
            )
        case None:
            return EngineError(f"The program {program} could not be started: {path}.")
        case _:
            return EngineError(f"The program {program} could not be started: {os.strerror(number)} ({path}).")


@lru_cache(maxsize=256)
def _which(name: str, path: str, second: int) -> str:  # noqa: ARG001 - found anew in each, so that it may move
    found = shutil.which(name, path=path) or (sys.executable if name == "python" else None)
    if found is None:
        raise EngineError(
            f"The program {shorten(name)} was not found on this client's PATH ({path}); install it there, or give its "
            f"full path."
        )
    return found


def _seen_from(name: str, cwd: str | Path) -> str:
    return "" if name.startswith("/") else f", seen from {str(cwd)!r}"
