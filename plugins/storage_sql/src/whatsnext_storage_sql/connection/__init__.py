"""Connections and transactions: how statements reach SQLite and PostgreSQL."""
