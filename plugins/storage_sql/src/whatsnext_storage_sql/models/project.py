"""Projects, tasks, and the distinct requirements of tasks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Float, ForeignKey, Index, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from whatsnext_storage_sql.models.base import Base
from whatsnext_storage_sql.models.types import Number, UtcTime


class Project(Base):
    """A project. A deleted one keeps its row, unseen, until all that it held is cleared away."""

    __tablename__ = "project"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
    deleted: Mapped[bool] = mapped_column(server_default=false())
    cleared_to: Mapped[int] = mapped_column(Number, server_default=text("0"))
    """The last event that was looked at when a deleted project was cleared away."""
    __table_args__ = (
        Index(
            "uq_project_name",
            "name",
            unique=True,
            sqlite_where=text("deleted = 0"),
            postgresql_where=text("NOT deleted"),
        ),
        Index("ix_project_deleted", "id", sqlite_where=text("deleted = 1"), postgresql_where=text("deleted")),
        {"sqlite_autoincrement": True},
    )


class RequirementClass(Base):
    """A distinct requirement, once. The queue has one line for each of them and project."""

    __tablename__ = "requirement_class"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    key: Mapped[str] = mapped_column(Text, unique=True)
    """``Requirement.key``."""
    requirement: Mapped[str] = mapped_column(Text)
    """All of it, as JSON."""
    __table_args__ = ({"sqlite_autoincrement": True},)


class Task(Base):
    """A task. A deleted one keeps its row, unseen, until its jobs are cleared away."""

    __tablename__ = "task"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str] = mapped_column(Text)
    command_template: Mapped[str | None] = mapped_column(Text)
    required_cpu: Mapped[int] = mapped_column(Number)
    required_accelerators: Mapped[float] = mapped_column(Float(53))
    required_memory: Mapped[int] = mapped_column(Number)
    accelerator_kind: Mapped[str] = mapped_column(Text)
    accelerator_memory: Mapped[int] = mapped_column(Number)
    required_labels: Mapped[str] = mapped_column(Text)
    class_id: Mapped[int] = mapped_column(ForeignKey("requirement_class.id"))
    """The interned requirement."""
    retry: Mapped[str] = mapped_column(Text)
    """The retry policy, as JSON."""
    timeout: Mapped[float | None] = mapped_column(Float(53))
    signal: Mapped[str] = mapped_column(Text)
    grace: Mapped[float] = mapped_column(Float(53))
    environment: Mapped[str] = mapped_column(Text)
    options: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
    deleted: Mapped[bool] = mapped_column(server_default=false())
    __table_args__ = (
        Index(
            "uq_task_name",
            "project_id",
            "name",
            unique=True,
            sqlite_where=text("deleted = 0"),
            postgresql_where=text("NOT deleted"),
        ),
        Index("ix_task_project_id_id", "project_id", "id"),
        Index("ix_task_deleted", "id", sqlite_where=text("deleted = 1"), postgresql_where=text("deleted")),
        {"sqlite_autoincrement": True},
    )
