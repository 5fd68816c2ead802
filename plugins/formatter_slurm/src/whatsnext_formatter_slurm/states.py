"""What Slurm and the batch script say of a job, and what that means; pure but for reading the job's error output."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from attrs import frozen

from whatsnext_core.formatting import Execution, ExecutionState
from whatsnext_core.model import Cause

WAITING: Final = frozenset(
    {"CONFIGURING", "PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
)
RUNNING: Final = frozenset({"COMPLETING", "RESIZING", "RUNNING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED"})
ENDED: Final = {
    "BOOT_FAIL": (Cause.LOST, "Its node did not boot"),
    "CANCELLED": (Cause.CANCELLED, "It was cancelled on Slurm"),
    "DEADLINE": (Cause.WALLTIME, "Slurm ended it at its deadline"),
    "LAUNCH_FAILED": (Cause.ENGINE, "Slurm could not launch it"),
    "NODE_FAIL": (Cause.LOST, "Its node failed"),
    "OUT_OF_MEMORY": (Cause.OOM, "Slurm ended it for its use of memory"),
    "PREEMPTED": (Cause.PREEMPTED, "Slurm gave its resources to another job"),
    "RECONFIG_FAIL": (Cause.LOST, "Its node could not be configured"),
    "REVOKED": (Cause.LOST, "Slurm gave it to another cluster"),
    "TIMEOUT": (Cause.WALLTIME, "Slurm ended it at its time limit"),
}
"""The states in which a job ended, other than by its own exit code."""
MEMORY: Final = re.compile(r"^slurmstepd.*(memory limit|oom[-_ ]kill|out of memory)", re.IGNORECASE | re.MULTILINE)
"""How Slurm's own lines in the error output tell that a job used too much memory."""
KILLED: Final = -9
NO_OUTPUT: Final = -53
"""How a job ends whose output files cannot be opened on its node."""
TAIL: Final = 4096


@frozen(kw_only=True)
class Seen:
    """What Slurm says of a job."""

    state: str
    """Its state, in capital letters."""
    code: int | None = None
    """Its exit code, negative for a signal; None if Slurm doesn't tell."""
    reason: str = ""
    """Why it waits, or why it failed, in Slurm's words."""
    start: str = ""
    """When it started, or when Slurm expects it to start, in the cluster's time; empty if Slurm doesn't tell."""

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.state in ENDED or self.state in {"COMPLETED", "FAILED"}


@frozen(kw_only=True)
class Record:
    """What the batch script wrote when the command had ended."""

    code: int
    """The command's exit code, as a shell gives it."""
    cpu_seconds: float | None = None
    """CPU time of the command."""


def read_record(file: Path) -> Record | None:
    """Return what the batch script wrote, or None if it has not, or what it wrote is cut off."""
    try:
        lines = file.read_text("ascii").splitlines()
        return Record(code=int(lines[0]), cpu_seconds=_children_seconds(lines[1:]))
    except (OSError, ValueError, IndexError):
        return None


def judge(seen: Seen, record: Record | None, stderr: Path) -> Execution:
    """Return how a job stands that Slurm still knows."""
    if seen.state in WAITING:
        return Execution(state=ExecutionState.WAITING, message=_waits(seen))
    if seen.state in RUNNING:
        return Execution(state=ExecutionState.RUNNING)
    if seen.state in ENDED:
        cause, words = ENDED[seen.state]
        return failure(cause, words, record.code if record else seen.code or None, record, stderr)
    if seen.state not in {"COMPLETED", "FAILED"}:
        return Execution(state=ExecutionState.UNKNOWN, message=f"Slurm calls its state {seen.state}.")
    code = record.code if record else seen.code
    if seen.state == "COMPLETED":
        return ended(0, record, stderr)
    if code == NO_OUTPUT:
        words = (
            f"Its node could not open its output, {stderr}; the directory of the worker's state must be on a file "
            f"system that the nodes share"
        )
        return failure(Cause.ENGINE, words, None, record, stderr)
    return ended(code, record, stderr, words=seen.reason)


def _waits(seen: Seen) -> str:
    """What Slurm says of a job in its queue; empty if it says nothing."""
    parts = [seen.reason] if seen.reason else []
    parts += [f"expected start {seen.start}"] if seen.start else []
    return f"waits in Slurm: {', '.join(parts)}" if parts else ""


def ended(code: int | None, record: Record | None, stderr: Path, words: str = "") -> Execution:
    """Return how a job stands that ended with this exit code; None for a failure without one."""
    if code == 0:
        return Execution(
            state=ExecutionState.ENDED, succeeded=True, exit_code=0, cpu_seconds=record.cpu_seconds if record else None
        )
    if (code is None or code in (KILLED, 128 - KILLED)) and MEMORY.search(_tail(stderr)):
        return failure(Cause.OOM, "Slurm ended it for its use of memory", code, record, stderr)
    if code is None:
        said = f"Slurm says {words}" if words else "It failed without an exit code"
    else:
        said = f"Ended by signal {-code}" if code < 0 else f"Exit code {code}"
    return failure(Cause.EXIT, said, code, record, stderr)


def failure(cause: Cause, words: str, code: int | None, record: Record | None, stderr: Path) -> Execution:
    """Return how a job stands that failed; the message ends with the last line of its error output."""
    lines = [line.strip() for line in _tail(stderr).splitlines() if line.strip()]
    return Execution(
        state=ExecutionState.ENDED,
        exit_code=code,
        cause=cause,
        message=f"{words}: {lines[-1]}" if lines else f"{words}.",
        cpu_seconds=record.cpu_seconds if record else None,
    )


def _tail(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - TAIL))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    return "".join(character for character in text if character.isprintable() or character == "\n")


def _children_seconds(lines: list[str]) -> float | None:
    """The CPU time of the shell's children, from the second line that ``times`` printed: ``0m0.070s 0m0.010s``."""
    found = re.fullmatch(r"(\d+)m([\d.]+)s (\d+)m([\d.]+)s", lines[1]) if len(lines) > 1 else None
    if found is None:
        return None
    minutes = int(found[1]) + int(found[3])
    return minutes * 60 + float(found[2]) + float(found[4])
