"""The third-party plugins under docs/examples, installed and used as a stranger would."""
