"""A file on its way to the server: in parts, which go on where they stopped."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Final

from whatsnext_client.errors import OffsetError
from whatsnext_client.rest import Document, Rest
from whatsnext_core.errors import InvalidError
from whatsnext_core.model.artifact import BINARY, check_artifact_name

PART: Final = 2**20
"""Bytes in one request."""
_FLAGS: Final = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))


class SendingFile:
    """One file that is being sent as an artifact of a job.

    Args:
        rest: The server's endpoints.
        job_id: The job.
        name: What it shall be called.
        path: Where it lies; a link there is not followed.
        fence: The attempt that made it.

    Raises:
        OSError: it cannot be read.
        InvalidError: it cannot have that name, or is no file.
    """

    def __init__(self, rest: Rest, job_id: int, name: str, path: Path, *, fence: int | None = None) -> None:
        self.name = check_artifact_name(name)
        self.path = path
        self.offset = 0
        """Bytes that the server has, as far as is known."""
        self.document: Document | None = None
        """What the server says of the whole file."""
        self._rest = rest
        self._job_id = job_id
        self._fence = fence
        self._content_type = mimetypes.guess_type(name)[0] or BINARY
        with open_file(path) as file:
            self.size = os.fstat(file.fileno()).st_size
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()

    def send_part(self, *, retry_for: float | None = None) -> bool:
        """Send the next part, and return whether the server has all of it.

        Raises:
            OSError: it cannot be read any more.
            TooLargeError: the server takes no file of this size.
            ConflictError: the attempt is not the newest one of its job any more.
            InvalidError: the bytes do not have the checksum that they had at the beginning.
            WhatsNextError: the server could not be reached, or failed.
        """
        with open_file(self.path) as file:
            file.seek(self.offset)
            data = file.read(PART)
        try:
            answer = self._rest.send_artifact(
                self._job_id,
                self.name,
                data,
                offset=self.offset,
                size=self.size,
                sha256=self.sha256,
                content_type=self._content_type,
                fence=self._fence,
                retry_for=retry_for,
            )
        except OffsetError as error:
            if error.size >= self.offset:
                raise
            self.offset = error.size
            return False
        if not data and answer["artifact"] is None and self.size:
            raise InvalidError(f"File {self.path} got shorter while it was sent as artifact {self.name!r}.")
        self.offset = answer["size"]
        self.document = answer["artifact"]
        return self.document is not None

    def send(self, progress: Callable[[int], None] = lambda _: None) -> Document:
        """Send all of it and return what the server says of it; ``progress`` gets the bytes that are there."""
        while not self.send_part():
            progress(self.offset)
        progress(self.size)
        assert self.document is not None, "it is whole"  # noqa: S101 - what send_part said
        return self.document


def open_file(path: Path) -> BufferedReader:
    """Return a file that is opened for reading; nothing but a regular file, and no link."""
    descriptor = os.open(path, _FLAGS)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise InvalidError(f"{path} is no file.")
    return file
