"""What a worker remembers of an attempt: in memory while it holds it, on disk so that a restart loses nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from attrs import define, field, fields, frozen

from whatsnext_core.converters import from_json, ignoring_extra_keys, json_bytes, to_json
from whatsnext_core.formatting.environment import ARTIFACTS, RESULT, VERDICT
from whatsnext_core.model import (
    Allocation,
    Assignment,
    AttemptEnd,
    AttemptNote,
    AttemptRef,
    AttemptStart,
    Cause,
    LogPiece,
)

NAMED_EVERY: Final = 1.0
"""Seconds after which an attempt is named anew in a request that is answered at once; while jobs are short there are
ten of them in a second, and hundreds of attempts."""


class Stage(Enum):
    """How far an attempt has come on this worker."""

    WAITING = "waiting"
    """Claimed, and not started: there is no room yet."""
    STARTED = "started"
    """Handed to the engine, and not ended."""
    ENDED = "ended"
    """It has ended, and its output is still on the way to the server."""
    REPORTABLE = "reportable"
    """Its end can be sent."""
    SENDING = "sending"
    """Its end is being sent."""


@frozen(kw_only=True)
class Record:
    """What is kept on disk of an attempt from its start until the server has confirmed its end."""

    job_id: int
    """The job."""
    fence: int
    """The attempt's fence."""
    name: str
    """Name of the job."""
    formatter: str
    """The formatter that started it: only one of the same kind understands the handle."""
    allocation: Allocation
    """What it was given of the client."""
    signal: str
    """The signal that asks it to end."""
    grace: float
    """Seconds between that signal and SIGKILL."""
    timeout: float | None = None
    """Seconds that it may run."""
    started_at: float
    """When it began to run, by the clock of this machine, in seconds since 1970; 0 if the engine has it wait."""
    handle: Mapping[str, Any] | None = None
    """What finds it again on its engine; None if it never got there."""
    logs: Mapping[str, str]
    """For each stream, the file with its output."""
    directory: str | None = None
    """Its scratch directory, in which it may leave a result, a verdict and artifacts; None if it never got there."""
    cpu_ids: tuple[int, ...] = ()
    """The CPUs that it is pinned to."""
    in_turn: bool = False
    """Whether it was handed to the engine to be started when its turn has come; it may never have begun."""
    stopping: Cause | None = None
    """Why this worker began to end it, if it did."""
    end: AttemptEnd | None = None
    """How it ended, if it did."""
    confirmed: bool = False
    """Whether the server has taken in the end, and only output is left to send."""

    @property
    def key(self) -> str:
        """Its name among the attempts of the server."""
        return f"{self.job_id}-{self.fence}"

    def to_bytes(self) -> bytes:
        """Return the record as it is written to disk, without what is None."""
        plain = {name: value for name, value in zip(_NAMES, _values(self), strict=True) if value is not None}
        plain["allocation"] = _allocation(self.allocation)
        if self.handle is not None and not self.in_turn:
            plain["handle"] = to_json(self.handle)  # a stranger's may hold anything
        if self.end is not None:
            plain["end"] = written_end(self.end)
        return json_bytes(plain)

    @classmethod
    def from_bytes(cls, data: bytes) -> Record:
        """Return the record that was written; InvalidError if it is none."""
        return from_json(json.loads(data), cls, what="record of an attempt", converter=_CONVERTER)


_CONVERTER: Final = ignoring_extra_keys(Record)
_NAMES: Final = tuple(field.name for field in fields(Record))
_values: Final = attrgetter(*_NAMES)


def written_end(end: AttemptEnd) -> Mapping[str, Any]:
    """Return how an attempt ended as it is written to disk."""
    return {name: value for name, value in to_json(end).items() if value is not None}


@lru_cache(maxsize=64)
def _allocation(allocation: Allocation) -> Any:
    """Return an allocation as it is written; jobs that follow each other are given alike."""
    return to_json(allocation)


@define(kw_only=True, eq=False)
class Held:
    """An attempt that this worker holds."""

    job_id: int
    """The job."""
    fence: int
    """The attempt's fence."""
    name: str
    """Name of the job."""
    allocation: Allocation
    """What it was given of the client."""
    signal: str
    """The signal that asks it to end."""
    grace: float
    """Seconds between that signal and SIGKILL."""
    timeout: float | None
    """Seconds that it may run."""
    assignment: Assignment | None = None
    """All of the job and its task; None for an adopted attempt."""
    stage: Stage = Stage.WAITING
    """How far it has come."""
    handle: Mapping[str, Any] | None = None
    """What finds it again on its engine."""
    running: bool = False
    """Whether it runs, rather than wait in the engine's queue."""
    waited: bool = False
    """Whether it waited in the engine's queue, as far as is known, before it ran."""
    told: bool = False
    """Whether the server knows that it runs."""
    note: str | None = None
    """What the engine says while it waits there; None if it said nothing so far."""
    note_told: str | None = None
    """What the server knows of that."""
    since: float = 0.0
    """When it came into its present stage, by the monotonic clock."""
    started: float | None = None
    """When it began to run, or was handed to the engine if that is not known yet, by the monotonic clock."""
    started_at: float = 0.0
    """The same by the clock of this machine, in seconds since 1970."""
    lease_until: float = 0.0
    """Until when the server surely keeps it for this worker, by the monotonic clock."""
    stopping: Cause | None = None
    """Why this worker began to end it."""
    kill_at: float | None = None
    """When to use force, should the engine not have done so."""
    muted: bool = False
    """Whether it belongs to somebody else by now, so that nothing is reported."""
    logs: dict[str, Path] = field(factory=dict)
    """For each stream, the file with its output."""
    directory: Path | None = None
    """Its scratch directory; None if it never got there."""
    cpu_ids: tuple[int, ...] = ()
    """The CPUs that it is pinned to; empty for any."""
    left_nothing: bool = False
    """Whether it surely left neither a result nor a verdict nor artifacts."""
    logs_done: bool = True
    """Whether all its output is with the server."""
    artifacts_done: bool = True
    """Whether all its files are."""
    end: AttemptEnd | None = None
    """How it ended."""
    output: tuple[LogPiece, ...] = ()
    """The last of its output, if that is little and goes to the server with the end."""
    stripped: bool = False
    """Whether the server refused its end once, so that it is sent without result, words and output."""
    confirmed: bool = False
    """Whether the server has taken in the end."""
    on_disk: bool = False
    """Whether there is a record of it."""
    adopted: bool = False
    """Whether an earlier process of this worker started it."""
    in_turn: bool = False
    """Whether it was handed to the engine to be started when its turn has come."""
    leaving: bool = False
    """Whether it is ended because the machine is taken away."""
    key: str = field(init=False)
    """Its name among the attempts of the server."""

    @key.default
    def _key(self) -> str:
        return f"{self.job_id}-{self.fence}"

    @property
    def result_file(self) -> Path | None:
        """The file in which it may leave its result."""
        return None if self.directory is None else self.directory / RESULT

    @property
    def verdict_file(self) -> Path | None:
        """The file in which it may say that it has failed."""
        return None if self.directory is None else self.directory / VERDICT

    @property
    def artifacts(self) -> Path | None:
        """The folder in which it may leave files."""
        return None if self.directory is None else self.directory / ARTIFACTS

    @property
    def start(self) -> AttemptStart:
        """The report that it runs; InvalidError if its handle is not what a server takes."""
        return AttemptStart(job_id=self.job_id, fence=self.fence, handle=self.handle)

    @property
    def longest(self) -> float | None:
        """Seconds that it may take, its grace included; None if nothing limits it."""
        return None if self.timeout is None else self.timeout + self.grace

    @classmethod
    def from_assignment(cls, assignment: Assignment, now: float) -> Held:
        """Return the attempt that the server has just given to this worker."""
        job, task = assignment.job, assignment.task
        return cls(
            job_id=job.id,
            fence=assignment.fence,
            name=job.name,
            allocation=assignment.allocation,
            signal=task.signal,
            grace=task.grace,
            timeout=job.timeout if job.timeout is not None else task.timeout,
            assignment=assignment,
            since=now,
        )

    @classmethod
    def from_record(cls, record: Record, now: float, clock: float) -> Held:
        """Return the attempt that an earlier process of this worker left."""
        return cls(
            job_id=record.job_id,
            fence=record.fence,
            name=record.name,
            allocation=record.allocation,
            signal=record.signal,
            grace=record.grace,
            timeout=record.timeout,
            stage=Stage.STARTED,
            handle=record.handle,
            running=record.started_at > 0 and not record.in_turn,
            told=True,
            since=now,
            started=now - max(0.0, clock - record.started_at) if record.started_at else None,
            started_at=record.started_at,
            stopping=record.stopping,
            logs={stream: Path(path) for stream, path in record.logs.items()},
            logs_done=False,
            end=record.end,
            directory=None if record.directory is None else Path(record.directory),
            cpu_ids=record.cpu_ids,
            in_turn=record.in_turn,
            confirmed=record.confirmed,
            on_disk=True,
            adopted=True,
        )

    @property
    def ref(self) -> AttemptRef:
        """Its name in a message."""
        return AttemptRef(job_id=self.job_id, fence=self.fence)

    @property
    def devices(self) -> frozenset[str]:
        """The ids of the devices that it was given."""
        return frozenset(self.allocation.device_ids)

    @property
    def waiting(self) -> AttemptNote:
        """Its name in the list of those that do not run yet, with what is new about that."""
        note = self.note if self.note != self.note_told else None
        return AttemptNote(job_id=self.job_id, fence=self.fence, message=note)

    @property
    def is_delivered(self) -> bool:
        """Whether the server has all that it left."""
        return self.logs_done and self.artifacts_done

    @property
    def is_live(self) -> bool:
        """Whether it uses what it was given."""
        return self.stage in (Stage.WAITING, Stage.STARTED)

    def is_due(self, now: float, lease: float) -> bool:
        """Whether the server is to hear of it even in a request that is answered at once: there is news, or it is time.

        One that is being ended always is, so that its order is repeated and not taken for a new one. Held requests name
        all. ``now`` is by the monotonic clock, ``lease`` how many seconds one lasts.
        """
        confirmed = self.lease_until - lease
        news = (self.running and not self.told) or self.note != self.note_told or self.stopping is not None
        return news or now - confirmed >= min(NAMED_EVERY, lease / 8)

    @property
    def is_early(self) -> bool:
        """Whether its turn to be started may not have come, as far as is known."""
        return self.in_turn and not self.running and self.stopping is None

    @property
    def deadline(self) -> float | None:
        """When it must be ended, by the monotonic clock; None if it may go on, or is being ended already."""
        if self.started is None or self.timeout is None or self.stopping is not None or not self.running:
            return None
        return self.started + self.timeout

    def record(self, formatter: str) -> Record:
        """Return what is kept of it on disk."""
        return Record(
            job_id=self.job_id,
            fence=self.fence,
            name=self.name,
            formatter=formatter,
            allocation=self.allocation,
            signal=self.signal,
            grace=self.grace,
            timeout=self.timeout,
            started_at=self.started_at if self.running or not self.waited else 0.0,
            handle=self.handle,
            logs={stream: str(path) for stream, path in self.logs.items()},
            directory=None if self.directory is None else str(self.directory),
            cpu_ids=self.cpu_ids,
            in_turn=self.in_turn,
            stopping=self.stopping,
            end=self.end,
            confirmed=self.confirmed,
        )

    def __str__(self) -> str:
        return f"job {self.job_id} ({self.name}), attempt {self.fence}"
