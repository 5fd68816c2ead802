"""Jobs of WhatsNext as jobs of a Slurm cluster."""

from whatsnext_formatter_slurm.formatter import SlurmFormatter
from whatsnext_formatter_slurm.options import SlurmOptions

__all__ = ["SlurmFormatter", "SlurmOptions"]
