"""The CPUs and the memory that a WhatsNext worker may use."""

from whatsnext_probe_cpu.probe import CpuProbe

__all__ = ["CpuProbe"]
