"""Jobs in containers."""
