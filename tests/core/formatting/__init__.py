"""How a job becomes a command, and how that runs."""
