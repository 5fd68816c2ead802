"""The plugin module that the `probe-nvidia` entry point names."""

from __future__ import annotations

from collections.abc import Iterable

from whatsnext_core.hookspecs import ProbePlugin, hookimpl
from whatsnext_probe_nvidia.options import NvidiaOptions
from whatsnext_probe_nvidia.probe import NvidiaProbe


@hookimpl
def whatsnext_resource_probes() -> Iterable[ProbePlugin]:
    """Return the probe of this package."""
    summary = "NVIDIA GPUs and their MIG instances, by NVML"
    return [ProbePlugin(name="nvidia", summary=summary, factory=NvidiaProbe, config=NvidiaOptions)]
