"""A file on its way from the server: in parts, checked, and seen under its name once it is whole."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from whatsnext_client.errors import ChecksumError
from whatsnext_client.rest import Rest
from whatsnext_core.errors import InvalidError
from whatsnext_core.model.artifact import check_artifact_name
from whatsnext_core.model.limits import shorten

PART: Final = 4 * 2**20
"""Bytes that one request asks for."""
_FORBIDDEN_ON_WINDOWS: Final = frozenset('<>:"|?*')

Progress: TypeAlias = Callable[[int], None]


def ignore(_: int) -> None:
    """Note nothing."""


def copy(rest: Rest, job_id: int, name: str, size: int, sha256: str, sink: BinaryIO, progress: Progress) -> None:
    """Write the bytes of an artifact; each part that is lost on the way is fetched again.

    Raises:
        ChecksumError: what came is not what was sent; it has been written all the same.
        ConflictError: another file took its place meanwhile.
    """
    digest = hashlib.sha256()
    for begin in range(0, size, PART):
        data = rest.artifact_bytes(job_id, name, begin, min(begin + PART, size), sha256=sha256)
        digest.update(data)
        sink.write(data)
        progress(begin + len(data))
    if digest.hexdigest() != sha256:
        raise ChecksumError(
            f"Artifact {name!r} of job {job_id} came with the SHA-256 {digest.hexdigest()} instead of {sha256}; "
            f"fetch it again."
        )


def save(target: Path, write: Callable[[BinaryIO], None]) -> None:
    """Let a file be written that is seen under its name once it is whole; folders above it are made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb") as file:
            write(file)
        draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def place_below(folder: Path, name: str) -> Path:
    """Return where an artifact of this name belongs below a folder.

    Raises:
        InvalidError: the name, or a link in the folder, leads out of it.
    """
    check_artifact_name(name)
    if os.name == "nt" and not _FORBIDDEN_ON_WINDOWS.isdisjoint(name):
        raise InvalidError(f"Windows can have no file {shorten(name)}; name another one with --to or save(path).")
    target = folder.joinpath(*name.split("/"))
    root = os.path.realpath(folder)
    if os.path.commonpath([root, os.path.realpath(target.parent)]) != root:
        raise InvalidError(f"Artifact {shorten(name)} would lie outside of {folder}: a folder there is a link.")
    return target
