"""Finding, checking and selecting plugins."""
