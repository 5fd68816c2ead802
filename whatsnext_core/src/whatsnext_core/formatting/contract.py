"""The contract between a client and the engine that runs its jobs.

A local process, a Slurm job, a container and a pod share this shape: what is to be run is prepared purely, then
started; the start returns a small JSON handle, by which it is polled, cancelled, adopted after a restart, and its
output found.
Subclass ``Formatter`` for the defaults; whatever meets ``Engine`` is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from attrs import field, frozen

from whatsnext_core.model.client import Allocation
from whatsnext_core.model.job import Job
from whatsnext_core.model.status import Cause
from whatsnext_core.model.task import Task

Handle: TypeAlias = Mapping[str, Any]
"""JSON that finds an execution again on its engine, also from another process: pid and start time, Slurm id, ..."""


@frozen(kw_only=True)
class JobContext:
    """A claimed job and where it shall run."""

    job: Job
    """The job."""
    task: Task
    """Its task."""
    fence: int
    """The number of this attempt."""
    allocation: Allocation
    """The CPUs and devices that it was given."""
    directory: Path
    """Scratch directory of this attempt; exists, and is empty but for the folder of its artifacts."""
    server: str = ""
    """URL of the server, for jobs that talk to it."""
    client_id: str = ""
    """The client that runs it."""
    cpu_ids: tuple[int, ...] = ()
    """The CPUs that are its own, by number, if the client pins jobs; empty for any."""
    devices_dealt_out: bool = False
    """Whether the client has accelerators to deal out: a job that was given none then sees none."""

    @property
    def key(self) -> str:
        """A name of this attempt that is unique on the server: ``17-2`` for the second attempt of job 17."""
        return f"{self.job.id}-{self.fence}"


@frozen(kw_only=True)
class Invocation:
    """What shall be run; made without looking at or changing anything outside."""

    key: str
    """The name of the attempt, unique on the server; engines label what they start with it."""
    argv: tuple[str, ...]
    """The program and its arguments; never a line for a shell."""
    env: Mapping[str, str] = field(factory=dict)
    """Environment variables, added to those of the client."""
    cwd: Path | None = field(default=None)
    """Working directory; None for the client's."""
    stdin: bytes = field(default=b"")
    """What the program reads; empty for nothing."""
    files: Mapping[Path, bytes] = field(factory=dict)
    """Files to write before the start, by absolute path; parents exist."""
    stdout: Path
    """File that takes its standard output."""
    stderr: Path
    """File that takes its standard error."""
    cpu_ids: tuple[int, ...] = ()
    """The CPUs that it may run on, by number; empty for any."""
    options: Mapping[str, Any] = field(factory=dict)
    """What else the formatter's own ``start`` needs."""


class ExecutionState(StrEnum):
    """What an engine says of something it was given."""

    WAITING = "waiting"
    """Accepted, not started: it waits in the engine's own queue."""
    RUNNING = "running"
    ENDED = "ended"
    UNKNOWN = "unknown"
    """The engine did not answer; ask again."""


@frozen(kw_only=True)
class Execution:
    """How an execution stands."""

    state: ExecutionState
    """What the engine says."""
    succeeded: bool = False
    """Whether it ended and its command succeeded."""
    exit_code: int | None = None
    """Exit code; negative for a signal; None if it has none."""
    cause: Cause | None = None
    """Why it did not succeed, if it ended so."""
    message: str = ""
    """The engine's own words: why it waits, or why it failed."""
    peak_memory: int | None = None
    """Largest resident memory in bytes."""
    cpu_seconds: float | None = None
    """CPU time in seconds."""
    duration: float | None = None
    """Seconds that it ran, if the engine has measured that: it may have waited before."""


@frozen(kw_only=True)
class LogFiles:
    """Where the output of an execution can be read by the client."""

    stdout: Path
    """File with its standard output."""
    stderr: Path
    """File with its standard error."""


def files_of(handle: Handle) -> LogFiles:
    """Return the output of an execution whose handle has the paths of the two files."""
    return LogFiles(stdout=Path(handle["stdout"]), stderr=Path(handle["stderr"]))


@runtime_checkable
class Engine(Protocol):
    """Runs jobs. Methods may be called from one thread; none of them waits for a job."""

    def prepare(self, context: JobContext) -> Invocation:
        """Return how the job is run. Pure.

        Raises:
            TemplateError: no command can be made of the task and the parameters; the job fails with ``format-error``.
        """
        ...

    def start(self, invocation: Invocation) -> Handle:
        """Start it and return its handle at once.

        An engine that learns only later that it cannot be started tells so by ``poll``.

        Raises:
            EngineError: the engine refused it; the job fails with ``engine`` and the engine's own message.
        """
        ...

    def poll(self, handles: Mapping[str, Handle]) -> Mapping[str, Execution]:
        """Return how the executions stand, by the same keys. One question to the engine for all of them."""
        ...

    def cancel(self, handle: Handle, signal: str, grace: float) -> None:
        """Begin to end it: the signal, ``grace`` seconds, then force. Returns at once; ``poll`` tells when it ended."""
        ...

    def kill(self, handle: Handle) -> None:
        """End it by force, with all that it started."""
        ...

    def logs(self, handle: Handle) -> LogFiles:
        """Return where its output is."""
        ...

    def adopt(self, handle: Handle) -> bool:
        """Return whether this handle of an earlier process can be polled: its execution runs, or its end is known."""
        ...

    def forget(self, handle: Handle) -> None:
        """Release what is kept for it on the engine; it has ended and was reported."""
        ...

    def close(self) -> None:
        """Release everything, without touching what runs."""
        ...


@runtime_checkable
class Announcer(Protocol):
    """An engine that says when it is worth polling, beside what ``Engine`` asks of it.

    Optional: a client waits on the descriptor (``select``, ``selectors``) together with its own, and so learns of an
    end at once. It polls now and then all the same, at least each second while it ends an execution.
    """

    def fileno(self) -> int | None:
        """Return a file descriptor that is readable while ``poll`` has news, if there is one.

        Ask before each wait; it may change.
        """
        ...


class Turns(Protocol):
    """An engine whose executions can follow each other without the client: one ends, and the next one begins.

    Optional, and only for executions that need the same room each: a client starts a few more than fit, and may be busy
    or asleep when one ends. Nothing is started without a client that knows of it.
    """

    def start_in_turn(self, invocation: Invocation, *, width: int, until: float) -> Handle:
        """Start it when fewer than ``width`` of those run that were started so, in their order.

        The latest ``width`` counts for all of them. One whose turn has not come ``until`` then, by the monotonic clock,
        is never started, and ``returned`` names it. It is asked for with the next ``poll``, or question for the
        descriptor: what the client writes down meanwhile is written before anything runs.

        Raises:
            EngineError: the engine refused it.
        """
        ...

    def withdraw(self, handles: Iterable[Handle]) -> None:
        """Start them no more if their turn has not come; ``returned`` names those for which that is so."""
        ...

    def returned(self) -> tuple[str, ...]:
        """Return the keys of those that ``poll`` found out to be never started, each once.

        Those of an earlier client, too, if it is certain that they never began and never will: they run elsewhere next.
        """
        ...
