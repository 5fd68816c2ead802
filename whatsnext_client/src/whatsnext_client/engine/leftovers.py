"""What an attempt left in the folder that ``WHATSNEXT_ARTIFACTS`` names."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from attrs import define, field

from whatsnext_core.errors import InvalidError
from whatsnext_core.model.artifact import check_artifact_name

MOST: Final = 10_000
"""Files of one attempt that are sent."""
NAMED: Final = 10
"""Files that a message names."""


@define
class Leftovers:
    """The files of an attempt, and why others are left out."""

    files: list[tuple[str, Path]] = field(factory=list)
    """Name and real place of each."""
    complaints: list[str] = field(factory=list)
    """One sentence for each that is left out."""

    @property
    def words(self) -> str:
        """The complaints as they stand in a message: the first few of them, and how many more there are."""
        shown = self.complaints[:NAMED]
        more = len(self.complaints) - len(shown)
        return " ".join([*shown, *([f"{more} more artifacts were left out."] if more else [])])


def is_empty(folder: Path) -> bool:
    """Return whether there is nothing in a folder, or no folder."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return True


def look_through(folder: Path) -> Leftovers:
    """Return what is to be sent of a folder, by name.

    A link to a file is followed if that lies in the folder, too; so nothing leaves this machine but what the attempt
    put there.
    """
    found = Leftovers()
    root = Path(os.path.realpath(folder))
    for place, folders, names in os.walk(root, onerror=lambda error: _complain(found, error)):
        folders.sort()
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in sorted([*names, *links]):
            _look_at(found, root, Path(place, name))
    found.files.sort()
    for name, _ in found.files[MOST:]:
        found.complaints.append(f"Artifact {name!r} was left out: there are more than {MOST} files; pack them.")
    del found.files[MOST:]
    return found


def _look_at(found: Leftovers, root: Path, path: Path) -> None:
    name = os.fsencode(path.relative_to(root)).decode("utf-8", "replace").replace(os.sep, "/")
    try:
        real = Path(os.path.realpath(path, strict=True))
        if not real.is_relative_to(root):
            why = "it is a link that leads out of the folder"
        elif stat.S_ISREG(real.stat().st_mode):
            check_artifact_name(name)
            found.files.append((name, real))
            return
        else:
            why = "it is a link to a folder" if real.is_dir() else "it is no file"
    except InvalidError as error:
        why = str(error).removesuffix(".")
    except OSError as error:
        why = f"it cannot be read ({error.strerror})"
    found.complaints.append(f"Artifact {name!r} was left out: {why}.")


def _complain(found: Leftovers, error: OSError) -> None:
    found.complaints.append(f"The folder {str(error.filename)!r} of artifacts cannot be read: {error.strerror}.")
