"""Jobs of WhatsNext as jobs of a Slurm cluster."""

from typing import TYPE_CHECKING

from whatsnext_core.lazy import lazy_exports

if TYPE_CHECKING:
    from whatsnext_formatter_slurm.formatter import SlurmFormatter
    from whatsnext_formatter_slurm.options import SlurmOptions

__all__ = ["SlurmFormatter", "SlurmOptions"]

__getattr__ = lazy_exports(__name__, {"SlurmFormatter": "formatter", "SlurmOptions": "options"})
