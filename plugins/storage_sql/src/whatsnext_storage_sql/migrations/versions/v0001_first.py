"""The tables of the first version.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from whatsnext_storage_sql.migrations.first_events import create_events

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BY_CODE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

TABLES = (
    "project",
    "requirement_class",
    "task",
    "job",
    "edge",
    "ready",
    "delayed",
    "listing",
    "counter",
    "event",
    "event_cursor",
    "gone",
    "client",
    "attempt",
    "lease",
    "reservation",
    "log_stream",
    "log_chunk",
    "artifact",
    "artifact_chunk",
    "sequence_value",
    "submission",
    "ripple",
    "halt",
    "reclassing",
    "attendance",
)


def upgrade() -> None:
    """Create all tables."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("job_id", data_type=sa.BigInteger())))
    _create_projects()
    _create_jobs()
    _create_queue()
    create_events()
    _create_clients()
    _create_artifacts()
    _create_work()


def _create_projects() -> None:
    """Create what belongs to projects and tasks."""
    op.create_table(
        "project",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("cleared_to", NUMBER, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_project_deleted",
        "project",
        ["id"],
        unique=False,
        sqlite_where=sa.text("deleted = 1"),
        postgresql_where=sa.text("deleted"),
    )
    op.create_index(
        "uq_project_name",
        "project",
        ["name"],
        unique=True,
        sqlite_where=sa.text("deleted = 0"),
        postgresql_where=sa.text("NOT deleted"),
    )
    op.create_table(
        "requirement_class",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("requirement", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_requirement_class"),
        sa.UniqueConstraint("key", name="uq_requirement_class_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "task",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("command_template", sa.Text(), nullable=True),
        sa.Column("required_cpu", NUMBER, nullable=False),
        sa.Column("required_accelerators", sa.Float(precision=53), nullable=False),
        sa.Column("required_memory", NUMBER, nullable=False),
        sa.Column("accelerator_kind", sa.Text(), nullable=False),
        sa.Column("accelerator_memory", NUMBER, nullable=False),
        sa.Column("required_labels", sa.Text(), nullable=False),
        sa.Column("class_id", NUMBER, nullable=False),
        sa.Column("retry", sa.Text(), nullable=False),
        sa.Column("timeout", sa.Float(precision=53), nullable=True),
        sa.Column("signal", sa.Text(), nullable=False),
        sa.Column("grace", sa.Float(precision=53), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["requirement_class.id"], name="fk_task_class_id_requirement_class"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_task_project_id_project"),
        sa.PrimaryKeyConstraint("id", name="pk_task"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_task_deleted",
        "task",
        ["id"],
        unique=False,
        sqlite_where=sa.text("deleted = 1"),
        postgresql_where=sa.text("deleted"),
    )
    op.create_index("ix_task_project_id_id", "task", ["project_id", "id"], unique=False)
    op.create_index(
        "uq_task_name",
        "task",
        ["project_id", "name"],
        unique=True,
        sqlite_where=sa.text("deleted = 0"),
        postgresql_where=sa.text("NOT deleted"),
    )


def _create_jobs() -> None:
    """Create what belongs to jobs and their dependencies."""
    op.create_table(
        "job",
        sa.Column("id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("task_id", NUMBER, nullable=False),
        sa.Column("submission_id", NUMBER, server_default=sa.text("0"), nullable=False),
        sa.Column("class_id", NUMBER, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("priority", NUMBER, nullable=False),
        sa.Column("unmet", NUMBER, server_default=sa.text("0"), nullable=False),
        sa.Column("impossible", NUMBER, server_default=sa.text("0"), nullable=False),
        sa.Column("attempt", NUMBER, server_default=sa.text("0"), nullable=False),
        sa.Column("failures", NUMBER, server_default=sa.text("0"), nullable=False),
        sa.Column("losses", NUMBER, server_default=sa.text("0"), nullable=False),
        sa.Column("ooms", NUMBER, server_default=sa.text("0"), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("exit_code", NUMBER, nullable=True),
        sa.Column("not_before", sa.BigInteger(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("timeout", sa.Float(precision=53), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(
        "ix_job_submission_id_id",
        "job",
        ["submission_id", "id"],
        unique=False,
        sqlite_where=sa.text("submission_id > 0"),
        postgresql_where=sa.text("submission_id > 0"),
    )
    op.create_index("ix_job_task_id_id", "job", ["task_id", "id"], unique=False)
    op.create_table(
        "edge",
        sa.Column("child_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("parent_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("parent_name", sa.Text(), nullable=False),
        sa.Column("fate", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("child_id", "parent_id", name="pk_edge"),
        postgresql_with={"fillfactor": 90},
        sqlite_with_rowid=False,
    )
    op.create_index("ix_edge_parent_id_child_id", "edge", ["parent_id", "child_id"], unique=False)


def _create_queue() -> None:
    """Create the queue, the lists and the counters."""
    op.create_table(
        "ready",
        sa.Column("project_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("class_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("neg_priority", NUMBER, autoincrement=False, nullable=False),
        sa.Column("job_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "class_id", "neg_priority", "job_id", name="pk_ready"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "delayed",
        sa.Column("not_before", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("job_id", NUMBER, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("not_before", "job_id", name="pk_delayed"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "listing",
        sa.Column("project_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("job_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("neg_priority", NUMBER, nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "status", "job_id", name="pk_listing"),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(
        "ix_listing_ended_at",
        "listing",
        ["ended_at", "job_id"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NOT NULL"),
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_index(
        "ix_listing_project_id_neg_priority_job_id",
        "listing",
        ["project_id", "neg_priority", "job_id"],
        unique=False,
        sqlite_where=sa.text("status = 'OPEN' AND neg_priority <= 2147483647"),
        postgresql_where=sa.text("status = 'OPEN' AND neg_priority <= 2147483647"),
    )
    op.create_table(
        "counter",
        sa.Column("project_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("submission_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("task_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("number", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "submission_id", "task_id", "status", name="pk_counter"),
        postgresql_with={"fillfactor": 50},
        sqlite_with_rowid=False,
    )
    op.create_table(
        "gone",
        sa.Column("job_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("oldest_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_gone"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_gone_oldest_at", "gone", ["oldest_at"], unique=False)


def _create_clients() -> None:
    """Create what belongs to clients and their attempts."""
    op.create_table(
        "client",
        sa.Column("id", BY_CODE, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("available_cpu", NUMBER, nullable=False),
        sa.Column("available_accelerators", NUMBER, nullable=False),
        sa.Column("capacity", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("last_heartbeat", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("draining", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_client"),
    )
    op.create_table(
        "attempt",
        sa.Column("job_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("fence", NUMBER, autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("request", NUMBER, nullable=True),
        sa.Column("allocation", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("exit_code", NUMBER, nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("peak_memory", NUMBER, nullable=True),
        sa.Column("cpu_seconds", sa.Float(precision=53), nullable=True),
        sa.Column("handle", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", "fence", name="pk_attempt"),
        postgresql_with={"fillfactor": 50},
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_attempt_session_id_request",
        "attempt",
        ["session_id", "request"],
        unique=False,
        sqlite_where=sa.text("request IS NOT NULL"),
        postgresql_where=sa.text("request IS NOT NULL"),
    )
    op.create_table(
        "lease",
        sa.Column("job_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("fence", NUMBER, nullable=False),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", name="pk_lease"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_lease_client_id", "lease", ["client_id"], unique=False)
    op.create_index("ix_lease_expires_at", "lease", ["expires_at"], unique=False)
    op.create_table(
        "reservation",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("job_id", NUMBER, nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", name="pk_reservation"),
    )
    op.create_table(
        "log_stream",
        sa.Column("job_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("fence", NUMBER, autoincrement=False, nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("size", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "fence", "stream", name="pk_log_stream"),
    )
    op.create_table(
        "log_chunk",
        sa.Column("job_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("fence", NUMBER, autoincrement=False, nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("offset", NUMBER, autoincrement=False, nullable=False),
        sa.Column("size", NUMBER, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "fence", "stream", "offset", name="pk_log_chunk"),
    )


def _create_artifacts() -> None:
    """Create what keeps the files of jobs."""
    op.create_table(
        "artifact",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("job_id", NUMBER, nullable=False),
        sa.Column("name", BY_CODE, nullable=False),
        sa.Column("fence", NUMBER, nullable=True),
        sa.Column("size", NUMBER, nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("received", NUMBER, server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_artifact"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_artifact_job_id", "artifact", ["job_id"], unique=False)
    op.create_index("ix_artifact_expires_at", "artifact", ["expires_at"], unique=False)
    seen = sa.text("expires_at IS NULL")
    op.create_index(
        "ix_artifact_seen", "artifact", ["job_id", "name"], unique=True, sqlite_where=seen, postgresql_where=seen
    )
    op.create_table(
        "artifact_chunk",
        sa.Column("artifact_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("offset", NUMBER, autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("artifact_id", "offset", name="pk_artifact_chunk"),
    )


def _create_work() -> None:
    """Create the lists of what is still to be done."""
    op.create_table(
        "sequence_value",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_sequence_value"),
    )
    op.create_table(
        "submission",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("cursor", NUMBER, server_default=sa.text("0"), nullable=False),
        sa.Column("orphaned", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_submission"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "ripple",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("parent_id", NUMBER, nullable=False),
        sa.Column("cursor", NUMBER, nullable=False),
        sa.Column("last_status", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_ripple"),
        sa.UniqueConstraint("parent_id", name="uq_ripple_parent_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "halt",
        sa.Column("job_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("child_id", NUMBER, server_default=sa.text("0"), nullable=False),
        sa.Column("parent_id", NUMBER, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_halt"),
    )
    op.create_table(
        "reclassing",
        sa.Column("task_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("cursor", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("task_id", name="pk_reclassing"),
    )
    op.create_table(
        "attendance",
        sa.Column("id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("lapses_from", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_attendance"),
    )


def downgrade() -> None:
    """Drop all tables."""
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.DropSequence(sa.Sequence("job_id")))
