"""Runs the migrations on the connection that ``schema`` hands over; Alembic loads this by path."""

from __future__ import annotations

from alembic import context

from whatsnext_storage_sql.models import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, transactional_ddl=True)
context.run_migrations()
