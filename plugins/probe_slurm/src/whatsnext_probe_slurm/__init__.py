"""What an allocation of Slurm gives a WhatsNext worker."""

from whatsnext_probe_slurm.probe import SlurmProbe

__all__ = ["SlurmProbe"]
