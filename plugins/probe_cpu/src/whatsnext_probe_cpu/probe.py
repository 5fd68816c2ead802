"""The probe of CPUs and main memory."""

from __future__ import annotations

import platform
from pathlib import Path

import psutil

from whatsnext_core.probing import Measurement
from whatsnext_probe_cpu.cgroups import read_limits


class CpuProbe:
    """Reports what this very process may use.

    That is not all that the machine has, but what the affinity mask and the control groups leave of it, as batch
    systems and containers set them.

    Args:
        root: Where the file system begins that tells of control groups.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def measure(self) -> Measurement:
        """Return the CPUs, the memory, and the labels ``os`` and ``arch``."""
        limits = read_limits(self._root)
        usable = usable_cpus()
        cpu = len(usable) or psutil.cpu_count() or 1
        if limits.cpu is not None:
            cpu = min(cpu, max(1, int(limits.cpu)))
        memory = psutil.virtual_memory().total
        if limits.memory is not None:
            memory = min(memory, limits.memory)
        labels = {f"os={platform.system().lower()}", f"arch={platform.machine().lower()}"}
        return Measurement(cpu=cpu, cpu_ids=usable, memory=memory, labels=labels)


def usable_cpus() -> tuple[int, ...]:
    """Return the numbers of the CPUs that this process may run on; none where the system does not tell."""
    affinity = getattr(psutil.Process(), "cpu_affinity", None)
    return () if affinity is None else tuple(sorted(affinity()))
