"""The jobs of a WhatsNext server in SQLite or PostgreSQL."""
