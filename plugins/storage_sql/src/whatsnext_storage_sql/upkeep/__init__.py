"""Housekeeping in small steps: what is due, and what goes away."""
