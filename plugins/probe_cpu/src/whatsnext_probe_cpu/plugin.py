"""The plugin module that the `probe-cpu` entry point names."""

from __future__ import annotations

from collections.abc import Iterable

from whatsnext_core.hookspecs import ProbePlugin, hookimpl
from whatsnext_probe_cpu.probe import CpuProbe


@hookimpl
def whatsnext_resource_probes() -> Iterable[ProbePlugin]:
    """Return the probe of this package."""
    summary = "CPUs and memory, within affinity and control groups"
    return [ProbePlugin(name="cpu", summary=summary, factory=lambda _: CpuProbe())]
