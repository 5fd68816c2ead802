"""What is still to be done, kept so that a crash only pauses it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from whatsnext_storage_sql.models.base import Base
from whatsnext_storage_sql.models.types import Number, UtcTime


class SequenceValue(Base):
    """A number that was given out last, where the database has no sequences."""

    __tablename__ = "sequence_value"
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    last: Mapped[int] = mapped_column(Number)


class Submission(Base):
    """A batch that is written in several transactions. Once all its jobs are in the queue it has no row any more."""

    __tablename__ = "submission"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    project_id: Mapped[int] = mapped_column(Number)
    state: Mapped[str] = mapped_column(Text)
    """``open``, ``published`` or ``discarded``."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    cursor: Mapped[int] = mapped_column(Number, server_default=text("0"))
    """The last job that was brought into the queue."""
    orphaned: Mapped[bool] = mapped_column(server_default=false())
    """Whether a job was deleted on which one of the batch depends."""
    __table_args__ = ({"sqlite_autoincrement": True},)


class Ripple(Base):
    """A job whose children do not all know what it is now."""

    __tablename__ = "ripple"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    parent_id: Mapped[int] = mapped_column(Number, unique=True)
    cursor: Mapped[int] = mapped_column(Number)
    """The last child that was told."""
    last_status: Mapped[str | None] = mapped_column(Text)
    """The status in which it was deleted; None for a job that is still there."""
    __table_args__ = ({"sqlite_autoincrement": True},)


class Halt(Base):
    """A failed job whose siblings are to be cancelled."""

    __tablename__ = "halt"
    job_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    child_id: Mapped[int] = mapped_column(Number, server_default=text("0"))
    parent_id: Mapped[int] = mapped_column(Number, server_default=text("0"))
    """The last edge that was looked at: of this child of the job, to this parent of the child."""


class Reclassing(Base):
    """A task whose requirement changed and whose waiting jobs do not all stand in the new line yet."""

    __tablename__ = "reclassing"
    task_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    cursor: Mapped[int] = mapped_column(Number)
    """The last job that was looked at."""


class Attendance(Base):
    """When a server was last there. The one row is written by the first server."""

    __tablename__ = "attendance"
    id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcTime)
    lapses_from: Mapped[datetime | None] = mapped_column(UtcTime)
    """Until when no lease lapses, because no server was there before; None if there always was one."""
