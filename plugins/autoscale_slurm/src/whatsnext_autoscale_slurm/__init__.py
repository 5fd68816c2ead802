"""Starts WhatsNext workers as jobs of a Slurm cluster, as many as the queue needs."""

from typing import TYPE_CHECKING

from whatsnext_core.lazy import lazy_exports

if TYPE_CHECKING:
    from whatsnext_autoscale_slurm.settings import AutoscaleSettings

__all__ = ["AutoscaleSettings"]

__getattr__ = lazy_exports(__name__, {"AutoscaleSettings": "settings"})
