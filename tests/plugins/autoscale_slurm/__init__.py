"""Pilots: workers that are started as jobs of Slurm."""
