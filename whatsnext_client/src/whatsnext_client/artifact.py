"""A file that a job made, described so that somebody else can tell whether they have the same one."""

from __future__ import annotations

import hashlib
import io
import shutil
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from attrs import converters, field, frozen

from whatsnext_client import fetching
from whatsnext_client.rest import Document, Rest
from whatsnext_core.converters import parse_time
from whatsnext_core.errors import InvalidError, NotFoundError
from whatsnext_core.model.artifact import BINARY
from whatsnext_core.model.limits import check_name


@frozen
class Artifact:
    """A file by name, with its size and checksum: one that lies here, or one of a job that lies on the server."""

    name: str = field(validator=lambda _, __, value: check_name(value, "name of the artifact"))
    """What it is called among the artifacts of its job; may contain ``/``."""
    path: Path | None = field(converter=converters.optional(Path))
    """Where it lies; None for one that lies on the server."""
    size: int
    """Its length in bytes."""
    checksum: str
    """The SHA-256 of its content, in hexadecimal."""
    content_type: str = field(default=BINARY, kw_only=True)
    """What it is said to be."""
    attempt: int | None = field(default=None, kw_only=True)
    """Number of the attempt that made it; None if a person sent it."""
    created_at: datetime | None = field(default=None, kw_only=True)
    """When the server had all of it, in UTC."""
    job_id: int | None = field(default=None, kw_only=True)
    """The job whose file it is."""
    _rest: Rest | None = field(default=None, kw_only=True, repr=False, eq=False)

    @classmethod
    def from_file(cls, path: str | Path, name: str | None = None) -> Artifact:
        """Return the artifact that a file is now; ``name`` is the file's own unless given.

        Raises:
            NotFoundError: there is no such file.
        """
        found = Path(path)
        if not found.is_file():
            raise NotFoundError(f"The artifact {name or found.name!r} has no file at {found}.")
        return cls(name or found.name, found, found.stat().st_size, _checksum(found))

    @classmethod
    def from_document(cls, rest: Rest, document: Document) -> Artifact:
        """Return the artifact that a document of the server describes."""
        return cls(
            document["name"],
            None,
            document["size"],
            document["sha256"],
            content_type=document["content_type"],
            attempt=document["fence"],
            created_at=parse_time(document["created_at"]),
            job_id=document["job_id"],
            rest=rest,
        )

    def is_intact(self) -> bool:
        """Return whether the file is still there, or on the server, with the same content."""
        if self.path is None:
            return self._is_on_server()
        return self.path.is_file() and self.path.stat().st_size == self.size and _checksum(self.path) == self.checksum

    def read(self) -> bytes:
        """Return its content, of which the checksum was verified.

        Raises:
            ChecksumError: what came is not what was sent.
            ConflictError: another file of its name took its place on the server.
        """
        content = io.BytesIO()
        self.copy_to(content)
        return content.getvalue()

    def save(self, path: str | Path, *, progress: fetching.Progress = fetching.ignore) -> Path:
        """Write it to a file, or under its name into a folder, and return where it is.

        The file is seen once it is whole and its checksum is verified; an older one stays until then. Folders above it
        are made.

        Args:
            path: A file, which may be there already, or a folder that is there.
            progress: Called with the bytes that have come.

        Raises:
            ChecksumError, ConflictError: as for ``read``.
            InvalidError: its name, or a link in the folder, leads out of the folder.
        """
        target = Path(path)
        if target.is_dir():
            target = fetching.place_below(target, self.name)
        fetching.save(target, lambda file: self.copy_to(file, progress))
        return target

    def copy_to(self, sink: BinaryIO, progress: fetching.Progress = fetching.ignore) -> None:
        """Write its content to an open file; ChecksumError comes at the end, when all of it was written."""
        if self.path is not None:
            with self.path.open("rb") as file:
                shutil.copyfileobj(file, sink)
            return
        rest, job_id = self._origin()
        fetching.copy(rest, job_id, self.name, self.size, self.checksum, sink, progress)

    def delete(self) -> None:
        """Delete it on the server; NotFoundError if it is not there any more."""
        rest, job_id = self._origin()
        rest.delete_artifact(job_id, self.name)

    def _is_on_server(self) -> bool:
        rest, job_id = self._origin()
        try:
            return bool(rest.artifact(job_id, self.name)["sha256"] == self.checksum)
        except NotFoundError:
            return False

    def _origin(self) -> tuple[Rest, int]:
        if self._rest is None or self.job_id is None:
            raise InvalidError(f"Artifact {self.name!r} is not on a server; ask a job for its artifacts.")
        return self._rest, self.job_id


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
