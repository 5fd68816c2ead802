"""The narrow, hot tables beside the wide row of a job: where it stands in the queue, in lists and in counts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from whatsnext_storage_sql.models.base import Base
from whatsnext_storage_sql.models.types import Number, UtcTime


class Ready(Base):
    """A job that could start now, in the order in which its line hands jobs out."""

    __tablename__ = "ready"
    project_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    class_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    neg_priority: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    """The priority with its sign turned, so that one ascending key gives higher first, then older first."""
    job_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    since: Mapped[datetime] = mapped_column(UtcTime)
    __table_args__ = ({"sqlite_with_rowid": False},)


class Delayed(Base):
    """A job in its back-off."""

    __tablename__ = "delayed"
    not_before: Mapped[datetime] = mapped_column(UtcTime, primary_key=True, autoincrement=False)
    job_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    __table_args__ = ({"sqlite_with_rowid": False},)


class Listing(Base):
    """The index of jobs by status, as a table of its own."""

    __tablename__ = "listing"
    project_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(Text, primary_key=True)
    """That of the job, or OPEN for one that is PENDING, QUEUED or RUNNING: those of them with a ``Lease`` are held."""
    job_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    neg_priority: Mapped[int] = mapped_column(Number)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When the job ended; None while it has not."""
    __table_args__ = (
        Index(
            "ix_listing_ended_at",
            "ended_at",
            "job_id",
            sqlite_where=text("ended_at IS NOT NULL"),
            postgresql_where=text("ended_at IS NOT NULL"),
        ),
        Index(
            "ix_listing_project_id_neg_priority_job_id",
            "project_id",
            "neg_priority",
            "job_id",
            sqlite_where=text("status = 'OPEN' AND neg_priority <= 2147483647"),
            postgresql_where=text("status = 'OPEN' AND neg_priority <= 2147483647"),
        ),
        {"sqlite_with_rowid": False, "postgresql_with": {"fillfactor": 50}},
    )


class Counter(Base):
    """How many jobs of a task there are in a status; those of a batch apart, until it is published and settled.

    Task 0 stands for all tasks of the project, of which there may be thousands: so its numbers are read at once.
    """

    __tablename__ = "counter"
    project_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    submission_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    task_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(Number)
    __table_args__ = ({"sqlite_with_rowid": False, "postgresql_with": {"fillfactor": 50}},)


class Event(Base):
    """The same change of one job, or of several whose ids follow one another: as many events, in the jobs' order."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    """The number of the last of these events; the others have those before it."""
    jobs: Mapped[int] = mapped_column(Number)
    """How many jobs it is about."""
    project_id: Mapped[int] = mapped_column(Number)
    job_id: Mapped[int] = mapped_column(Number)
    """The first of these jobs."""
    kind: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcTime)
    data: Mapped[str] = mapped_column(Text)
    __table_args__ = (
        Index("ix_event_job_id", "job_id", sqlite_where=text("jobs = 1"), postgresql_where=text("jobs = 1")),
        Index(
            "ix_event_job_id_jobs", "job_id", "jobs", sqlite_where=text("jobs > 1"), postgresql_where=text("jobs > 1")
        ),
        Index("ix_event_project_id_id", "project_id", "id"),
        {"sqlite_autoincrement": True},
    )


class EventCursor(Base):
    """How far something that follows the events has come."""

    __tablename__ = "event_cursor"
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    place: Mapped[int] = mapped_column(Number)
    """The last event that was dealt with."""
    holder: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    seen_at: Mapped[datetime] = mapped_column(UtcTime)
    failures: Mapped[int] = mapped_column(Number)
    error: Mapped[str] = mapped_column(Text)


class Gone(Base):
    """A job that was deleted and whose events are still there."""

    __tablename__ = "gone"
    job_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    oldest_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    """None of its events is older than this."""
    __table_args__ = ({"sqlite_with_rowid": False},)
