"""An attempt: one execution of a job by one client, under a lease and a fence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import attrs
from attrs import field, frozen
from attrs.converters import optional

from whatsnext_core.errors import InvalidError, TooLargeError
from whatsnext_core.model import limits
from whatsnext_core.model.client import Allocation
from whatsnext_core.model.job import Job
from whatsnext_core.model.status import AttemptStatus, Cause, JobStatus
from whatsnext_core.model.task import Task

STREAMS: Final = ("stdout", "stderr")
"""The streams that an attempt writes to."""
MAX_PIECE: Final = 65_536
"""Bytes of a stream that one piece has, at most."""
MAX_NOTE: Final = 1_000
"""Characters that are kept of what an engine says while an attempt waits there."""


def _cut(text: str) -> str:
    """Return what of a text from an engine can be stored."""
    if text.isascii() and len(text) <= limits.MAX_TEXT and "\0" not in text:
        return text
    return text[: limits.MAX_TEXT].replace("\0", "").encode("utf-8", "replace").decode()


def short_note(text: str) -> str:
    """Return what is kept of an engine's words on why something waits."""
    return _cut(text[:MAX_NOTE])


def _check_id(_: object, attribute: attrs.Attribute[int], value: int) -> None:
    limits.check_id(value, "job id" if attribute.name == "job_id" else attribute.name)


def _check_handle(_: object, __: object, value: Mapping[str, Any] | None) -> None:
    if value is not None:
        limits.dump_parameters(value, "handle of the attempt", limit=limits.MAX_RESULT)


@frozen(kw_only=True)
class Attempt:
    """One execution of a job. ``job_id`` and ``fence`` identify it."""

    job_id: int
    """The job."""
    fence: int
    """Grows by one with each attempt of the job; a write that carries an old one is refused."""
    status: AttemptStatus
    """Where it stands."""
    client_id: str | None
    """The client that claimed it; None for a fetch without a client."""
    session_id: str | None
    """The process of that client that claimed it; None for a fetch through the documented endpoint."""
    allocation: Allocation
    """The CPUs and devices that it was given."""
    claimed_at: datetime
    """When it was claimed, in UTC."""
    started_at: datetime | None = None
    """When it started, in UTC."""
    finished_at: datetime | None = None
    """When it ended, in UTC."""
    expires_at: datetime | None = None
    """When its lease lapses, in UTC; None for one that ended or has no lease."""
    exit_code: int | None = None
    """Exit code; negative for a signal."""
    cause: Cause | None = None
    """Why it did not succeed."""
    message: str = ""
    """The same in words; of an attempt that waits in an engine's own queue, what the engine says of that."""
    peak_memory: int | None = None
    """Largest resident memory in bytes."""
    cpu_seconds: float | None = None
    """CPU time in seconds, user and system."""
    handle: Mapping[str, Any] | None = None
    """What finds it again on its engine: pid and start time, Slurm id, container id."""
    request: int | None = None
    """The number of the sync request that claimed it, within its session."""


@frozen(kw_only=True)
class AttemptRef:
    """Names an attempt in a message."""

    job_id: int = field(validator=_check_id)
    """The job."""
    fence: int = field(validator=_check_id)
    """The attempt's fence."""


@frozen(kw_only=True)
class AttemptNote:
    """A client reports that it still holds an attempt that does not run yet, and what there is to say of that."""

    job_id: int = field(validator=_check_id)
    """The job."""
    fence: int = field(validator=_check_id)
    """The attempt's fence."""
    message: str | None = field(default=None, converter=optional(short_note))
    """Why it waits, in the words of its engine; cut to 1,000 characters. None leaves what was said before."""


@frozen(kw_only=True)
class AttemptStart:
    """A client reports that an attempt runs, and with it that it still holds it."""

    job_id: int = field(validator=_check_id)
    """The job."""
    fence: int = field(validator=_check_id)
    """The attempt's fence."""
    handle: Mapping[str, Any] | None = field(default=None, validator=_check_handle)
    """What finds it again on its engine."""


@frozen(kw_only=True)
class LogPiece:
    """A piece of what an attempt has written, small enough to travel with other things."""

    job_id: int = field(validator=_check_id)
    """The job."""
    fence: int = field(validator=_check_id)
    """The attempt's fence."""
    stream: str = field()
    """``stdout`` or ``stderr``."""
    offset: int = field()
    """Where it begins in the stream, in bytes."""
    data: bytes = field()
    """The bytes, at most 64 KiB."""

    @stream.validator
    def _check_stream(self, _: object, value: str) -> None:
        if value not in STREAMS:
            raise InvalidError(f"The stream {limits.shorten(value)} is none of {', '.join(STREAMS)}.")

    @offset.validator
    def _check_offset(self, _: object, value: int) -> None:
        limits.check_number(value, f"offset in {self.stream} of job {self.job_id}", low=0, high=limits.MAX_ID)

    @data.validator
    def _check_data(self, _: object, value: bytes) -> None:
        if len(value) > MAX_PIECE:
            raise TooLargeError(
                f"A piece of {self.stream} of job {self.job_id} has {len(value)} bytes; {MAX_PIECE} are allowed."
            )

    @property
    def end(self) -> int:
        """The size of the stream that ends with it."""
        return self.offset + len(self.data)


@frozen(kw_only=True)
class AttemptEnd:
    """A client reports how an attempt ended."""

    job_id: int
    """The job."""
    fence: int
    """The attempt's fence."""
    succeeded: bool
    """Whether the command succeeded on its engine."""
    cause: Cause | None = None
    """Why not; needed if it did not succeed."""
    exit_code: int | None = None
    """Exit code; negative for a signal."""
    message: str = field(default="", converter=_cut)
    """The same in words; cut to 65,536 characters."""
    peak_memory: int | None = None
    """Largest resident memory in bytes."""
    cpu_seconds: float | None = None
    """CPU time in seconds."""
    duration: float | None = None
    """Seconds from start to end, by the client's own monotonic clock."""
    result: Any = None
    """The small JSON value that the job returned, at most 64 KiB."""
    stop_siblings: bool = False
    """Whether the job's siblings (``dependencies.siblings``) shall be cancelled, if the job is FAILED by this."""

    def __attrs_post_init__(self) -> None:
        """Check all values in one go: a validator for each took longer than all else that is done with a report."""
        limits.check_id(self.job_id, "job id")
        limits.check_id(self.fence, "fence")
        if self.cause is None and not self.succeeded:
            raise InvalidError(
                f"The end of attempt {self.fence} of job {self.job_id} says neither success nor a cause."
            )
        if self.exit_code is not None:
            limits.check_number(self.exit_code, f"exit code of job {self.job_id}", low=-(2**31), high=2**32 - 1)
        if self.peak_memory is not None:
            what = f"peak memory of job {self.job_id}"
            limits.check_number(self.peak_memory, what, low=0, high=limits.MAX_MEMORY, unit="bytes")
        if self.cpu_seconds is not None:
            self._check_seconds("cpu_seconds", self.cpu_seconds)
        if self.duration is not None:
            self._check_seconds("duration", self.duration)
        if self.result is not None:
            limits.dump_parameters(self.result, f"result of job {self.job_id}", limit=limits.MAX_RESULT)

    def _check_seconds(self, name: str, value: float) -> None:
        what = f"{name} of job {self.job_id}"
        limits.check_number(value, what, low=0, high=limits.MAX_CPU_SECONDS, unit="seconds")


@frozen(kw_only=True)
class EndOutcome:
    """What the server made of an AttemptEnd."""

    job_id: int
    """The job."""
    fence: int
    """The attempt's fence."""
    accepted: bool
    """Whether it counted; a repeated report of a counted end is accepted again and changes nothing."""
    status: JobStatus | None = None
    """The job's status now; None if the job is gone."""
    reason: str = ""
    """Why it was not accepted."""


@frozen(kw_only=True)
class Assignment:
    """A claimed job, with all that a client needs to run it."""

    job: Job
    """The job."""
    task: Task
    """Its task."""
    fence: int
    """The new attempt's fence."""
    allocation: Allocation
    """The CPUs and devices that it was given."""
