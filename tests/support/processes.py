"""Processes that a test starts, and ends by their own id."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Daemon", "find_program"]

STOP_TIMEOUT = 20.0
LOG_TAIL = 4000


def find_program(name: str) -> str | None:
    """The path of a program, looked for on PATH and in the `sbin` beside each `bin` of it.

    Ordinary users have no `sbin` on their PATH, yet daemons lie there.
    """
    folders = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    beside = [folder.with_name("sbin") for folder in folders if folder.name == "bin"]
    return shutil.which(name, path=os.pathsep.join(str(folder) for folder in [*folders, *beside]))


class Daemon:
    """A process in the foreground of its own session, with all output in one log file."""

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: int | None = None,
        group: int | None = None,
    ) -> None:
        self.argv = list(argv)
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self.process.pid

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def tail(self) -> str:
        """The last lines that it wrote, for messages."""
        return self.log.read_text(errors="replace")[-LOG_TAIL:] if self.log.exists() else ""

    def stop(self, with_signal: signal.Signals = signal.SIGTERM, timeout: float = STOP_TIMEOUT) -> int:
        """Asks the process to end, kills it when it does not, and gives its exit status."""
        if self.alive():
            self.process.send_signal(with_signal)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """Ends the process as a power cut would, and gives its exit status."""
        if self.alive():
            self.process.kill()
        return self.process.wait(STOP_TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
