"""Projects, their tasks, and clients."""
