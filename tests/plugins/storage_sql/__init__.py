"""The storage in SQLite and PostgreSQL."""
