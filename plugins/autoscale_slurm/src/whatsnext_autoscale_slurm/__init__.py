"""Starts WhatsNext workers as jobs of a Slurm cluster, as many as the queue needs."""

from whatsnext_autoscale_slurm.settings import AutoscaleSettings

__all__ = ["AutoscaleSettings"]
