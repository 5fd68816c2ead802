"""The storage in memory."""
