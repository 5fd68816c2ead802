"""A file that a job made, described so that somebody else can tell whether they have the same one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from attrs import field, frozen

from whatsnext_core.errors import NotFoundError
from whatsnext_core.model.limits import check_name


@frozen
class Artifact:
    """A file by name, with its size and checksum."""

    name: str = field(validator=lambda _, __, value: check_name(value, "name of the artifact"))
    """What it is called among the artifacts of its job."""
    path: Path = field(converter=Path)
    """Where it lies."""
    size: int
    """Its length in bytes."""
    checksum: str
    """The SHA-256 of its content, in hexadecimal."""

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

    def is_intact(self) -> bool:
        """Return whether the file is still there with the same content."""
        return self.path.is_file() and self.path.stat().st_size == self.size and _checksum(self.path) == self.checksum


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
