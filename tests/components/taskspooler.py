"""A queue of task spooler of our own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.components.requirements import UnavailableError, component_folder
from tests.support import find_program

__all__ = ["TaskSpooler", "running_task_spooler"]

REMEDY = "Install it (Debian: apt-get install task-spooler)."


class TaskSpooler:
    """A queue with its socket and its files in one folder. Its server starts with the first call."""

    def __init__(self, folder: Path) -> None:
        program = find_program("tsp")
        if program is None:
            raise UnavailableError("tsp", "there is no tsp here.", REMEDY)
        self._program = program
        self._folder = folder

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use this queue."""
        return {"TS_SOCKET": f"{self._folder}/socket", "TMPDIR": str(self._folder), "TS_SLOTS": "2"}

    def run(self, *arguments: str) -> str:
        """What a call of `tsp` prints."""
        argv, env = [self._program, *arguments], {**os.environ, **self.environment}
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=60).stdout


@contextmanager
def running_task_spooler() -> Iterator[TaskSpooler]:
    """A queue that is ended and removed afterwards."""
    with component_folder("tsp") as folder:
        queue = TaskSpooler(folder)
        queue.run("-l")
        try:
            yield queue
        finally:
            queue.run("-K")
