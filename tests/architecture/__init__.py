"""Who may import whom, and what the repository may hold."""
