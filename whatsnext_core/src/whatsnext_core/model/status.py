"""The statuses of jobs, attempts and projects, and the causes of failures."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Self

from whatsnext_core.errors import InvalidError
from whatsnext_core.model.limits import shorten


class ReadInAnyCase(StrEnum):
    """An enumeration whose values are written in one case and read in any."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the member that ``text`` names, in any case.

        Raises:
            InvalidError: no member has this name; the message lists those there are.
        """
        for member in cls:
            if member.value.casefold() == text.casefold():
                return member
        expected = ", ".join(member.value for member in cls)
        raise InvalidError(f"{shorten(text)} is not a {cls.noun()}; use one of {expected}.")

    @classmethod
    def noun(cls) -> str:
        """Return what a member is called in a sentence: the name of the class as words."""
        return re.sub(r"(?<!^)(?=[A-Z])", " ", cls.__name__).lower()


class JobStatus(ReadInAnyCase):
    """Where a job stands between its submission and its end."""

    PENDING = "PENDING"
    """Waits for its dependencies, its back-off, or a client that fits."""
    QUEUED = "QUEUED"
    """A client has claimed it and has not yet reported that it runs."""
    RUNNING = "RUNNING"
    """Its command runs on an engine."""
    COMPLETED = "COMPLETED"
    """Its command succeeded."""
    FAILED = "FAILED"
    """Its command failed and no retry is left."""
    CANCELLED = "CANCELLED"
    """A person cancelled it, and it is confirmed that it does not run."""
    BLOCKED = "BLOCKED"
    """A dependency ended in such a way that the job can never run."""

    @property
    def is_final(self) -> bool:
        """Whether the job has ended and only a person can bring it back."""
        return self in FINAL_STATUSES

    @property
    def is_live(self) -> bool:
        """Whether a client holds the job."""
        return self in LIVE_STATUSES

    @property
    def is_waiting(self) -> bool:
        """Whether the job is neither held by a client nor ended."""
        return self in WAITING_STATUSES


FINAL_STATUSES = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
LIVE_STATUSES = frozenset({JobStatus.QUEUED, JobStatus.RUNNING})
WAITING_STATUSES = frozenset({JobStatus.PENDING, JobStatus.BLOCKED})


class AttemptStatus(ReadInAnyCase):
    """Where one execution of a job stands."""

    CLAIMED = "CLAIMED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    LOST = "LOST"
    """Its lease lapsed, or its job was taken from it; what it reports later changes nothing."""

    @property
    def is_live(self) -> bool:
        """Whether the attempt still holds its job."""
        return self in (AttemptStatus.CLAIMED, AttemptStatus.RUNNING)


class Cause(ReadInAnyCase):
    """Why an attempt did not succeed."""

    EXIT = "exit"
    """The command ended with an exit code other than 0, or by a signal."""
    TIMEOUT = "timeout"
    """The task's or job's own time limit passed."""
    OOM = "oom"
    """The engine killed it for its use of memory."""
    LOST = "lost"
    """The client, its machine or its node went away."""
    PREEMPTED = "preempted"
    """The engine took the resources back for somebody else."""
    WALLTIME = "walltime"
    """The time limit of the engine's own allocation passed."""
    CANCELLED = "cancelled"
    """It was cancelled: by a person here, or on the engine."""
    FORMAT_ERROR = "format-error"
    """No command could be made of the task and the parameters."""
    PROMISED = "promised"
    """The job itself declared that it failed."""
    ENGINE = "engine"
    """The engine refused the job or could not start it."""


class Condition(ReadInAnyCase):
    """What a dependency must do for the job behind it to run."""

    SUCCESS = "success"
    FINISHED = "finished"
    """Ended in any way."""
    FAILURE = "failure"

    @classmethod
    def noun(cls) -> str:
        """Return what a member is called in a sentence."""
        return "dependency condition"


class ProjectStatus(ReadInAnyCase):
    """Whether a project is in use."""

    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"
