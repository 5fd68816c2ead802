"""The NVIDIA GPUs that a WhatsNext worker may use."""

from whatsnext_probe_nvidia.options import NvidiaOptions
from whatsnext_probe_nvidia.probe import NvidiaProbe

__all__ = ["NvidiaOptions", "NvidiaProbe"]
