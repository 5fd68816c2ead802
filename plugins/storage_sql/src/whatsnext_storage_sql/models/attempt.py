"""Clients, attempts, their leases, and what attempts wrote."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Float, Index, LargeBinary, Text, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from whatsnext_storage_sql.models.base import Base
from whatsnext_storage_sql.models.types import Json, Number, UtcTime

ClientId = Text().with_variant(Text(collation="C"), "postgresql")
"""The id of a client, sorted by its characters' codes whatever the language of the database."""


class Client(Base):
    """A registered client."""

    __tablename__ = "client"
    id: Mapped[str] = mapped_column(ClientId, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    entity: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    available_cpu: Mapped[int] = mapped_column(Number)
    available_accelerators: Mapped[int] = mapped_column(Number)
    capacity: Mapped[str] = mapped_column(Text)
    session_id: Mapped[str | None] = mapped_column(Text)
    last_heartbeat: Mapped[datetime] = mapped_column(UtcTime)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    is_active: Mapped[bool] = mapped_column(server_default=true())
    draining: Mapped[bool] = mapped_column(server_default=false())


class Attempt(Base):
    """One execution of a job."""

    __tablename__ = "attempt"
    job_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    fence: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(Text)
    client_id: Mapped[str | None] = mapped_column(Text)
    session_id: Mapped[str | None] = mapped_column(Text)
    request: Mapped[int | None] = mapped_column(Number)
    allocation: Mapped[str] = mapped_column(Text)
    claimed_at: Mapped[datetime] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    exit_code: Mapped[int | None] = mapped_column(Number)
    cause: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str] = mapped_column(Text, server_default=text("''"))
    peak_memory: Mapped[int | None] = mapped_column(Number)
    cpu_seconds: Mapped[float | None] = mapped_column(Float(53))
    handle: Mapped[Any | None] = mapped_column(Json, nullable=True)
    __table_args__ = (
        Index(
            "ix_attempt_session_id_request",
            "session_id",
            "request",
            sqlite_where=text("request IS NOT NULL"),
            postgresql_where=text("request IS NOT NULL"),
        ),
        {"sqlite_with_rowid": False, "postgresql_with": {"fillfactor": 50}},
    )


class Lease(Base):
    """Who holds a job now. A job has a row here exactly while it is QUEUED or RUNNING."""

    __tablename__ = "lease"
    job_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    fence: Mapped[int] = mapped_column(Number)
    client_id: Mapped[str | None] = mapped_column(Text)
    session_id: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When it lapses; None for a hold that never does."""
    __table_args__ = (
        Index("ix_lease_client_id", "client_id"),
        Index("ix_lease_expires_at", "expires_at"),
        {"sqlite_with_rowid": False},
    )


class Reservation(Base):
    """The job that a client drains for."""

    __tablename__ = "reservation"
    client_id: Mapped[str] = mapped_column(Text, primary_key=True)
    job_id: Mapped[int] = mapped_column(Number)
    made_at: Mapped[datetime] = mapped_column(UtcTime)
    """When a claim last made or renewed it."""


class LogStream(Base):
    """How much of one stream of an attempt was received."""

    __tablename__ = "log_stream"
    job_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    fence: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    stream: Mapped[str] = mapped_column(Text, primary_key=True)
    size: Mapped[int] = mapped_column(Number)
    """Bytes, those dropped included."""


class LogChunk(Base):
    """A piece of a stream, as it came."""

    __tablename__ = "log_chunk"
    job_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    fence: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    stream: Mapped[str] = mapped_column(Text, primary_key=True)
    offset: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(Number)
    data: Mapped[bytes] = mapped_column(LargeBinary)
