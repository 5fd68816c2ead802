"""The things that are kept, and the bounds of their values."""
