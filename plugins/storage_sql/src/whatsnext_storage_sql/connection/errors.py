"""How the database's errors become the sentences of WhatsNext."""

from __future__ import annotations

from types import TracebackType

from attrs import frozen
from sqlalchemy import exc

from whatsnext_core.errors import InvalidError, StorageError, TransientStorageError


class UniquenessError(StorageError):
    """A row with this key exists already."""


TRANSIENT = frozenset({"40001", "40P01", "55P03"})
"""PostgreSQL's codes for a serialization failure, a deadlock, and a lock that was not to be had."""

GONE = ("08", "57P")
"""How PostgreSQL's codes begin for a connection that breaks, and a server that ends."""

UNIQUE_VIOLATION = "23505"


@frozen
class Translated:
    """A block that turns what the driver raises inside it into errors that name ``place``, the database."""

    place: str

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> None:
        """Raise what an error of the driver is to whoever uses the storage."""
        if error is None:
            return
        if isinstance(error, exc.DBAPIError):
            raise translate(error, self.place) from error
        if isinstance(error, exc.TimeoutError):
            raise StorageError(
                f"All connections to {self.place} are in use, and none became free in time; try again, or allow more."
            ) from error
        if isinstance(error, OverflowError | UnicodeEncodeError):
            raise InvalidError(f"A value cannot be stored in {self.place}: {error}.") from error


def translate(error: exc.DBAPIError, place: str) -> Exception:
    """Return the error that a user of the storage gets for one of the driver."""
    cause = error.orig if error.orig is not None else error
    words = " ".join(str(cause).split()).rstrip(".") or type(cause).__name__
    sqlstate = getattr(cause, "sqlstate", None)
    if sqlstate in TRANSIENT:
        return TransientStorageError(f"Two transactions on {place} met each other ({words}); run this one again.")
    if "database is locked" in words:
        return TransientStorageError(f"Another process kept {place} locked for too long; try again.")
    if isinstance(error, exc.IntegrityError) and ("UNIQUE constraint" in words or sqlstate == UNIQUE_VIOLATION):
        return UniquenessError(f"The database {place} refused a change: {words}.")
    if isinstance(error, exc.DataError):
        return InvalidError(f"A value cannot be stored in {place}: {words}.")
    for sign, remedy in _REMEDIES:
        if sign in words:
            return StorageError(f"The database {place} failed: {words}. {remedy}")
    return StorageError(f"The database {place} failed: {words}.")


def has_gone(error: Exception) -> bool:
    """Return whether PostgreSQL went away, rather than said what was wrong with a change."""
    cause = error.__cause__
    sqlstate = getattr(cause.orig, "sqlstate", None) if isinstance(cause, exc.DBAPIError) else None
    return sqlstate is None or sqlstate.startswith(GONE)


_REMEDIES = (
    ("database or disk is full", "Free some space on its disk; nothing of this change was written."),
    ("readonly database", "Make the file and its folder writable for this user."),
    ("unable to open database file", "Check that its folder exists and that this user may write there."),
    ("file is not a database", "The file holds something else; name another file."),
    (
        "disk image is malformed",
        "The file is damaged; restore it from a backup, or recover it with sqlite3's .recover.",
    ),
    ("disk I/O error", "Check the disk and its free space."),
)
