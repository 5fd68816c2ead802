"""The errors of WhatsNext, under one base.

Every message says what failed, whose value it was, what was expected and what to do next; it is written for the person
who reads it on a terminal, and goes to them unchanged through REST, the client library and the command line.
"""

from __future__ import annotations


class WhatsNextError(Exception):
    """Something WhatsNext was asked for did not happen."""


class InvalidError(WhatsNextError):
    """A value breaks a rule; nothing was written."""


class TooLargeError(InvalidError):
    """A value is larger than the limit for it; nothing was written."""


class NotFoundError(WhatsNextError):
    """The thing that was named does not exist."""


class ConflictError(WhatsNextError):
    """The request is well-formed, but the present state forbids it; nothing was written."""


class DuplicateError(ConflictError):
    """A thing of that name exists already."""


class IllegalTransitionError(ConflictError):
    """A job cannot go from its status to the one asked for."""


class CycleError(ConflictError):
    """The dependencies would wait for each other in a circle."""


class StaleFenceError(ConflictError):
    """The attempt that speaks is no longer the one that holds the job."""


class OffsetError(ConflictError):
    """Bytes were sent for a place beyond the end of what is there."""

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message)
        self.size = size
        """How much is there: the offset at which to go on."""


class LogOffsetError(OffsetError):
    """Bytes of a log were sent for a place beyond its end."""


class TemplateError(InvalidError):
    """A command template and the parameters of a job do not fit together."""


class ConfigurationError(WhatsNextError):
    """A setting is missing, unknown or malformed."""


class PluginError(WhatsNextError):
    """A plugin is missing, broken, or clashes with another one."""


class StorageError(WhatsNextError):
    """The database cannot be opened, read or written."""


class UnreachableStorageError(StorageError):
    """The database cannot be reached, or admits nobody yet; opening it again later may succeed."""


class TransientStorageError(StorageError):
    """A transaction met another one and was undone as a whole; running all of it again is safe and may succeed."""


class UncertainStorageError(StorageError):
    """The database went away while it committed: whether it kept what was written is unknown."""


class EngineError(WhatsNextError):
    """An execution engine (a process, Slurm, a container runtime) refused or failed an operation."""
