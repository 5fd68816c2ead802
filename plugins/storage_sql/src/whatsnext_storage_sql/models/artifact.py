"""Files of jobs, and their bytes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from whatsnext_storage_sql.models.base import Base
from whatsnext_storage_sql.models.types import Number, UtcTime

Name = Text().with_variant(Text(collation="C"), "postgresql")
"""A name, sorted by its characters' codes whatever the language of the database."""
_SEEN = text("expires_at IS NULL")


class Artifact(Base):
    """A file of a job: one that is seen, one that is being sent, or one that nobody wants any more."""

    __tablename__ = "artifact"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    job_id: Mapped[int] = mapped_column(Number)
    name: Mapped[str] = mapped_column(Name)
    fence: Mapped[int | None] = mapped_column(Number)
    size: Mapped[int | None] = mapped_column(Number)
    """Bytes, as was said when it was begun."""
    sha256: Mapped[str | None] = mapped_column(Text)
    """The checksum, as was said when it was begun, and as it is once the file is seen."""
    content_type: Mapped[str] = mapped_column(Text)
    received: Mapped[int] = mapped_column(Number, server_default=text("0"))
    """Bytes that came."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    """When it was begun, and once it is seen, when it was whole."""
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When it is cleared away; NULL for a file that is seen, 0 for one that nobody wants."""
    __table_args__ = (
        Index("ix_artifact_job_id", "job_id"),
        Index("ix_artifact_expires_at", "expires_at"),
        Index("ix_artifact_seen", "job_id", "name", unique=True, sqlite_where=_SEEN, postgresql_where=_SEEN),
        {"sqlite_autoincrement": True},
    )


class ArtifactChunk(Base):
    """A piece of a file, as it came."""

    __tablename__ = "artifact_chunk"
    artifact_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    offset: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)
