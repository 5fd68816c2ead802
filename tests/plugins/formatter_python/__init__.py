"""Jobs as calls of Python functions."""
