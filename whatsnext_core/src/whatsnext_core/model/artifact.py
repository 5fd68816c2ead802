"""A file that belongs to a job: what it made, kept by name for people and for later jobs."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

import attrs
from attrs import field, frozen

from whatsnext_core.errors import InvalidError
from whatsnext_core.model import limits

MAX_ARTIFACT: Final = 2**50
"""Bytes of one artifact that anything can be asked about; a server's own limit is far below."""
BINARY: Final = "application/octet-stream"
"""The content type of a file of which nobody says another one."""
_SHA256: Final = re.compile("[0-9a-f]{64}")
_CONTENT_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(;[\x20-\x7e]{0,200})?")
_NOT_A_PART: Final = frozenset({"", ".", ".."})


def check_artifact_name(name: str) -> str:
    """Return ``name`` if an artifact can have it: a relative path with ``/`` that stays below where it begins.

    It has 1 to 255 printable characters, no blank at either end, no backslash, and no part that is empty, ``.`` or
    ``..``; so whoever writes it below a folder writes nowhere else, on any system.
    """
    limits.check_name(name, "name of the artifact")
    if "\\" in name:
        raise InvalidError(
            f"The name of the artifact {limits.shorten(name)} contains a backslash; use '/' for folders."
        )
    if not _NOT_A_PART.isdisjoint(name.split("/")):
        raise InvalidError(
            f"The name of the artifact {limits.shorten(name)} must be a relative path without '.', '..' and empty "
            f"parts, such as 'plots/loss.png'."
        )
    return name


def check_sha256(text: str) -> str:
    """Return ``text`` in lower case if it is a SHA-256 in hexadecimal."""
    if not _SHA256.fullmatch(text.lower()):
        raise InvalidError(f"The checksum {limits.shorten(text)} is no SHA-256; give 64 hexadecimal digits.")
    return text.lower()


def _check_content_type(_: object, __: object, value: str) -> None:
    if not _CONTENT_TYPE.fullmatch(value):
        raise InvalidError(f"The content type {limits.shorten(value)} is none; write one like 'text/csv'.")


def _check_name(_: object, __: object, value: str) -> None:
    check_artifact_name(value)


def _check_id(_: object, attribute: attrs.Attribute[int], value: int | None) -> None:
    if value is not None:
        limits.check_id(value, "job id" if attribute.name == "job_id" else attribute.name)


def _check_size(_: object, __: object, value: int | None) -> None:
    if value is not None:
        limits.check_number(value, "size of the artifact", low=0, high=MAX_ARTIFACT, unit="bytes")


@frozen(kw_only=True)
class Artifact:
    """A file that belongs to a job."""

    id: int
    """Number of the upload that brought it; a file that replaces another one has another number."""
    job_id: int
    """The job."""
    name: str
    """What it is called among the artifacts of the job; may contain ``/``."""
    size: int
    """Bytes."""
    sha256: str
    """SHA-256 of the bytes, in hexadecimal."""
    content_type: str
    """What whoever sent it says that it is."""
    fence: int | None
    """The attempt that made it; None if it was not an attempt that sent it."""
    created_at: datetime
    """When all of it was there, in UTC."""


@frozen(kw_only=True)
class ArtifactSpec:
    """A file that is going to be sent."""

    job_id: int = field(validator=_check_id)
    """The job."""
    name: str = field(validator=_check_name)
    """What it shall be called."""
    size: int | None = field(default=None, validator=_check_size)
    """Bytes that it will have; None if that is not known yet."""
    sha256: str | None = field(default=None, converter=attrs.converters.optional(check_sha256))
    """The SHA-256 that its bytes must have; None for any."""
    content_type: str = field(default=BINARY, validator=_check_content_type)
    """What it is."""
    fence: int | None = field(default=None, validator=_check_id)
    """The attempt that made it."""


@frozen(kw_only=True)
class ArtifactUpload:
    """A file that is being sent; nobody sees it before it is whole."""

    id: int
    """Its number."""
    spec: ArtifactSpec
    """What it is going to be."""
    received: int = 0
    """Bytes that came so far: where to go on."""


__all__ = ["BINARY", "Artifact", "ArtifactSpec", "ArtifactUpload", "check_artifact_name", "check_sha256"]
