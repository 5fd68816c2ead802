"""Attempts: how they begin, are renewed and end, and what they write."""
