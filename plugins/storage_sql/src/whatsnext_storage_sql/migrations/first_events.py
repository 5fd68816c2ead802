"""The tables of the first version that hold events, and how far those who follow them have come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def create_events() -> None:
    """Create the events and the cursors."""
    op.create_table(
        "event",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("jobs", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("job_id", NUMBER, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sqlite_autoincrement=True,
    )
    one, several = sa.text("jobs = 1"), sa.text("jobs > 1")
    op.create_index("ix_event_job_id", "event", ["job_id"], unique=False, sqlite_where=one, postgresql_where=one)
    op.create_index(
        "ix_event_job_id_jobs",
        "event",
        ["job_id", "jobs"],
        unique=False,
        sqlite_where=several,
        postgresql_where=several,
    )
    op.create_index("ix_event_project_id_id", "event", ["project_id", "id"], unique=False)
    op.create_table(
        "event_cursor",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("place", NUMBER, nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("failures", NUMBER, nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_event_cursor"),
    )
