"""What the exit code of a process means."""

from __future__ import annotations

import os
from pathlib import Path
from signal import Signals
from typing import Final

from whatsnext_core.formatting.contract import Execution, ExecutionState
from whatsnext_core.model.status import Cause

SIGKILL: Final = 9
"""The number of that signal, also where it does not exist."""
TAIL: Final = 4096
"""Bytes at the end of the standard error in which its last line is looked for."""
LONGEST_LINE: Final = 500
"""Characters of that line in a message."""


def describe_end(
    code: int,
    stderr: Path,
    *,
    out_of_memory: bool = False,
    peak_memory: int | None = None,
    cpu_seconds: float | None = None,
    duration: float | None = None,
) -> Execution:
    """Return how a process stands that ended with this exit code; negative for a signal.

    The message ends with the last line of its standard error, which says most often what went wrong.
    """
    message = ""
    if code:
        last = last_line(stderr)
        words = "Killed for lack of memory" if out_of_memory else _words(code)
        message = f"{words}: {last}" if last else words
    return Execution(
        state=ExecutionState.ENDED,
        succeeded=code == 0,
        exit_code=code,
        cause=None if code == 0 else Cause.OOM if out_of_memory else Cause.EXIT,
        message=message,
        peak_memory=peak_memory,
        cpu_seconds=cpu_seconds,
        duration=duration,
    )


def was_killed(code: int) -> bool:
    """Return whether this is the exit code of a process, or of a shell's last command, that was ended by SIGKILL."""
    return code in (-SIGKILL, 128 + SIGKILL)


def last_line(file: Path) -> str:
    """Return the last line of a file that is not blank, without control characters; "" if there is none."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - TAIL))
            tail = stream.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [printable for line in tail.splitlines() if (printable := "".join(filter(str.isprintable, line)).strip())]
    return lines[-1][:LONGEST_LINE] if lines else ""


class MemoryWatch:
    """Notices that the kernel killed processes of this machine for lack of memory, where it keeps count of them."""

    def __init__(self, counters: Path = Path("/proc/vmstat")) -> None:
        self._counters = counters
        self._seen = self._kills()

    def struck(self) -> bool:
        """Return whether processes were killed since the last call."""
        before, self._seen = self._seen, self._kills()
        return self._seen > before

    def _kills(self) -> int:
        try:
            lines = self._counters.read_text(encoding="ascii").splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def _words(code: int) -> str:
    number = -code if code < 0 else code - 128
    name = Signals(number).name if number in set(Signals) else ""
    if code < 0:
        return f"Ended by signal {number}" + (f" ({name})" if name else "")
    return f"Exit code {code}" + (f" (128 + {number}, {name})" if name else "")
