"""Schemas of the files of jobs."""

from __future__ import annotations

from whatsnext_core.model import Artifact
from whatsnext_server.schemas.base import Schema
from whatsnext_server.schemas.derived import derive

ArtifactDocument = derive(Artifact)
"""A file of a job."""


class UploadState(Schema):
    """How far a file that is being sent has come."""

    size: int
    """Bytes that are there: where to go on."""
    artifact: ArtifactDocument | None = None  # type: ignore[valid-type]  # made at run time
    """The file, once it is whole and seen."""


__all__ = ["ArtifactDocument", "UploadState"]
