"""The wheels, and what an environment with only one of them can do."""
