"""Jobs and the edges between them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, Index, Sequence, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from whatsnext_storage_sql.models.base import Base
from whatsnext_storage_sql.models.types import Json, Number, UtcTime


class Job(Base):
    """A job. No status is in an index here: on PostgreSQL a change of it then touches no index at all."""

    __tablename__ = "job"
    id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    project_id: Mapped[int] = mapped_column(Number)
    task_id: Mapped[int] = mapped_column(Number)
    submission_id: Mapped[int] = mapped_column(Number, server_default=text("0"))
    """The batch that it came with: it is unseen until that is published, and never ready until that brought it into
    the queue. 0 for none."""
    class_id: Mapped[int] = mapped_column(Number)
    """The requirement class in whose line it stands, or stood last."""
    status: Mapped[str] = mapped_column(Text)
    priority: Mapped[int] = mapped_column(Number)
    unmet: Mapped[int] = mapped_column(Number, server_default=text("0"))
    """Dependencies that are not met."""
    impossible: Mapped[int] = mapped_column(Number, server_default=text("0"))
    """Those among them that can never be met as things stand."""
    attempt: Mapped[int] = mapped_column(Number, server_default=text("0"))
    failures: Mapped[int] = mapped_column(Number, server_default=text("0"))
    losses: Mapped[int] = mapped_column(Number, server_default=text("0"))
    ooms: Mapped[int] = mapped_column(Number, server_default=text("0"))
    cause: Mapped[str | None] = mapped_column(Text)
    exit_code: Mapped[int | None] = mapped_column(Number)
    not_before: Mapped[datetime | None] = mapped_column(UtcTime)
    cancel_requested: Mapped[bool] = mapped_column(server_default=false())
    client_id: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    timeout: Mapped[float | None] = mapped_column(Float(53))
    name: Mapped[str] = mapped_column(Text)
    message: Mapped[str] = mapped_column(Text, server_default=text("''"))
    result: Mapped[Any | None] = mapped_column(Json, nullable=True)
    parameters: Mapped[Any] = mapped_column(Json)
    __table_args__ = (
        Index("ix_job_task_id_id", "task_id", "id"),
        Index(
            "ix_job_submission_id_id",
            "submission_id",
            "id",
            sqlite_where=text("submission_id > 0"),
            postgresql_where=text("submission_id > 0"),
        ),
        {"postgresql_with": {"fillfactor": 50}},
    )


JOB_ID = Sequence("job_id", data_type=BigInteger, metadata=Base.metadata)
"""Gives out the ids of jobs on PostgreSQL; elsewhere a row of ``SequenceValue`` does."""


class Edge(Base):
    """A dependency: the child waits for the parent. It outlives the parent, so that the child keeps its count."""

    __tablename__ = "edge"
    child_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    parent_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    condition: Mapped[str] = mapped_column(Text)
    parent_name: Mapped[str] = mapped_column(Text)
    """The parent's name when the edge was made."""
    fate: Mapped[str] = mapped_column(Text)
    """What the child was last told of it: ``open``, ``met`` or ``impossible``."""
    __table_args__ = (
        Index("ix_edge_parent_id_child_id", "parent_id", "child_id"),
        {"sqlite_with_rowid": False, "postgresql_with": {"fillfactor": 90}},
    )
